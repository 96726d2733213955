//! A folder of an operator, with a trust policy and the kubeconfig of a fake server.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use camino::{Utf8Path, Utf8PathBuf};
use relay_bundle::cluster::Cluster;
use relay_bundle::install::record::Journal;
use serde_json::{Value, json};

use crate::api_table::client;
use crate::bundles::{archive_of, policy};
use crate::fake::{AUTHORITY, Fake, Fault, When};

/// The installation of the profile `dev`: its namespace has the same name.
pub(crate) const DEV: &str = "relay-dev";
pub(crate) const RELAY: &str = "relay-dev-claude-relay";
pub(crate) const REDIS: &str = "relay-dev-redis";

/// Options of every change: the trust policy, and that no registry is asked for images.
pub(crate) const TERMS: [&str; 4] = ["--trust", "trust.toml", "--images", "skip"];

pub(crate) struct Scene {
    pub(crate) fake: Fake,
    folder: tempfile::TempDir,
    serial: AtomicU64,
}

/// The exit code of a command that was killed, as shells count.
pub(crate) const KILLED: i32 = 128 + 9;

/// The output and the exit code of a command.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) process: u32,
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Returns the report.
    #[track_caller]
    pub(crate) fn report(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}{}", self.stdout, self.stderr))
    }

    /// Asserts the exit code, and that stderr contains all these texts.
    #[track_caller]
    pub(crate) fn says(&self, code: i32, texts: &[&str]) {
        assert_eq!(self.code, code, "{}{}", self.stdout, self.stderr);
        for text in texts {
            assert!(self.stderr.contains(text), "{text}: {}", self.stderr);
        }
    }
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::with(Fake::start())
    }

    /// Returns another scene with the same objects and archives.
    pub(crate) fn copy(&self) -> Self {
        let scene = Self::with(self.fake.copy());
        scene.serial.store(self.serial.load(Ordering::Relaxed), Ordering::Relaxed);
        for entry in self.path().read_dir_utf8().unwrap().map(Result::unwrap) {
            if entry.path().extension() == Some("tar") {
                fs_err::copy(entry.path(), scene.path().join(entry.file_name())).unwrap();
            }
        }
        scene
    }

    fn with(fake: Fake) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let scene = Self { fake, folder, serial: AtomicU64::new(0) };
        fs_err::write(scene.path().join("kubeconfig"), scene.fake.kubeconfig()).unwrap();
        fs_err::write(scene.path().join("authority.pem"), AUTHORITY).unwrap();
        let policy_file = scene.path().join("trust.toml");
        fs_err::write(&policy_file, policy()).unwrap();
        // Independent of the umask: no other user may change it.
        fs_err::set_permissions(policy_file, PermissionsExt::from_mode(0o644)).unwrap();
        scene
    }

    /// Returns a scene in which the profile `dev` is installed, with these settings.
    #[track_caller]
    pub(crate) fn installed(settings: &[&str]) -> Self {
        Self::after(settings.join(" "), || {
            let scene = Self::new();
            scene.applied(&scene.build(settings), &[]);
            scene
        })
    }

    /// Returns a copy of a scene that is prepared once for all tests that need it.
    #[track_caller]
    pub(crate) fn after(name: String, prepare: impl FnOnce() -> Self) -> Self {
        static KNOWN: Mutex<BTreeMap<String, Arc<OnceLock<Scene>>>> = Mutex::new(BTreeMap::new());
        let known = Arc::clone(KNOWN.lock().unwrap().entry(name).or_default());
        known.get_or_init(prepare).copy()
    }

    pub(crate) fn path(&self) -> &Utf8Path {
        Utf8Path::from_path(self.folder.path()).unwrap()
    }

    /// Writes an archive of the profile `dev`. Each has a higher serial than the one before.
    #[track_caller]
    pub(crate) fn build(&self, settings: &[&str]) -> Utf8PathBuf {
        self.build_profile("dev", settings)
    }

    #[track_caller]
    pub(crate) fn build_profile(&self, profile: &str, settings: &[&str]) -> Utf8PathBuf {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed) + 1;
        let file = self.path().join(format!("{profile}-{serial}.tar"));
        fs_err::write(&file, archive_of(profile, settings, serial).as_slice()).unwrap();
        file
    }

    /// Kills the next run after this number of writes.
    pub(crate) fn kill_after_write(&self, last: usize) {
        let count = AtomicUsize::new(0);
        self.fake.script(move |seen, _| {
            let is_last = seen.is_write() && count.fetch_add(1, Ordering::SeqCst) + 1 == last;
            if is_last { Fault::Kill(When::After) } else { Fault::None }
        });
    }

    /// Runs a command with the kubeconfig.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_relay-bundle"));
        command.args(arguments).args(["--kubeconfig", "kubeconfig"]);
        command.current_dir(self.path()).env_clear().env("HOME", self.path());
        // Reading the authorities of the system takes a while, and the fake server needs none.
        command.env("SSL_CERT_FILE", "authority.pem");
        let (process, output) = self.fake.run(&mut command);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let signal = || 128 + output.status.signal().unwrap();
        Ran {
            process,
            code: output.status.code().unwrap_or_else(signal),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Runs `apply`.
    pub(crate) fn apply(&self, bundle: &Utf8Path, arguments: &[&str]) -> Ran {
        self.run(&[&["apply", bundle.as_str()], &TERMS[..], arguments].concat())
    }

    /// Runs `apply --yes`.
    pub(crate) fn apply_yes(&self, bundle: &Utf8Path, arguments: &[&str]) -> Ran {
        self.apply(bundle, &[&["--yes"], arguments].concat())
    }

    /// Runs `apply --yes`, which must succeed, and returns its report.
    #[track_caller]
    pub(crate) fn applied(&self, bundle: &Utf8Path, arguments: &[&str]) -> Value {
        let ran = self.apply_yes(bundle, &[&["--json"], arguments].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        ran.report()
    }

    /// Runs `apply --dry-run`, and returns its report.
    #[track_caller]
    pub(crate) fn planned(&self, bundle: &Utf8Path, arguments: &[&str]) -> Value {
        self.apply(bundle, &[&["--dry-run", "--json"], arguments].concat()).report()
    }

    /// Runs a command for the installation in the namespace of the profile `dev`.
    pub(crate) fn call(&self, arguments: &[&str]) -> Ran {
        self.run(&[arguments, &["-n", DEV]].concat())
    }

    /// Returns a client.
    pub(crate) fn cluster(&self) -> Cluster {
        client(self.path().join("kubeconfig").as_str())
    }

    /// Returns the head of the record.
    #[track_caller]
    pub(crate) fn head(&self) -> Value {
        let record = self.fake.get("ConfigMap", DEV, &format!("relay-bundle.{DEV}")).unwrap();
        serde_json::from_str(record["data"]["head.json"].as_str().unwrap()).unwrap()
    }

    /// Returns the states of the generations, oldest first.
    #[track_caller]
    pub(crate) fn states(&self) -> Vec<String> {
        let head = self.head();
        let entries = head["generations"].as_array().unwrap().iter();
        entries.map(|entry| entry["state"].as_str().unwrap().to_owned()).collect()
    }

    /// Returns an object of the installation.
    #[track_caller]
    pub(crate) fn object(&self, kind: &str, name: &str) -> Value {
        self.fake.get(kind, DEV, name).unwrap_or_else(|| panic!("no {kind}/{name}"))
    }

    pub(crate) fn relay(&self) -> Value {
        self.object("Deployment", RELAY)
    }
}

/// Opens the record of the installation of the profile `dev`.
#[track_caller]
pub(crate) fn journal(cluster: &Cluster) -> Journal {
    Journal::open(cluster, &DEV.parse().unwrap(), DEV).unwrap()
}

/// Returns the namespace of the profile `dev`.
pub(crate) fn namespace() -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": DEV}})
}
