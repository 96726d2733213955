//! A site of a builder and an operator: a folder with profiles, keys and a trust policy, and a
//! namespace of its own.

use std::collections::BTreeSet;
use std::process::Output;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use assert_cmd::Command;
use camino::{Utf8Path, Utf8PathBuf};
use relay_bundle::trust::key::PrivateKey;
use serde_json::{Value, json};

use crate::control_plane::{ControlPlane, control_plane};
use crate::versions::versions;
use crate::watcher::Watcher;

pub(crate) struct Site {
    pub(crate) plane: &'static ControlPlane,
    pub(crate) namespace: String,
    folder: tempfile::TempDir,
    serial: AtomicU32,
    /// `None` if the test stops the servers, which ends the watches.
    watcher: Option<&'static Watcher>,
    /// Whether the test itself deletes objects that pods reference.
    takes_away: AtomicBool,
}

/// The output and the exit code of a command.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code().unwrap(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

impl Site {
    /// Returns a site for a test, or `None` without a control plane.
    ///
    /// When it is dropped, it asserts that every object that a live pod referenced existed at each
    /// moment.
    pub(crate) fn new(namespace: &str) -> Option<Self> {
        Some(Self::on(control_plane()?, namespace))
    }

    /// Returns a site on this control plane.
    pub(crate) fn on(plane: &'static ControlPlane, namespace: &str) -> Self {
        let watcher = plane.watcher();
        let mut site = Self::unwatched(plane, namespace);
        site.watcher = Some(watcher);
        site
    }

    /// Returns a site on a control plane whose servers the test stops, which ends the watches.
    pub(crate) fn unwatched(plane: &'static ControlPlane, namespace: &str) -> Self {
        static TAKEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
        let is_new = TAKEN.lock().unwrap().insert(namespace.to_owned());
        assert!(is_new, "two tests would disturb each other in the namespace {namespace}");
        let site = Self {
            plane,
            namespace: namespace.to_owned(),
            folder: tempfile::tempdir().unwrap(),
            serial: AtomicU32::new(0),
            watcher: None,
            takes_away: AtomicBool::new(false),
        };
        prepare(site.path());
        let uid = plane.get("default", "namespace/kube-system")["metadata"]["uid"]
            .as_str()
            .unwrap()
            .to_owned();
        site.trust(&uid);
        site
    }

    /// Writes a policy for the cluster with this uid.
    pub(crate) fn trust(&self, uid: &str) {
        write_trust(self.path(), uid);
    }

    pub(crate) fn path(&self) -> &Utf8Path {
        Utf8Path::from_path(self.folder.path()).unwrap()
    }

    /// Creates the namespace.
    pub(crate) fn with_namespace(self) -> Self {
        self.plane.kubectl(&["create", "namespace", &self.namespace]);
        self
    }

