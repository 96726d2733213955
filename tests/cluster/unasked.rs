//! Tests that the program sends no request to the cluster before it has made all checks that need
//! none.

use camino::{Utf8Path, Utf8PathBuf};

use crate::proxy::Proxy;
use crate::site::{build, prepare, run, write_trust};
use crate::started::start;

struct Desk {
    home: tempfile::TempDir,
    bundle: Utf8PathBuf,
    proxy: Proxy,
}

impl Desk {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(home.path()).unwrap();
        prepare(folder);
        write_trust(folder, "00000000-0000-0000-0000-000000000000");
        let bundle = build(folder, "dev", "relay-dev", 5, &[]);
        Self { home, bundle, proxy: Proxy::before_nothing() }
    }

    fn folder(&self) -> &Utf8Path {
        Utf8Path::from_path(self.home.path()).unwrap()
    }

    fn change_trust(&self, from: &str, to: &str) {
        let path = self.folder().join("trust.toml");
        let text = fs_err::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        fs_err::write(&path, text.replacen(from, to, 1)).unwrap();
    }

    /// Runs a command without a cluster, which must succeed.
    #[track_caller]
    fn ok(&self, arguments: &[&str]) {
        let ran = run(self.folder(), arguments);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }

    /// Asserts that a bundle is rejected if the cluster does not answer whether it runs the
    /// content.
    #[track_caller]
    fn refuses_unless_deployed(&self, bundle: &Utf8Path, why: &str) {
        let ended = start(self.folder(), &self.proxy, bundle, &[]).end();
        assert_eq!(ended.code, Some(3), "{}", ended.stderr);
        // The server is silent for seconds, which is told before.
        let error = ended.stderr.lines().find(|line| line.starts_with("error: "));
        let is_refusal = error.is_some_and(|line| line.starts_with(&format!("error: {why}: ")));
        assert!(is_refusal, "{}", ended.stderr);
        let asked =
            "cannot check whether the cluster runs this content: the API server did not answer";
        assert!(ended.stderr.contains(asked), "{}", ended.stderr);
    }

    #[track_caller]
    fn refuses(&self, bundle: &Utf8Path, code: i32, why: &str) {
        let ended = start(self.folder(), &self.proxy, bundle, &[]).end();
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        assert!(ended.stderr.contains(why), "{}", ended.stderr);
        assert_eq!(self.proxy.connections(), 0, "{}", ended.stderr);
    }
}

#[test]
fn good_bundle_triggers_first_connection() {
    let desk = Desk::new();

    let ended = start(desk.folder(), &desk.proxy, &desk.bundle, &[]).end();

    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    assert_eq!(desk.proxy.seen()[0].path, "/api/v1/namespaces/kube-system");
}

#[test]
fn bad_signature_is_refused_without_connection() {
    let desk = Desk::new();
    let mut bytes = fs_err::read(&desk.bundle).unwrap();
    let at = bytes.windows(6).position(|window| window == b"\"sig\":").unwrap() + 12;
    bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
    let bad = desk.folder().join("bad.tar");
    fs_err::write(&bad, bytes).unwrap();

    desk.refuses(&bad, 3, "BAD_SIGNATURE");
}

#[test]
fn untrusted_key_is_refused_without_connection() {
    let desk = Desk::new();
    let other = relay_bundle::trust::key::PrivateKey::from_seed(&[8; 32]);
    let ours = relay_bundle::trust::key::PrivateKey::from_seed(&[7; 32]).public();
    for _ in 0..2 {
        desk.change_trust(&ours.id().to_string(), &other.public().id().to_string());
    }
    desk.change_trust(&ours.to_base64(), &other.public().to_base64());

    desk.refuses(&desk.bundle, 3, "UNTRUSTED_KEY");
}

#[test]
fn revoked_content_or_low_serial_is_refused_without_connection() {
    let desk = Desk::new();
    desk.change_trust("threshold = 1", "threshold = 1\nminSerial = 6");
    desk.refuses(&desk.bundle, 3, "BELOW_MIN_SERIAL");

    desk.change_trust("\nminSerial = 6", "");
    let seen = run(desk.folder(), &["inspect", desk.bundle.as_str(), "--json"]);
    let seen: serde_json::Value = serde_json::from_str(&seen.stdout).unwrap();
    let content = seen["contentId"].as_str().unwrap().trim_start_matches("sha256:");
    desk.change_trust(
        "[[grant]]",
        &format!("[[revokedContent]]\nsha256 = \"{content}\"\n[[grant]]"),
    );
    desk.refuses(&desk.bundle, 3, "REVOKED_CONTENT");
}

#[test]
fn expired_bundle_is_refused_unless_cluster_reports_it_running() {
    let desk = Desk::new();
    let archive = desk.folder().join("old.tar");
    let build =
        ["build", "dev", "--key", "key.pem", "--serial", "6", "--archive", archive.as_str()];
    let times = ["--issued", "2020-01-01T00:00:00Z", "--expires", "2020-01-02T00:00:00Z"];
    desk.ok(&[&build[..], &times].concat());

    desk.refuses_unless_deployed(&archive, "EXPIRED");
}

#[test]
fn older_bundle_is_refused_unless_cluster_reports_it_running() {
    let desk = Desk::new();
    let older = build(desk.folder(), "dev", "relay-dev", 4, &["config.logLevel=\"warn\""]);
    desk.ok(&["verify", desk.bundle.as_str(), "--trust", "trust.toml", "--record"]);

    desk.refuses_unless_deployed(&older, "ROLLBACK");
}

#[test]
fn missing_or_damaged_policy_prevents_connection() {
    let desk = Desk::new();
    desk.change_trust("relay-bundle/trust/v1", "relay-bundle/trust/v9");
    desk.refuses(&desk.bundle, 2, "trust.toml");

    fs_err::remove_file(desk.folder().join("trust.toml")).unwrap();
    desk.refuses(&desk.bundle, 2, "trust.toml");
}
