//! `build --key`: entries and archives that are signed when they are built.

use camino::Utf8PathBuf;
use relay_bundle::trust::key::PublicKey;
use serde_json::json;

use crate::env::TestEnv;
use crate::keys::{attestation_of, signed, write_pair};

const SIGNED: [&str; 8] =
    ["build", "web", "--key", "a.pem", "--serial", "7", "--issued", "2026-01-02T03:04:05Z"];

fn archive_of(env: &TestEnv, arguments: &[&str]) -> Vec<u8> {
    env.ok(&[&SIGNED[..], &["--archive", "web.tar"], arguments].concat());
    fs_err::read(env.path().join("web.tar")).unwrap()
}

#[test]
fn the_same_source_key_and_terms_give_the_same_archive_to_the_last_byte() {
    let (here, there) = (TestEnv::new(), TestEnv::new());
    let [key, _] = [&here, &there].map(|env| write_pair(env.path(), "a", 1));
    let terms = ["--expires", "8w", "--site", "plant-7", "--site", "lab"];

    let one = archive_of(&here, &terms);
    let other = archive_of(
        &there,
        &["--site", "lab", "--store", "elsewhere", "--expires", "8w", "--site", "plant-7"],
    );
    there.ok(&["build", "web", "--archive", "later.tar", "--store", "third"]);
    let unsigned = fs_err::read(there.path().join("later.tar")).unwrap();
    let later = [&["sign", "later.tar"], &SIGNED[2..], &terms].concat();
    there.ok(&later);

    assert_ne!(unsigned, one);
    assert_eq!(one, other);
    assert_eq!(one, fs_err::read(there.path().join("later.tar")).unwrap());
    let (statement, signers) = signed(&here.path().join("web.tar"), &[&key]);
    assert_eq!((statement.predicate.serial, signers.len()), (7, 1));
}

#[test]
fn an_entry_that_is_signed_keeps_its_statement_and_gets_the_signature_that_is_missing() {
    let env = TestEnv::new();
    let (a, b) = (write_pair(env.path(), "a", 1), write_pair(env.path(), "b", 2));

    let first = env.run(&SIGNED);
    let entry = env.path().join(first.stdout.trim());
    let attestation = attestation_of(&entry);
    let again = env.run(&["build", "web", "--key", "a.pem"]);
    assert_eq!(attestation_of(&entry), attestation);
    let second = env.run(&["build", "web", "--key", "b.pem", "--json"]);
    let without = env.run(&["build", "web"]);

    assert!(first.stderr.contains("signed, sha256:"), "{}", first.stderr);
    assert!(first.stderr.contains(&format!("signed by {}: serial 7", a.public().id())), "{}", first.stderr);
    assert!(
        again.stderr.contains("kept the statement that was there; it was signed already by"),
        "{}",
        again.stderr
    );
    assert!(
        second.stderr.contains(&format!("kept the statement that was there; signed by {}", b.public().id()))
    );
    let (statement, signers) = signed(&entry, &[&a, &b]);
    assert_eq!((statement.predicate.serial, signers.len()), (7, 2));
    let built = &second.json()["bundles"][0];
    assert_eq!((&built["signed"], &built["signers"]), (&json!(true), &json!(signers)));
    assert!(
        without.stderr.contains("kept its 2 signatures, which nothing here has verified"),
        "{}",
        without.stderr
    );
    assert_eq!(signed(&entry, &[&a, &b]).1.len(), 2);
}

#[test]
fn other_terms_than_those_of_an_entry_are_refused() {
    let env = TestEnv::new();
    write_pair(env.path(), "a", 1);
    let entry = env.path().join(env.ok(&SIGNED).trim());
    let attestation = attestation_of(&entry);

    let ran = env.run(&["build", "web", "--key", "a.pem", "--serial", "8"]);

    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("has the serial 7") && ran.stderr.contains("--reseal"), "{}", ran.stderr);
    assert_eq!(attestation_of(&entry), attestation);
}

#[test]
fn without_a_key_a_build_says_that_the_bundle_is_unsigned_and_how_to_sign_it() {
    let env = TestEnv::new();
    write_pair(env.path(), "signing", 1);

    let ran = env.run(&["build", "web", "--json"]);

    let built = &ran.json()["bundles"][0];
    assert_eq!((&built["signed"], &built["signers"]), (&json!(false), &json!([])));
    assert!(ran.stderr.contains(", unsigned, "), "{}", ran.stderr);
    let command = ran.stderr.lines().find_map(|line| line.strip_prefix("sign it: relay-bundle ")).unwrap();
    env.ok(&command.split(' ').collect::<Vec<_>>());
    assert_eq!(env.run(&["build", "web", "--json"]).json()["bundles"][0]["signed"], true);
}

