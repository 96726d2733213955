//! `build --key`: entries and archives that are signed by the build.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use camino::Utf8PathBuf;
use relay_bundle::model::timestamp::{DAY_SECONDS, Timestamp};
use relay_bundle::trust::envelope::Envelope;
use relay_bundle::trust::key::PublicKey;
use relay_bundle::trust::statement::Statement;
use serde_json::json;

use crate::env::TestEnv;
use crate::keys::{attestation_of, signed, write_pair};
use crate::sealing::{key, set_mode};

const SIGNED: [&str; 8] =
    ["build", "web", "--key", "a.pem", "--serial", "7", "--issued", "2026-01-02T03:04:05Z"];

fn archive_of(env: &TestEnv, arguments: &[&str]) -> Vec<u8> {
    env.ok(&[&SIGNED[..], &["--archive", "web.tar"], arguments].concat());
    fs_err::read(env.path().join("web.tar")).unwrap()
}

#[test]
fn same_source_key_and_terms_give_identical_archive() {
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
fn signed_entry_keeps_statement_and_gains_missing_signature() {
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
    assert!(
        first.stderr.contains(&format!("signed by {}: serial 7", a.public().id())),
        "{}",
        first.stderr
    );
    assert!(
        again.stderr.contains("kept the existing statement; already signed by"),
        "{}",
        again.stderr
    );
    assert!(
        second
            .stderr
            .contains(&format!("kept the existing statement; signed by {}", b.public().id()))
    );
    let (statement, signers) = signed(&entry, &[&a, &b]);
    assert_eq!((statement.predicate.serial, signers.len()), (7, 2));
    let built = &second.json()["bundles"][0];
    assert_eq!((&built["signed"], &built["signers"]), (&json!(true), &json!(signers)));
    assert!(
        without.stderr.contains("kept its 2 signatures (not verified here)"),
        "{}",
        without.stderr
    );
    assert_eq!(signed(&entry, &[&a, &b]).1.len(), 2);
}

#[test]
fn terms_differing_from_entry_are_refused() {
    let env = TestEnv::new();
    write_pair(env.path(), "a", 1);
    let entry = env.path().join(env.ok(&SIGNED).trim());
    let attestation = attestation_of(&entry);

    let ran = env.run(&["build", "web", "--key", "a.pem", "--serial", "8"]);

    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains("has the serial 7") && ran.stderr.contains("--reseal"),
        "{}",
        ran.stderr
    );
    assert_eq!(attestation_of(&entry), attestation);
}

#[test]
fn build_without_key_reports_unsigned_and_how_to_sign() {
    let env = TestEnv::new();
    write_pair(env.path(), "signing", 1);

    let ran = env.run(&["build", "web", "--json"]);

    let built = &ran.json()["bundles"][0];
    assert_eq!((&built["signed"], &built["signers"]), (&json!(false), &json!([])));
    assert!(ran.stderr.contains(", unsigned, "), "{}", ran.stderr);
    let command =
        ran.stderr.lines().find_map(|line| line.strip_prefix("sign it: relay-bundle ")).unwrap();
    env.ok(&command.split(' ').collect::<Vec<_>>());
    assert_eq!(env.run(&["build", "web", "--json"]).json()["bundles"][0]["signed"], true);
}

#[test]
fn unusable_attestation_is_kept_and_reported() {
    let env = TestEnv::new();
    let key = write_pair(env.path(), "signing", 1);
    let entry = env.build(&["web"]);
    fs_err::write(entry.join("attestation.dsse.json"), "torn").unwrap();

    let ran = env.run(&["build", "web", "--json"]);
    let with_key = env.run(&["build", "web", "--key", "signing.pem"]);

    assert_eq!(ran.json()["bundles"][0]["signed"], false);
    assert!(ran.stderr.contains("warning: the existing attestation is invalid"), "{}", ran.stderr);
    assert_eq!(with_key.code, 3);
    let command = ran
        .stderr
        .lines()
        .find_map(|line| line.strip_prefix("make a new one: relay-bundle "))
        .unwrap();
    env.ok(&command.split(' ').collect::<Vec<_>>());
    assert_eq!(signed(&entry, &[&key]).1.len(), 1);
}

