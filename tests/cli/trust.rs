//! `trust` writes, extends, checks and shows a policy.

use serde_json::Value;

use crate::env::TestEnv;
use crate::sealing::{key, set_mode};

/// Writes the public keys of some holders.
fn with_keys(holders: &[&str]) -> TestEnv {
    let env = TestEnv::new();
    for holder in holders {
        env.write(&format!("{holder}.pub.pem"), key(holder).public().to_pem());
    }
    env
}

fn add_key(env: &TestEnv, holder: &str) -> String {
    let pem = format!("{holder}.pub.pem");
    env.ok(&["trust", "add", "key", "trust.toml", "--key", &pem, "--holder", holder])
}

fn grant(keys: &[&str], threshold: &str) -> Vec<String> {
    let fixed = [
        "trust",
        "add",
        "grant",
        "trust.toml",
        "--bundle",
        "relay",
        "--profile",
        "web",
        "--environment",
    ];
    let mut arguments: Vec<String> = fixed
        .into_iter()
        .chain(["production", "--namespace", "relay"])
        .map(str::to_owned)
        .collect();
    for key in keys {
        arguments.extend(["--key".to_owned(), (*key).to_owned()]);
    }
    arguments.extend(["--threshold".to_owned(), threshold.to_owned()]);
    arguments
}

fn run_grant(env: &TestEnv, keys: &[&str], threshold: &str) -> crate::env::Ran {
    let arguments = grant(keys, threshold);
    env.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

fn policy(env: &TestEnv) -> String {
    fs_err::read_to_string(env.path().join("trust.toml")).unwrap()
}

#[test]
fn policy_grows_from_empty_until_two_holders_can_sign() {
    let env = with_keys(&["builder", "approver", "auditor"]);
    let uid = "0f6a1c2e-3f0b-4f0e-9b63-6a1f3a1b2c3d";
    env.ok(&["trust", "init", "--site", "plant-7", "--max-age-days", "180", "--cluster-uid", uid]);

    let empty = env.run(&["trust", "check", "trust.toml"]);
    assert_eq!(empty.code, 1, "{}", empty.stderr);
    assert!(empty.stdout.starts_with("error[NO_GRANTS]: "), "{}", empty.stdout);

    for holder in ["builder", "approver", "auditor"] {
        let added = add_key(&env, holder);
        assert!(added.contains(&format!("id = \"{}\"\n", key(holder).public().id())), "{added}");
    }
    let id = key("auditor").public().id().to_string();
    assert_eq!(run_grant(&env, &["builder", "approver", &id[..8]], "2").code, 0);

    let checked = env.run(&["trust", "check", "trust.toml"]);
    assert_eq!((checked.code, checked.stdout.as_str()), (0, ""), "{}", checked.stderr);
    let page = env.ok(&["trust", "show", "trust.toml"]);
    for part in [
        "site        plant-7\n",
        "at most 180 days",
        "grant 1     2 of: approver, auditor, builder\n",
    ] {
        assert!(page.contains(part), "{part}\nin\n{page}");
    }
}

#[test]
fn handwritten_text_mode_and_link_of_policy_are_kept() {
    let env = with_keys(&["builder"]);
    env.ok(&["trust", "init", "--out", "real.toml"]);
    let by_hand =
        format!("{}# by hand", fs_err::read_to_string(env.path().join("real.toml")).unwrap());
    fs_err::write(env.path().join("real.toml"), &by_hand).unwrap();
    set_mode(&env.path().join("real.toml"), 0o600);
    std::os::unix::fs::symlink("real.toml", env.path().join("trust.toml")).unwrap();

    let added = add_key(&env, "builder");

    assert_eq!(policy(&env), format!("{by_hand}\n\n{added}"));
    assert!(env.path().join("trust.toml").is_symlink());
    assert_eq!(relay_bundle::fsio::file_mode(&env.path().join("real.toml")).unwrap(), 0o600);
}

#[test]
fn invalid_policy_change_is_refused_and_nothing_written() {
    let env = with_keys(&["builder"]);
    env.ok(&["trust", "init"]);
    add_key(&env, "builder");
    let before = policy(&env);
    let add =
        ["trust", "add", "key", "trust.toml", "--holder", "builder", "--key", "builder.pub.pem"];
    let id = key("builder").public().id().to_string();
    let content = format!("sha256:{}", "0".repeat(64));

    let cases = [
        (env.run(&add), "already has this key"),
        (env.run(&["trust", "init"]), "already exists"),
        (run_grant(&env, &["nobody"], "1"), "has no key `nobody`"),
        (run_grant(&env, &[&id[..7]], "1"), "has no key"),
        (
            env.run(&[
                "trust",
                "add",
                "revoked-content",
                "trust.toml",
                "--content-id",
                "sha256:12",
            ]),
            "SHA-256",
        ),
    ];

    for (ran, message) in cases {
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{message}: {}", ran.stderr);
        assert!(ran.stderr.contains(message), "{message}\nin\n{}", ran.stderr);
    }
    assert_eq!(policy(&env), before);
    env.ok(&["trust", "add", "revoked-content", "trust.toml", "--content-id", &content]);
    assert!(
        policy(&env).ends_with(&format!("[[revokedContent]]\nsha256 = \"{}\"\n", "0".repeat(64)))
    );
}

#[test]
fn policy_writable_by_others_is_neither_shown_nor_extended() {
    let env = with_keys(&["builder"]);
    env.ok(&["trust", "init"]);
    set_mode(&env.path().join("trust.toml"), 0o664);
    let before = policy(&env);

    let add =
        ["trust", "add", "key", "trust.toml", "--holder", "builder", "--key", "builder.pub.pem"];
    for arguments in [&["trust", "check", "trust.toml"][..], &["trust", "show", "trust.toml"], &add]
    {
        let ran = env.run(arguments);
        assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("other users can change it"), "{}", ran.stderr);
    }
    assert_eq!(policy(&env), before);
}

