//! Tests sealed secrets: opened in memory before any question, written only if they differ, and
//! never printed.

use std::process::Command;

use serde_json::json;

use crate::proxy::Proxy;
use crate::tools::find;
use crate::vault::{KEYS, SEALED, Vault};

const CONSENT: [&str; 1] = ["--first-install"];
const JWT: &str = "jwt-value-that-nobody-must-see-1";
const ADMIN: &str = "admin-value-that-nobody-must-see";

fn vault(namespace: &str) -> Option<Vault> {
    let vault = Vault::new(namespace)?;
    let lines = [vault.seal("config.jwtSecret", JWT), vault.seal("config.adminPassword", ADMIN)];
    vault.profile(&[&lines[0], &lines[1]]);
    Some(vault)
}

#[test]
fn sealed_values_are_decrypted_with_identity_and_written_once() {
    let Some(vault) = vault("sealed") else { return };
    let bundle = vault.build();
    let before = vault.site.versions();

    let ran = vault.apply(&bundle, &CONSENT);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("secrets/jwtsecret.age") && ran.stderr.contains("--identity"),
        "{}",
        ran.stderr
    );
    assert_eq!(vault.site.versions(), before);

    let report = vault.applied(&bundle, &["--first-install", "--identity", "key"]);
    assert_eq!(report["sealed"], json!([format!("Secret/{SEALED}: admin-password, jwt-secret")]));
    assert_eq!(vault.value(SEALED, "jwt-secret").unwrap(), JWT);
    assert_eq!(vault.value(SEALED, "admin-password").unwrap(), ADMIN);

    // An unchanged secret is neither opened nor written.
    let before = vault.site.versions();
    for arguments in [&[][..], &["--identity", "key"]] {
        assert_eq!(vault.applied(&bundle, arguments)["done"]["written"], 0);
    }
    assert_eq!(vault.site.versions(), before);
    vault.is_silent(&[JWT, ADMIN]);
}

#[test]
fn new_sealed_value_restarts_pods_and_manual_edit_is_undone() {
    let Some(vault) = vault("sealed-again") else { return };
    vault.applied(&vault.build(), &["--first-install", "--identity", "key"]);
    let other = "another-jwt-value-that-is-unseen";
    vault.seal("config.jwtSecret", other);
    let bundle = vault.build();

    assert_eq!(vault.apply(&bundle, &[]).code, 2);
    let report = vault.applied(&bundle, &["--identity", "key"]);

    assert_eq!(report["sealed"], json!([format!("Secret/{SEALED}: jwt-secret")]));
    let relay = &report["workloads"][1];
    assert_eq!((&relay["kind"], &relay["restart"]), (&json!("Deployment"), &json!("yes")));
    assert_eq!(vault.value(SEALED, "jwt-secret").unwrap(), other);

    let patch = r#"{"stringData":{"jwt-secret":"edited-by-hand"}}"#;
    let name = format!("secret/{SEALED}");
    vault.site.plane.kubectl(&[
        "-n",
        &vault.site.namespace,
        "patch",
        &name,
        "--type=merge",
        "-p",
        patch,
    ]);
    let report = vault.applied(&bundle, &["--identity", "key"]);
    assert_eq!(report["sealed"], json!([format!("Secret/{SEALED}: jwt-secret")]));
    assert_eq!(vault.value(SEALED, "jwt-secret").unwrap(), other);
    vault.is_silent(&[JWT, ADMIN, other]);
}

#[test]
fn wrong_identity_or_swapped_file_is_refused_before_connecting() {
    let Some(vault) = vault("sealed-wrong") else { return };
    let proxy = Proxy::before_nothing();
    fs_err::write(vault.site.path().join("nowhere"), proxy.kubeconfig()).unwrap();
    let apply = |bundle: &str, identity: &str| {
        let arguments =
            ["apply", bundle, "--trust", "trust.toml", "--kubeconfig", "nowhere", "--yes"];
        let identity = ["--first-install", "--identity", identity];
        vault.hear(vault.site.run(&[&arguments[..], &identity].concat()))
    };

    let ran = apply(vault.build().as_str(), "other");
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("none of the given keys can open it"), "{}", ran.stderr);
    assert!(ran.stderr.contains(&format!("its recipients are {}", KEYS[0].1)), "{}", ran.stderr);

    // A file from plain age does not state its place: only opening it with the key shows that it
    // belongs elsewhere.
    if let Some(age) = find("age", "age") {
        let place = format!("{}/{SEALED}/admin-password", vault.site.namespace);
        let mut frame =
            format!("relay-bundle/sealed/v1\n{place}\n{}\n{ADMIN}", ADMIN.len()).into_bytes();
        frame.resize(frame.len().next_multiple_of(512), 0);
        let plain = vault.site.path().join("frame");
        fs_err::write(&plain, frame).unwrap();
        let file = vault.site.path().join("profiles/secrets/jwtsecret.age");
        let sealing = ["-r", KEYS[0].1, "-o", file.as_str(), plain.as_str()];
        assert!(Command::new(age).args(sealing).status().unwrap().success());
        let ran = apply(vault.build().as_str(), "key");
        assert_eq!(ran.code, 3, "{}", ran.stderr);
        assert!(ran.stderr.contains("the file was swapped"), "{}", ran.stderr);
    }

    assert_eq!(proxy.connections(), 0);
    vault.is_silent(&[JWT, ADMIN, KEYS[0].0, KEYS[1].0]);
}