#[test]
fn an_attestation_that_is_of_no_use_is_kept_and_named() {
    let env = TestEnv::new();
    let key = write_pair(env.path(), "signing", 1);
    let entry = env.build(&["web"]);
    fs_err::write(entry.join("attestation.dsse.json"), "torn").unwrap();

    let ran = env.run(&["build", "web", "--json"]);
    let with_key = env.run(&["build", "web", "--key", "signing.pem"]);

    assert_eq!(ran.json()["bundles"][0]["signed"], false);
    assert!(ran.stderr.contains("warning: the attestation that was there is of no use"), "{}", ran.stderr);
    assert_eq!(with_key.code, 3);
    let command =
        ran.stderr.lines().find_map(|line| line.strip_prefix("make a new one: relay-bundle ")).unwrap();
    env.ok(&command.split(' ').collect::<Vec<_>>());
    assert_eq!(signed(&entry, &[&key]).1.len(), 1);
}

#[test]
fn keygen_makes_the_pair_once_and_says_who_needs_what() {
    let env = TestEnv::new();
    let build = ["build", "web", "--key", "new.pem", "--keygen"];

    let missing = env.run(&build[..4]);
    let first = env.run(&build);
    let pem = fs_err::read(env.path().join("new.pem")).unwrap();
    let second = env.run(&[&build[..], &["--set", "replicaCount=2"]].concat());

    assert_eq!(missing.code, 2);
    let public = fs_err::read_to_string(env.path().join("new.pub.pem")).unwrap();
    let id = PublicKey::from_pem(&public).unwrap().id().to_string();
    assert!(first.stderr.contains(&id) && first.stderr.contains("trust.toml"), "{}", first.stderr);
    assert!(!second.stderr.contains("trust.toml"), "{}", second.stderr);
    assert!(second.stderr.contains(&format!("signed by {id}")), "{}", second.stderr);
    assert_eq!(fs_err::read(env.path().join("new.pem")).unwrap(), pem);
    assert_ne!(first.stdout, second.stdout);
}

#[test]
fn all_profiles_of_a_run_get_the_same_terms() {
    let env = TestEnv::new();
    let key = write_pair(env.path(), "a", 1);

    let report = env.run(&["build", "--all", "--key", "a.pem", "--site", "lab", "--json"]).json();

    let paths: Vec<Utf8PathBuf> = report["bundles"]
        .as_array()
        .unwrap()
        .iter()
        .map(|built| env.path().join(built["path"].as_str().unwrap()))
        .collect();
    let terms: Vec<_> = paths
        .iter()
        .map(|path| signed(path, &[&key]).0.predicate)
        .map(|p| (p.serial, p.issued, p.sites))
        .collect();
    assert_eq!(terms.len(), 2);
    assert_eq!(terms[0], terms[1]);
    assert_eq!(terms[0].0, terms[0].1.seconds());
}

#[test]
fn terms_and_keygen_mean_nothing_without_a_key() {
    let env = TestEnv::new();
    for more in [
        &["--keygen"][..],
        &["--serial", "1"],
        &["--issued", "2026-01-02T03:04:05Z"],
        &["--expires", "1d"],
        &["--site", "lab"],
    ] {
        let ran = env.run(&[&["build", "web"], more].concat());
        assert_eq!(ran.code, 2, "{more:?}");
        assert!(ran.stderr.contains("--key"), "{}", ran.stderr);
    }
    assert!(!env.path().join("bundles").exists());
}

#[test]
fn wrong_terms_and_wrong_keys_are_refused_before_anything_is_built() {
    let env = TestEnv::new();
    write_pair(env.path(), "a", 1);
    for arguments in
        [["--key", "a.pem", "--issued", "2999-01-01T00:00:00Z"], ["--key", "none.pem", "--serial", "1"]]
    {
        let ran = env.run(&[&["build", "web"], &arguments[..]].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{}", ran.stderr);
    }
    assert!(!env.path().join("bundles").exists());
}

#[test]
fn content_that_was_released_before_keeps_its_old_serial_and_build_says_who_will_refuse_it() {
    let env = TestEnv::new();
    write_pair(env.path(), "a", 1);
    let build = |serial: &str, more: &[&str]| {
        env.run(&[&["build", "web", "--key", "a.pem", "--serial", serial], more].concat())
    };
    build("7", &[]);
    let newer = build("8", &["--set", "config.logLevel=\"debug\""]);

    let back = build("7", &[]);

    assert_eq!((newer.code, back.code), (0, 0), "{}", back.stderr);
    assert!(!newer.stderr.contains("ROLLBACK"), "{}", newer.stderr);
    assert!(
        back.stderr.contains("has serial 7, and the store has a release with serial 8"),
        "{}",
        back.stderr
    );
    assert!(back.stderr.contains("--reseal"), "{}", back.stderr);
}