#[test]
fn findings_and_policies_are_data_too() {
    let env = with_keys(&["builder"]);
    env.ok(&["trust", "init"]);
    add_key(&env, "builder");
    assert_eq!(run_grant(&env, &["builder"], "2").code, 0);

    let checked = env.run(&["trust", "check", "trust.toml", "--json"]);
    let report: Value = serde_json::from_str(&checked.stdout).unwrap();

    assert_eq!(checked.code, 1);
    assert_eq!(report["schema"], "relay-bundle/trust-check/v1");
    assert_eq!(report["findings"][0]["code"], "UNREACHABLE_GRANT");
    assert_eq!(report["findings"][0]["severity"], "error");
    let shown: Value =
        serde_json::from_str(&env.ok(&["trust", "show", "trust.toml", "--json"])).unwrap();
    assert_eq!(shown["schema"], "relay-bundle/trust-show/v1");
    assert_eq!(shown["grants"][0]["holders"], serde_json::json!(["builder"]));
    assert_eq!(shown["keys"][0]["status"], "active");
}

#[test]
fn invalid_positive_number_is_rejected_in_plain_words() {
    let env = TestEnv::new();
    for number in ["0", "-1", "two", "1.5"] {
        for arguments in [
            ["trust", "add", "grant", "trust.toml", &format!("--threshold={number}")],
            ["trust", "init", "--out", "new.toml", &format!("--max-age-days={number}")],
        ] {
            let ran = env.run(&arguments);
            assert_eq!(ran.code, 2, "{arguments:?}");
            assert!(
                ran.stderr.contains(": use a whole number of 1 or more\n"),
                "{arguments:?}: {}",
                ran.stderr
            );
        }
        let grant = crate::sealing::policy_grant(&[], 1, "")
            .replace("threshold = 1", &format!("threshold = {number}"));
        let quoted = if number == "two" { grant.replace("two", "\"2\"") } else { grant };
        env.write("trust.toml", crate::sealing::policy("", &[quoted]));

        let ran = env.run(&["trust", "check", "trust.toml"]);

        assert_eq!(ran.code, 2, "{number}");
        assert!(
            ran.stderr.contains("expected a whole number from 1, without quotes\n"),
            "{}",
            ran.stderr
        );
    }
}

// --- many at once ---

#[test]
fn twenty_entries_that_are_added_at_once_are_all_there() {
    let env = with_keys(&[]);
    env.ok(&["trust", "init"]);
    let contents: Vec<String> = (10..30).map(|number| format!("{number}").repeat(32)).collect();
    let start = |content: &String| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_relay-bundle"));
        command.args([
            "-q",
            "trust",
            "add",
            "revoked-content",
            "trust.toml",
            "--content-id",
            content,
        ]);
        command.current_dir(env.path()).env_clear();
        command
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    };

    let children: Vec<_> = contents.iter().map(start).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    let text = policy(&env);
    let missing: Vec<&String> =
        contents.iter().filter(|content| !text.contains(*content)).collect();
    assert_eq!(missing, Vec::<&String>::new());
    assert!(!env.path().join("trust.toml.lock").exists(), "the policy itself is locked");
}