    /// Builds and signs a profile for the namespace; each bundle has a higher serial than the
    /// previous one.
    #[track_caller]
    pub(crate) fn build(&self, profile: &str, settings: &[&str]) -> Utf8PathBuf {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed) + 1;
        build(self.path(), profile, &self.namespace, serial, settings)
    }

    /// Runs a command in the site's folder.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        run(self.path(), arguments)
    }

    /// Runs `apply`.
    pub(crate) fn apply(&self, bundle: &Utf8Path, arguments: &[&str]) -> Ran {
        let kubeconfig = self.plane.kubeconfig.to_str().unwrap();
        apply(self.path(), bundle, kubeconfig, arguments)
    }

    /// Runs a command with the cluster's kubeconfig.
    pub(crate) fn call(&self, arguments: &[&str]) -> Ran {
        let cluster = ["--kubeconfig", self.plane.kubeconfig.to_str().unwrap()];
        let all: Vec<&str> = arguments.iter().copied().chain(cluster).collect();
        run(self.path(), &all)
    }

    /// Runs a command with the cluster's kubeconfig and `--yes`, which must succeed, and returns
    /// its report.
    #[track_caller]
    pub(crate) fn called(&self, arguments: &[&str]) -> Value {
        let all: Vec<&str> = arguments.iter().copied().chain(["--yes", "--json"]).collect();
        let ran = self.call(&all);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        serde_json::from_str(&ran.stdout).unwrap()
    }

    /// Runs `apply --yes`, which must succeed, and returns its report.
    #[track_caller]
    pub(crate) fn applied(&self, bundle: &Utf8Path, arguments: &[&str]) -> Value {
        let all: Vec<&str> =
            ["--yes", "--json"].into_iter().chain(arguments.iter().copied()).collect();
        let ran = self.apply(bundle, &all);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        serde_json::from_str(&ran.stdout).unwrap()
    }

    /// Returns every object of the namespace with its version: equal results mean that nothing was
    /// written.
    #[track_caller]
    pub(crate) fn versions(&self) -> Vec<String> {
        versions(self.plane, &self.namespace)
    }

    /// Runs a command with a timeout until its error contains `why`.
    ///
    /// On a busy machine, the cluster may need more than one run to report the reason.
    #[track_caller]
    pub(crate) fn until_said(&self, why: &str, run: impl Fn(&Self) -> Ran) -> Ran {
        let start = Instant::now();
        loop {
            let ran = run(self);
            assert_eq!(ran.code, 4, "{}", ran.stderr);
            if ran.stderr.contains(why) {
                return ran;
            }
            assert!(start.elapsed() < Duration::from_mins(1), "{why}: {}", ran.stderr);
        }
    }

    /// Waits until no pod is terminating.
    ///
    /// A ReplicaSet no longer counts a terminating pod, but the pod's references still count.
    #[track_caller]
    pub(crate) fn await_leaving_pods(&self) {
        let start = Instant::now();
        let is_leaving = |pod: &Value| pod["metadata"].get("deletionTimestamp").is_some();
        while self.plane.list(&self.namespace, "pods").iter().any(is_leaving) {
            assert!(start.elapsed() < Duration::from_mins(1), "a pod does not go");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until the pods of a workload are up to date and ready.
    #[track_caller]
    pub(crate) fn await_rollout(&self, workload: &str) {
        // `kubectl rollout status` takes the pod of a recreated StatefulSet for an updated one.
        let start = Instant::now();
        loop {
            let object = self.plane.get(&self.namespace, workload);
            let status = &object["status"];
            let counts = ["replicas", "readyReplicas", "updatedReplicas"];
            if status["observedGeneration"] == object["metadata"]["generation"]
                && counts.iter().all(|count| status[count] == object["spec"]["replicas"])
            {
                return;
            }
            assert!(start.elapsed() < Duration::from_mins(1), "{workload} is not ready: {status}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Sets a quota for the pods of the namespace, and waits until it is counted.
    ///
    /// Before that, the server rejects pods for another reason.
    #[track_caller]
    pub(crate) fn limit(&self, hard: &Value) {
        let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "spec": {"hard": hard},
            "metadata": {"name": "small", "namespace": self.namespace}});
        self.plane.ensure(&quota.to_string());
        let start = Instant::now();
        loop {
            let status = &self.plane.get(&self.namespace, "resourcequota/small")["status"];
            if status["hard"] == *hard && status["used"].is_object() {
                return;
            }
            assert!(start.elapsed() < Duration::from_mins(1), "the quota is not counted: {status}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Returns the watcher of the pods' references.
    pub(crate) fn watcher(&self) -> &'static Watcher {
        self.watcher.unwrap()
    }

    /// Asserts that all references of live pods existed so far, and returns the number of moments
    /// checked.
    #[track_caller]
    pub(crate) fn references_hold(&self) -> usize {
        self.watcher().references_hold(&self.namespace)
    }

    /// Asserts the same for the last time: after this, the test itself deletes objects that pods
    /// reference.
    #[track_caller]
    pub(crate) fn takes_away_what_pods_name(&self) {
        self.references_hold();
        self.takes_away.store(true, Ordering::Relaxed);
    }

    /// Returns the head of the record.
    #[track_caller]
    pub(crate) fn head(&self, name: &str) -> Value {
        let object = self.plane.get(&self.namespace, &format!("configmap/relay-bundle.{name}"));
        serde_json::from_str(object["data"]["head.json"].as_str().unwrap()).unwrap()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let is_over = std::thread::panicking() || self.takes_away.load(Ordering::Relaxed);
        if !is_over && self.watcher.is_some() {
            self.references_hold();
        }
        // The rest of the namespace disturbs no other test, and the control plane ends soon.
        let arguments =
            ["delete", "namespace", &self.namespace, "--ignore-not-found", "--wait=false"];
        self.plane.command(&arguments).output().ok();
    }
}

pub(crate) fn key() -> PrivateKey {
    PrivateKey::from_seed(&[7; 32])
}

/// Copies the shipped profiles and writes a key.
pub(crate) fn prepare(folder: &Utf8Path) {
    fs_err::create_dir_all(folder.join("profiles")).unwrap();
    for entry in Utf8Path::new("profiles").read_dir_utf8().unwrap() {
        let entry = entry.unwrap();
        fs_err::copy(entry.path(), folder.join("profiles").join(entry.file_name())).unwrap();
    }
    let pem = key().to_pem();
    let mode = relay_bundle::fsio::MODE_PRIVATE;
    relay_bundle::fsio::create_new(
        folder.join("key.pem").as_path(),
        pem.as_bytes(),
        mode,
        relay_bundle::fsio::Durability::Cached,
    )
    .unwrap();
}

/// Writes a policy that trusts the key for all shipped profiles.
pub(crate) fn write_trust(folder: &Utf8Path, uid: &str) {
    let public = key().public();
    let (id, base64) = (public.id(), public.to_base64());
    let names =
        fs_err::read_dir(folder.join("profiles")).unwrap().map(|entry| entry.unwrap().path());
    let profiles: Vec<String> =
        names.map(|path| format!("\"{}\"", path.file_stem().unwrap().to_str().unwrap())).collect();
    let profiles = profiles.join(", ");
    let text = format!(
        "schema = \"relay-bundle/trust/v1\"\n[target]\nclusterUid = \"{uid}\"\n[[key]]\nid = \"{id}\"\n\
         public = \"{base64}\"\nholder = \"builder\"\n[[grant]]\n\
         bundles = [\"relay\", \"relay-*\", \"claude-relay\", \"other\"]\n\
         profiles = [{profiles}]\nenvironments = [\"dev\", \"production\", \"staging\"]\n\
         keys = [\"{id}\"]\nthreshold = 1\n"
    );
    write_trusted(&folder.join("trust.toml"), &text);
}

/// Writes a file that no other user can change, independent of the umask.
pub(crate) fn write_trusted(path: &Utf8Path, text: &str) {
    fs_err::write(path, text).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs_err::set_permissions(path, mode).unwrap();
}

/// Builds and signs a profile as an archive.
#[track_caller]
pub(crate) fn build(
    folder: &Utf8Path,
    profile: &str,
    namespace: &str,
    serial: u32,
    settings: &[&str],
) -> Utf8PathBuf {
    let archive = folder.join(format!("{profile}-{serial}.tar"));
    let (namespace, serial) = (format!("release.namespace=\"{namespace}\""), serial.to_string());
    let mut arguments =
        vec!["build", profile, "--key", "key.pem", "--serial", &serial, "--archive"];
    // A new store each time, because a store keeps the statement of content that it already has.
    let store = format!("store-{serial}");
    arguments.extend([archive.as_str(), "--store", &store, "--set", &namespace]);
    arguments.extend(settings.iter().flat_map(|setting| ["--set", setting]));
    let ran = run(folder, &arguments);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    archive
}

pub(crate) fn apply(
    folder: &Utf8Path,
    bundle: &Utf8Path,
    kubeconfig: &str,
    arguments: &[&str],
) -> Ran {
    let own = ["apply", bundle.as_str(), "--trust", "trust.toml", "--kubeconfig", kubeconfig];
    let all: Vec<&str> = own.into_iter().chain(arguments.iter().copied()).collect();
    run(folder, &all)
}

pub(crate) fn run(folder: &Utf8Path, arguments: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_relay-bundle"));
    command.args(arguments).current_dir(folder).env_clear().env("HOME", folder);
    // The tests must not query registries on the internet.
    command.env("HTTPS_PROXY", "http://127.0.0.1:1").env("NO_PROXY", "127.0.0.1,localhost");
    Ran::of(command.output().unwrap())
}
