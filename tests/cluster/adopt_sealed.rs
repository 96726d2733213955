//! Tests a sealed encryption key: it must be the running one, even if its Secret already exists.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::helm::{ADMIN, Helm, SECRET};
use crate::vault::{KEYS, write_private};

/// The Secret with the bundle's sealed values.
const SEALED: &str = "claude-relay-sealed";

/// Seals a value as the encryption key, into the file that the profile names or will name.
fn seal(helm: &Helm, value: &str, more: &[&str]) {
    let site = &helm.site;
    write_private(&site.path().join("value"), value);
    let namespace = format!("release.namespace=\"{}\"", site.namespace);
    let arguments =
        ["secrets", "encrypt", "production", "config.encryptionKey", "--value-file", "value"];
    let own = ["--replace", "--set", &namespace, "--recipient", KEYS[0].1];
    let ran = site.run(&[&arguments[..], &own, more].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn sealed_key_is_taken_if_it_matches_running_key() {
    let Some(helm) = Helm::install("adopt-sealed", &[ADMIN]) else { return };
    let site = &helm.site;
    write_private(&site.path().join("key"), KEYS[0].0);
    helm.build_with_own_keys();
    let running =
        String::from_utf8(STANDARD.decode(helm.value(SECRET, "encryption-key")).unwrap()).unwrap();
    let profile = site.path().join("profiles/production.toml");
    let text = fs_err::read_to_string(&profile).unwrap();
    let file = "secrets/encryptionkey.age";
    seal(&helm, "another-key-than-the-running-one", &["--file", file]);
    let stated = format!("[config]\nencryptionKey = {{ age = \"{file}\" }}\n");
    fs_err::write(&profile, text.replacen("[config]\n", &stated, 1)).unwrap();
    let other = site.build("production", &[]);
    // The Secret exists already, as if prepared by a user.
    let literal = format!("--from-literal=encryption-key={running}");
    site.plane.kubectl(&["-n", &site.namespace, "create", "secret", "generic", SEALED, &literal]);

    let ran = helm.adopt(&other, &["--dry-run", "--identity", "key"]);
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(ran.stderr.contains("differs from the one that the relay runs with"), "{}", ran.stderr);

    seal(&helm, &running, &[]);
    let bundle = site.build("production", &[]);
    helm.adopted(&bundle, &["--identity", "key"]);
    assert_eq!(helm.value(SEALED, "encryption-key"), STANDARD.encode(&running));
    assert_eq!(site.applied(&bundle, &[])["done"]["written"], 0);
}
