//! Tests that a rejected bundle has no effect on the cluster.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use camino::{Utf8Path, Utf8PathBuf};

use crate::site::{Site, apply, build, prepare, write_trust};

/// Writes a kubeconfig with the test's listener as the server.
pub(crate) fn kubeconfig(folder: &Utf8Path, listener: &TcpListener) -> Utf8PathBuf {
    let server = format!("http://{}", listener.local_addr().unwrap());
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: t\nclusters: [{{name: t, cluster: {{server: \"{server}\"}}}}]\n\
         users: [{{name: t, user: {{}}}}]\ncontexts: [{{name: t, context: {{cluster: t, user: t}}}}]\n"
    );
    let path = folder.join("kubeconfig");
    fs_err::write(&path, text).unwrap();
    path
}

#[test]
fn cluster_is_not_contacted_before_bundle_is_verified() {
    let home = tempfile::tempdir().unwrap();
    let folder = Utf8Path::from_path(home.path()).unwrap();
    prepare(folder);
    write_trust(folder, "00000000-0000-0000-0000-000000000000");
    let good = build(folder, "dev", "relay-dev", 1, &[]);
    let bytes = fs_err::read(&good).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let config = kubeconfig(folder, &listener);

    let bad = folder.join("bad.tar");
    for at in [600, 2048, bytes.len() / 2, bytes.len() - 2000] {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        fs_err::write(&bad, damaged).unwrap();
        let ran = apply(folder, &bad, config.as_str(), &["--yes"]);
        assert_eq!(ran.code, 3, "byte {at}: {}", ran.stderr);
        assert!(listener.accept().is_err(), "byte {at}: a connection was made");
    }

    // The same command with the good bundle does connect, so the listener would have seen a
    // connection.
    listener.set_nonblocking(false).unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let read = stream.read(&mut request).unwrap();
        stream
            .write_all(
                b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}",
            )
            .unwrap();
        String::from_utf8_lossy(&request[..read]).into_owned()
    });
    let ran = apply(folder, &good, config.as_str(), &["--yes"]);
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(server.join().unwrap().starts_with("GET /api/v1/namespaces/kube-system "));
}

#[test]
fn bundle_for_another_cluster_is_not_applied() {
    let Some(site) = Site::new("other-cluster") else { return };
    site.trust("00000000-0000-0000-0000-000000000000");
    let bundle = site.build("dev", &[]);

    let ran = site.apply(&bundle, &["--yes"]);

    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("WRONG_TARGET"), "{}", ran.stderr);
    assert!(!site.plane.has("default", "namespace/other-cluster"));
}

#[test]
fn dry_run_shows_plan_and_writes_nothing() {
    let Some(site) = Site::new("dry-run") else { return };
    let site = site.with_namespace();
    let bundle = site.build("dev", &[]);
    let before = site.versions();

    let ran = site.apply(&bundle, &["--dry-run"]);

    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("create    Deployment/relay-dev-claude-relay\n"), "{}", ran.stdout);
    assert_eq!(site.versions(), before);
}

#[test]
fn apply_without_terminal_neither_prompts_nor_writes() {
    let Some(site) = Site::new("no-terminal") else { return };
    let site = site.with_namespace();
    let before = site.versions();

    let ran = site.apply(&site.build("dev", &[]), &[]);

    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert_eq!(site.versions(), before);
}

#[test]
fn older_bundle_is_refused_by_record_alone() {
    let Some(site) = Site::new("replay") else { return };
    let (old, new) = (site.build("dev", &[]), site.build("dev", &["config.logLevel=\"info\""]));
    site.applied(&new, &[]);
    // The machine of another operator, without a state.
    fs_err::remove_dir_all(site.path().join(".local")).unwrap();
    let before = site.versions();

    let ran = site.apply(&old, &["--yes"]);

    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("ROLLBACK"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("which ran here"), "{}", ran.stderr);
    assert_eq!(site.versions(), before);
}

#[test]
fn older_bundle_that_ran_here_is_refused_with_rollback_command() {
    let Some(site) = Site::new("replay-ran") else { return };
    let (old, new) = (site.build("dev", &[]), site.build("dev", &["config.logLevel=\"info\""]));
    site.applied(&old, &[]);
    site.applied(&new, &[]);
    fs_err::remove_dir_all(site.path().join(".local")).unwrap();

    let ran = site.apply(&old, &["--yes"]);

    assert_eq!(ran.code, 3, "{}", ran.stderr);
    let line = "it is generation 1, which ran here before: relay-bundle rollback -n replay-ran --name relay-dev --to 1";
    assert!(ran.stderr.contains(line), "{}", ran.stderr);
}

#[test]
fn field_of_another_owner_is_named_and_nothing_is_written() {
    let Some(site) = Site::new("conflict") else { return };
    site.applied(&site.build("dev", &[]), &[]);
    let patch = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: relay-dev-claude-relay, namespace: conflict}\n\
                 spec: {replicas: 2}\n";
    let arguments =
        ["apply", "--server-side", "--force-conflicts", "--field-manager=somebody", "-f", "-"];
    site.plane.feed(&arguments, patch);
    let before = site.versions();

    let ran = site.apply(&site.build("dev", &["config.logLevel=\"info\""]), &["--yes"]);

    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("Deployment/relay-dev-claude-relay:.spec.replicas"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("somebody"), "{}", ran.stderr);
    assert_eq!(site.versions(), before);
}