#[test]
fn keygen_creates_pair_once_and_says_who_needs_what() {
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
fn keygen_with_passphrase_makes_pair_that_later_build_opens() {
    let env = TestEnv::new();
    let passphrase = env.path().join("pass");
    fs_err::write(&passphrase, "correct horse battery staple\n").unwrap();
    fs_err::set_permissions(&passphrase, Permissions::from_mode(0o600)).unwrap();
    let build = ["build", "web", "--key", "new.pem", "--keygen", "--passphrase-file", "pass"];

    env.ok(&build);
    let pem = fs_err::read_to_string(env.path().join("new.pem")).unwrap();
    let again = env.run(&[&build[..], &["--set", "replicaCount=2"]].concat());
    let without = env.run(&["build", "web", "--key", "new.pem", "--set", "replicaCount=3"]);

    assert!(pem.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"), "{pem}");
    assert!(again.code == 0 && again.stderr.contains("signed by"), "{}", again.stderr);
    assert_eq!(fs_err::read_to_string(env.path().join("new.pem")).unwrap(), pem);
    assert_eq!(without.code, 2, "{}", without.stderr);
}

#[test]
fn all_profiles_of_run_get_same_terms() {
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
fn terms_and_keygen_are_refused_without_key() {
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
fn invalid_terms_and_keys_are_refused_before_build() {
    let env = TestEnv::new();
    write_pair(env.path(), "a", 1);
    for arguments in [
        ["--key", "a.pem", "--issued", "2999-01-01T00:00:00Z"],
        ["--key", "none.pem", "--serial", "1"],
    ] {
        let ran = env.run(&[&["build", "web"], &arguments[..]].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{}", ran.stderr);
    }
    assert!(!env.path().join("bundles").exists());
}

#[test]
fn content_released_before_keeps_serial_with_refusal_warning() {
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
        back.stderr.contains("has serial 7, but the store has a release with serial 8"),
        "{}",
        back.stderr
    );
    assert!(back.stderr.contains("build it without --serial"), "{}", back.stderr);
}

// --- the serials of releases ---

const DEBUG: [&str; 2] = ["--set", "config.logLevel=\"debug\""];

/// Builds `web` with the key `a.pem`, and returns the output and the statement.
#[track_caller]
fn release(env: &TestEnv, more: &[&str]) -> (crate::env::Ran, Statement) {
    let ran = env.run(&[&["build", "web", "--key", "a.pem"], more].concat());
    assert_eq!(ran.code, 0, "{more:?}: {}", ran.stderr);
    let envelope = Envelope::parse(&attestation_of(&env.path().join(ran.stdout.trim()))).unwrap();
    (ran, Statement::parse(envelope.payload()).unwrap())
}

#[test]
fn builds_within_one_second_get_rising_serials() {
    let env = TestEnv::new();
    write_pair(env.path(), "a", 1);
    let replicas = ["--set", "replicaCount=2"];

    let serials =
        [&[][..], &DEBUG, &replicas, &[]].map(|more| release(&env, more).1.predicate.serial);

    assert!(serials.is_sorted_by(|before, after| before < after), "{serials:?}");
}

#[test]
fn rereleased_content_gets_next_serial_and_is_accepted() {
    let env = TestEnv::new();
    env.write("a.pem", key("builder").to_pem().as_bytes());
    set_mode(&env.path().join("a.pem"), 0o600);
    env.trust_builder();
    let accept = |archive: &str| env.run(&["verify", archive, "--trust", "trust.toml", "--record"]);
    let (_, first) = release(&env, &["--archive", "1.tar"]);
    let (_, debug) = release(&env, &[&["--archive", "2.tar"], &DEBUG[..]].concat());

    let (back, again) = release(&env, &["--archive", "3.tar"]);
    let (kept, same) = release(&env, &["--archive", "4.tar"]);

    assert_eq!((first.content_id == again.content_id, again == same), (true, true));
    assert!(again.predicate.serial > debug.predicate.serial);
    assert!(back.stderr.contains("made a new statement"), "{}", back.stderr);
    assert!(!back.stderr.contains("warning: "), "{}", back.stderr);
    assert!(kept.stderr.contains("kept the existing statement"), "{}", kept.stderr);
    for archive in ["1.tar", "2.tar", "3.tar", "4.tar"] {
        let ran = accept(archive);
        assert_eq!(ran.code, 0, "{archive}: {}", ran.stderr);
    }
}

#[test]
fn other_signers_of_old_statement_are_named() {
    let env = TestEnv::new();
    let (a, b) = (write_pair(env.path(), "a", 1), write_pair(env.path(), "b", 2));
    let (first, old) = release(&env, &["--site", "lab"]);
    let entry = env.path().join(first.stdout.trim());
    env.ok(&["sign", "@web", "--key", "b.pem"]);
    release(&env, &DEBUG);

    let (again, _) = release(&env, &[]);

    let other = b.public().id().to_string();
    let said = format!("(serial {}) had the signature of {other}", old.predicate.serial);
    assert!(again.stderr.contains(&said), "{}", again.stderr);
    assert!(again.stderr.contains(" sign bundles/"), "{}", again.stderr);
    assert!(
        again.stderr.contains("was for site lab; the new one is for any site"),
        "{}",
        again.stderr
    );
    assert_eq!(signed(&entry, &[&a]).1, [a.public().id()].into());
}

#[test]
fn serial_of_another_content_is_refused() {
    let env = TestEnv::new();
    let key = write_pair(env.path(), "a", 1);
    let (_, first) = release(&env, &["--serial", "7"]);
    let archive = env.path().join("web.tar");
    env.ok(&[&["build", "web", "--archive", "web.tar"], &DEBUG[..]].concat());

    let build = [&["build", "web", "--key", "a.pem", "--serial", "7"], &DEBUG[..]].concat();
    for arguments in [&build[..], &["sign", "@web", "--key", "a.pem", "--serial", "7"]] {
        let ran = env.run(arguments);

        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{}", ran.stderr);
        assert!(ran.stderr.contains("serial 7 is taken"), "{}", ran.stderr);
        assert!(ran.stderr.contains(&first.content_id.to_string()), "{}", ran.stderr);
    }
    // The releases of an archive are unknown.
    env.ok(&["sign", "web.tar", "--key", "a.pem", "--serial", "7"]);
    assert_eq!(signed(&archive, &[&key]).0.predicate.serial, 7);
}

#[test]
fn serial_far_in_future_is_undone_by_printed_command() {
    let env = TestEnv::new();
    write_pair(env.path(), "a", 1);
    let (_, first) = release(&env, &["--serial", "9000000000000"]);
    env.ok(&[&["build", "web"], &DEBUG[..]].concat());

    let ran = env.run(&["sign", "@web", "--key", "a.pem", "--serial", "9000000000000"]);

    let id = first.content_id.to_string();
    let line = format!("relay-bundle sign @{} --reseal --serial ", &id[..12]);
    let (_, serial) = ran.stderr.split_once(&line).unwrap_or_else(|| panic!("{}", ran.stderr));
    let (serial, _) = serial.split_once(' ').unwrap();
    let entry = format!("@{}", &id[..12]);
    env.ok(&["sign", &entry, "--reseal", "--serial", serial, "--key", "a.pem"]);
    env.ok(&["sign", "@web", "--key", "a.pem"]);
}

#[test]
fn sign_gives_entry_next_serial_of_store() {
    let env = TestEnv::new();
    write_pair(env.path(), "a", 1);
    let (_, first) = release(&env, &[]);
    let entry = env.build(&[&["web"], &DEBUG[..]].concat());

    env.ok(&["sign", "@web", "--key", "a.pem"]);
    let envelope = Envelope::parse(&attestation_of(&entry)).unwrap();
    let second = Statement::parse(envelope.payload()).unwrap();
    env.ok(&["sign", "@web", "--key", "a.pem", "--reseal"]);
    let envelope = Envelope::parse(&attestation_of(&entry)).unwrap();
    let third = Statement::parse(envelope.payload()).unwrap();

    assert!(first.predicate.serial < second.predicate.serial);
    assert!(second.predicate.serial < third.predicate.serial);
}

#[test]
fn releases_of_other_profiles_do_not_affect_serial() {
    let env = TestEnv::new();
    write_pair(env.path(), "a", 1);
    env.ok(&["build", "dev", "--key", "a.pem", "--serial", "9000000000000000"]);

    let (_, web) = release(&env, &[]);

    assert_eq!(web.predicate.serial, web.predicate.issued.seconds());
}

#[test]
fn build_sign_and_verify_warn_of_serial_far_ahead_of_issue() {
    let env = TestEnv::new();
    write_pair(env.path(), "a", 1);
    let issued: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
    let serial = |ahead: u64| (issued.seconds() + ahead).to_string();
    let warning = "more than 24 h ahead of the issue time";
    for (ahead, is_warned) in [(DAY_SECONDS, false), (DAY_SECONDS + 1, true)] {
        let store = format!("store-{ahead}");
        let serial = serial(ahead);
        let terms = ["--serial", serial.as_str(), "--issued", "2026-01-02T03:04:05Z"];
        let built = [&["build", "web", "--store", &store, "--key", "a.pem"], &terms[..]].concat();
        env.ok(&["build", "web", "--store", "plain", "--archive", "web.tar"]);
        let signed = [&["sign", "web.tar", "--key", "a.pem"], &terms[..]].concat();
        for arguments in [&built[..], &signed, &["verify", "web.tar", "--key", "a.pub.pem"]] {
            let ran = env.run(arguments);
            assert_eq!(ran.code, 0, "{}", ran.stderr);
            assert_eq!(ran.stderr.contains(warning), is_warned, "{arguments:?}: {}", ran.stderr);
        }
    }
}

#[test]
fn parallel_builds_get_own_serials_and_link_points_to_newest() {
    let env = TestEnv::new();
    let key = write_pair(env.path(), "a", 1);
    let sets: Vec<String> = (1..=8).map(|number| format!("replicaCount={number}")).collect();
    let start = |set: &String| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_relay-bundle"));
        command.args(["build", "web", "--quiet", "--key", "a.pem", "--set", set]);
        command.current_dir(env.path()).env_clear().env("HOME", env.path());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };

    let children: Vec<_> = sets.iter().map(start).collect();
    let outputs: Vec<_> =
        children.into_iter().map(|child| child.wait_with_output().unwrap()).collect();

    let mut serials = BTreeMap::new();
    for output in outputs {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let entry = env.path().join(String::from_utf8(output.stdout).unwrap().trim());
        serials.insert(signed(&entry, &[&key]).0.predicate.serial, entry);
    }
    assert_eq!(serials.len(), sets.len());
    let linked = env.path().join("bundles/web").canonicalize_utf8().unwrap();
    assert_eq!(linked.file_name(), serials.last_key_value().unwrap().1.file_name());
}
