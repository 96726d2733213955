//! Profiles, links and Helm values must not leak lines of other files or control characters to a
//! terminal.

use std::os::unix::fs::symlink;

use crate::env::{Ran, TestEnv};

/// A private key in openssl's format, and a file of environment variables.
const FOREIGN: [&str; 3] = [
    "-----BEGIN PRIVATE KEY-----\nqvzk1qvzk2qvzk3==\n-----END PRIVATE KEY-----\n",
    "AWS_SECRET_ACCESS_KEY=qvzk1/qvzk2\nqvzk3\n",
    "replicaCount = 0\nnote = \"qvzk1\"\n",
];

#[track_caller]
fn assert_silent(ran: &Ran) {
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(!said.contains("qvzk"), "{said}");
    assert!(said.contains("profiles/linked.toml"), "{said}");
}

#[test]
fn profile_symlink_out_of_folder_shows_no_line() {
    let env = TestEnv::new();
    fs_err::create_dir(env.path().join("home")).unwrap();
    symlink("../home/file", env.path().join("profiles/linked.toml")).unwrap();
    for text in FOREIGN {
        fs_err::write(env.path().join("home/file"), text).unwrap();
        for arguments in [
            &["build", "linked"][..],
            &["build", "linked", "--json"],
            &["explain", "linked", "replicaCount"],
            &["secrets", "check", "linked"],
            &["secrets", "encrypt", "linked", "config.jwtSecret"],
        ] {
            assert_silent(&env.run(arguments));
        }
    }
}

#[test]
fn number_of_linked_file_is_not_repeated() {
    let env = TestEnv::new();
    fs_err::create_dir(env.path().join("home")).unwrap();
    symlink("../home/file", env.path().join("profiles/linked.toml")).unwrap();
    for text in [
        "config = 73313\n",
        "replicaCount = 73313\n",
        "fullnameOverride = 73313\n",
        "extraVolumes = [{ name = \"a\", secret = { secretName = \"a\", defaultMode = 73313 } }]\n",
        "extraVolumes = [{ name = \"a\", secret = { secretName = \"a\", defaultMode = \"73313\" } }]\n",
    ] {
        fs_err::write(env.path().join("home/file"), text).unwrap();

        let ran = env.run(&["build", "linked"]);

        assert!(ran.code == 2 && !ran.stderr.contains("73313"), "{}", ran.stderr);
    }
}

#[test]
fn profile_symlink_within_folder_shows_its_lines() {
    let env = TestEnv::new();
    env.write_profile("file", "replicaCuont = 1\n");
    symlink("file.toml", env.path().join("profiles/linked.toml")).unwrap();

    let ran = env.run(&["build", "linked"]);

    assert!(ran.stderr.contains("replicaCuont = 1"), "{}", ran.stderr);
}

#[test]
fn sealed_file_symlink_out_of_folder_is_refused() {
    let env = TestEnv::new();
    fs_err::write(env.path().join("outside.age"), "age-encryption.org/v1\n").unwrap();
    fs_err::create_dir(env.path().join("profiles/secrets")).unwrap();
    symlink("../../outside.age", env.path().join("profiles/secrets/x.age")).unwrap();
    env.write_profile(
        "sealed",
        "extends = [\"web\"]\nconfig.jwtSecret = { age = \"secrets/x.age\" }\n",
    );

    let ran = env.run(&["build", "sealed"]);

    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains("RB0210") && ran.stderr.contains("is a link to outside `profiles`"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("copy the file there"), "{}", ran.stderr);
}

/// Characters that move the cursor, are invisible, or reverse text.
const UNSEEN: [char; 6] = ['\u{9b}', '\u{200b}', '\u{202e}', '\u{2066}', '\u{feff}', '\u{7f}'];

#[track_caller]
fn assert_seen(ran: &Ran) {
    for text in [&ran.stdout, &ran.stderr] {
        assert!(!text.contains(UNSEEN), "{text:?}");
        assert!(!text.contains("\u{1b}]"), "{text:?}");
    }
}

#[test]
fn control_characters_of_profile_are_escaped_in_all_output() {
    let env = TestEnv::new();
    let unseen: String = UNSEEN.iter().filter(|c| **c != '\u{7f}').collect();
    env.write_profile("bad", &format!("extends = [\"web\"]\n\"key{unseen}\" = 1\npodAnnotations = {{ \"a{unseen}\" = \"b{unseen}\" }} # {unseen}\n"));
    env.write_profile(
        "good",
        "extends = [\"web\"]\npodAnnotations = { a = \"b\u{200b}\" } # \u{feff}\n",
    );

    for arguments in [
        &["build", "bad"][..],
        &["build", "bad", "--json"],
        &["build", "bad", "--color", "always"],
        &["explain", "good", "podAnnotations"],
        &["explain", "good", "podAnnotations", "--json"],
    ] {
        assert_seen(&env.run(arguments));
    }
    let shown = env.ok(&["explain", "good", "podAnnotations"]);
    assert!(shown.contains(r"b\u{200b}"), "{shown}");
}

#[test]
fn finding_column_after_escaped_characters_matches_file() {
    let env = TestEnv::new();
    env.write_profile("bad", "podAnnotations = { a = \"\u{200b}\u{200b}\" }\nserviceAccount = { annotations = { \"b\u{200b}\" = \"c\" }, creat = 1 }\n");

    let ran = env.run(&["build", "bad", "--json"]);

    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let column = report["diagnostics"]
        .as_array()
        .unwrap()
        .iter()
        .find(|finding| finding["code"] == "RB0002")
        .unwrap()["place"]["column"]
        .clone();
    assert!(ran.stderr.contains(&format!("profiles/bad.toml:2:{column}\n")), "{}", ran.stderr);
}

#[test]
fn control_characters_of_values_are_escaped_by_import() {
    let env = TestEnv::new();
    let values = r#"{"podAnnotations": {"a": "b\u009b\u200b\u202e\u2066\ufeff\u007f", "c\u200b": "d"}, "x\u009b": 1}"#;
    fs_err::write(env.path().join("values.yaml"), values).unwrap();

    for arguments in
        [&["import", "helm", "values.yaml"][..], &["import", "helm", "values.yaml", "--json"]]
    {
        let ran = env.run(arguments);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert_seen(&ran);
    }
}

#[test]
fn import_of_secrets_in_wrong_places_shows_none() {
    let env = TestEnv::new();
    for values in [
        "externalRedis: qvzk1",
        "redis: {auth: qvzk1}",
        "redis: {auth: {enabled: qvzk1}}",
        "config: [qvzk1]",
        "config: {port: qvzk1}",
        "imagePullSecrets: [qvzk1]",
        "extraEnv: [qvzk1]",
        "extraEnv: {DB_PASSWORD: qvzk1}",
        "extraEnv: [{name: DB_PASSWORD, valueFrom: qvzk1}]",
        "extraEnv: [{name: DB_PASSWORD, valueFrom: {secretKeyRef: qvzk1}}]",
        "extraEnv: [{name: DB_PASSWORD, valueFrom: {secretKeyRef: {qvzk1: 1}}}]",
        "extraEnv: [{name: DB_PASSWORD, valueFrom: {secretKeyRef: {name: qvzk1 !, key: a}}}]",
        "storage: {logs: {fluentbit: {output: {config: qvzk1}}}}",
    ] {
        fs_err::write(env.path().join("values.yaml"), values).unwrap();

        // The profile itself goes to stdout.
        let ran = env.run(&["import", "helm", "values.yaml"]);
        assert!(!ran.stderr.contains("qvzk"), "{values}\n{}", ran.stderr);
    }
}
