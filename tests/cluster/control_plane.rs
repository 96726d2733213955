//! The control plane that the tests share, and those of tests that need one of their own.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::site::Ran;
use crate::watcher::Watcher;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster");

/// A control plane.
///
/// It ends with this program, which closes the standard input of `up`.
pub(crate) struct ControlPlane {
    pub(crate) kubeconfig: PathBuf,
    kubectl: PathBuf,
    cache: tempfile::TempDir,
    watcher: OnceLock<Watcher>,
    is_down: AtomicBool,
    _up: Child,
}

/// Returns the control plane, or `None` if its programs are missing.
pub(crate) fn control_plane() -> Option<&'static ControlPlane> {
    static PLANE: OnceLock<Option<ControlPlane>> = OnceLock::new();
    PLANE.get_or_init(start).as_ref()
}

/// A control plane for one test, which may stop its servers. It ends when this is dropped.
pub(crate) struct OwnControlPlane {
    pub(crate) plane: &'static ControlPlane,
}

/// Starts a control plane for one test.
pub(crate) fn own_control_plane() -> Option<OwnControlPlane> {
    start().map(|plane| OwnControlPlane { plane: Box::leak(Box::new(plane)) })
}

impl Drop for OwnControlPlane {
    fn drop(&mut self) {
        self.plane.down();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "who calls says which version, and whether all tests must run"
)]
fn start() -> Option<ControlPlane> {
    let mut up = Command::new(format!("{FOLDER}/up"));
    if let Some(version) = std::env::var_os("RELAY_BUNDLE_KUBERNETES") {
        up.arg("--version").arg(version);
    }
    let pipes =
        up.arg("--foreground").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut up = pipes.spawn().unwrap();
    let mut path = String::new();
    up.stdout.take().unwrap().read_to_string(&mut path).unwrap();
    if path.trim().is_empty() {
        let mut why = String::new();
        up.stderr.take().unwrap().read_to_string(&mut why).unwrap();
        let is_required = std::env::var_os("CI").is_some_and(|value| value == "true");
        assert!(
            why.contains("is missing") && !is_required,
            "the control plane did not start: {why}"
        );
        up.wait().unwrap();
        // The test harness would capture `eprintln!`.
        let line = format!("skipped: no control plane: {}\n", why.trim());
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        return None;
    }
    let cache = tempfile::tempdir().unwrap();
    Some(ControlPlane {
        kubeconfig: path.trim().into(),
        kubectl: kubectl(),
        cache,
        watcher: OnceLock::new(),
        is_down: AtomicBool::new(false),
        _up: up,
    })
}

/// Returns the newest kubectl among the programs that `up` has started.
#[expect(clippy::disallowed_methods, reason = "the tools are where `up` looks for them")]
fn kubectl() -> PathBuf {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let tools = variable("RELAY_BUNDLE_TOOLS").unwrap_or_else(|| {
        let cache =
            variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")));
        cache.unwrap().join("relay-bundle-tools")
    });
    let versions = Path::new(FOLDER).join("tools").read_dir().unwrap();
    let names = versions.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let newest = names.filter(|name| name.starts_with('v')).max().unwrap();
    tools.join("cluster").join(newest).join("kubectl")
}

impl ControlPlane {
    /// Returns the watcher, which starts on the first call, before any test writes.
    pub(crate) fn watcher(&'static self) -> &'static Watcher {
        self.watcher.get_or_init(|| Watcher::begin(self))
    }

    /// Whether it has ended before the tests have.
    pub(crate) fn is_down(&self) -> bool {
        self.is_down.load(Ordering::Relaxed)
    }

    /// Returns kubectl's folder.
    pub(crate) fn tools(&self) -> &Path {
        self.kubectl.parent().unwrap()
    }

    /// Returns the folder with keys, logs and process IDs.
    pub(crate) fn folder(&self) -> &Path {
        self.kubeconfig.parent().unwrap()
    }

    /// Stops or starts one of its servers.
    #[track_caller]
    pub(crate) fn server_is(&self, action: &str, server: &str) {
        let mut command = Command::new(format!("{FOLDER}/server"));
        let command = command.arg(action).arg(self.folder()).arg(server).stdin(Stdio::null());
        assert!(command.status().unwrap().success(), "{action} {server}");
    }

    /// Waits until the API server is ready.
    #[track_caller]
    pub(crate) fn await_ready(&self) {
        let start = Instant::now();
        while !self.command(&["get", "--raw", "/readyz"]).output().unwrap().status.success() {
            assert!(
                start.elapsed() < Duration::from_mins(2),
                "the API server does not become ready"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn down(&self) {
        self.is_down.store(true, Ordering::Relaxed);
        let status =
            Command::new(format!("{FOLDER}/down")).arg(self.folder()).stdin(Stdio::null()).status();
        assert!(std::thread::panicking() || status.unwrap().success());
    }

    /// Returns the address of the API server.
    pub(crate) fn server(&self) -> SocketAddr {
        let text = fs_err::read_to_string(&self.kubeconfig).unwrap();
        let server = text.lines().find_map(|line| line.trim().strip_prefix("server: https://"));
        server.unwrap().parse().unwrap()
    }

    /// Prepares a call of kubectl.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.kubectl);
        command.args(arguments).env_clear().env("KUBECONFIG", &self.kubeconfig);
        // `kubectl diff` calls `diff`.
        command
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.cache.path())
            .env("KUBECACHEDIR", self.cache.path())
            .stdin(Stdio::null());
        command
    }

    /// Calls kubectl, which must succeed.
    #[track_caller]
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "kubectl {arguments:?}: {stderr}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Applies `manifests` with kubectl as the field manager `platform`.
    #[track_caller]
    pub(crate) fn ensure(&self, manifests: &str) {
        self.feed(&["apply", "--server-side", "--field-manager=platform", "-f", "-"], manifests);
    }

    /// Replaces an object.
    #[track_caller]
    pub(crate) fn replace(&self, object: &Value) {
        self.feed(&["replace", "-f", "-"], &object.to_string());
    }

    /// Calls kubectl with input, which must succeed.
    #[track_caller]
    pub(crate) fn feed(&self, arguments: &[&str], text: &str) {
        let ran = self.fed(arguments, text);
        assert_eq!(ran.code, 0, "kubectl {arguments:?}: {}", ran.stderr);
    }

    /// Calls kubectl with input.
    pub(crate) fn fed(&self, arguments: &[&str], text: &str) -> Ran {
        let input = tempfile::NamedTempFile::new().unwrap();
        fs_err::write(input.path(), text).unwrap();
        let output = self
            .command(arguments)
            .stdin(fs_err::File::open(input.path()).unwrap().into_parts().0)
            .output();
        Ran::of(output.unwrap())
    }

    /// Returns a list of objects.
    #[track_caller]
    pub(crate) fn list(&self, namespace: &str, kinds: &str) -> Vec<Value> {
        let text = self.kubectl(&["-n", namespace, "get", kinds, "-o", "json"]);
        let list: Value = serde_json::from_str(&text).unwrap();
        list["items"].as_array().unwrap().clone()
    }

    /// Returns an object.
    #[track_caller]
    pub(crate) fn get(&self, namespace: &str, object: &str) -> Value {
        serde_json::from_str(&self.kubectl(&["-n", namespace, "get", object, "-o", "json"]))
            .unwrap()
    }

    /// Returns whether an object exists.
    pub(crate) fn has(&self, namespace: &str, object: &str) -> bool {
        !self
            .kubectl(&["-n", namespace, "get", object, "--ignore-not-found", "-o", "name"])
            .is_empty()
    }
}
