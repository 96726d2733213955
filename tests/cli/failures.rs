//! Exit codes, and failures as JSON.

use relay_bundle::model::digest::Digest;
use serde_json::Value;

use crate::env::TestEnv;
use crate::sealing::key;

#[test]
fn bundle_that_no_record_can_hold_is_not_built() {
    let env = TestEnv::new();
    // Digits of hashes compress to half of their length.
    let long: String =
        (0..12_000_u64).map(|number| Digest::of(&number.to_le_bytes()).to_string()).collect();
    env.write_profile("long", &format!("extraEnv = [{{ name = \"LONG\", value = \"{long}\" }}]\n"));

    let ran = env.run(&["build", "long"]);

    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{}", ran.stderr);
    assert!(ran.stderr.contains("bytes; the limit of a record is 716800"), "{}", ran.stderr);
    assert!(!env.path().join("bundles").exists());
}

#[test]
fn json_failure_is_single_document_with_exit_code() {
    let env = TestEnv::new();
    env.write_profile("wrong", "[config]\nlogLevle = \"info\"\nport = 70000\n");
    env.build(&["web", "--archive", "web.tar"]);
    let mut bytes = fs_err::read(env.path().join("web.tar")).unwrap();
    bytes[9000] ^= 1;
    fs_err::write(env.path().join("altered.tar"), bytes).unwrap();
    let table = [
        (vec!["inspect", "altered.tar"], 3),
        (vec!["inspect", "missing.tar"], 2),
        (vec!["inspect", "@nothing"], 2),
        (vec!["diff", "web.tar"], 2),
        (vec!["build", "wrong"], 2),
        (vec!["diff", "--no-such-option"], 2),
        (vec!["no-such-command"], 2),
        (vec!["build", "web", "--store", "/dev/null/store"], 4),
    ];
    for (arguments, code) in table {
        let with_json: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
        let (text, json) = (env.run(&arguments), env.run(&with_json));

        assert_eq!((text.code, json.code), (code, code), "{arguments:?}: {}", text.stderr);
        let report = json.json();
        assert_eq!(report["schema"], "relay-bundle/error/v1", "{arguments:?}");
        assert_eq!(report["exitCode"], code, "{arguments:?}");
        assert!(
            !report["error"].as_str().unwrap().is_empty() && report["hints"].is_array(),
            "{report}"
        );
        assert!(text.stdout.is_empty(), "{}", text.stdout);
        assert!(text.stderr.contains("error: "), "{}", text.stderr);
    }
}

#[test]
fn missing_kubeconfig_error_names_searched_paths() {
    let env = TestEnv::new();

    let by_variable = env
        .command(&["status", "-n", "x"])
        .env("KUBECONFIG", "/no/such:/nor/this")
        .output()
        .unwrap();
    let by_name = env.run(&["status", "-n", "x", "--kubeconfig", "/no/such"]);

    assert_eq!((by_variable.status.code(), by_name.code), (Some(2), 2));
    let told = String::from_utf8(by_variable.stderr).unwrap();
    assert!(told.contains("no kubeconfig at `/no/such` or `/nor/this` ($KUBECONFIG)"), "{told}");
    assert!(by_name.stderr.contains("`/no/such`: it does not exist"), "{}", by_name.stderr);
}

#[test]
fn key_passed_as_policy_gets_hint_to_add_it() {
    let env = TestEnv::new();
    env.ok(&["keygen", "--out", "signing.pem"]);
    env.build(&["web", "--archive", "web.tar"]);

    let ran = env.run(&["apply", "web.tar", "--trust", "signing.pub.pem"]);

    assert_eq!(ran.code, 2, "{}", ran.stderr);
    let wanted = "`relay-bundle trust add key POLICY --key signing.pub.pem --holder NAME`";
    assert!(ran.stderr.contains(wanted), "{}", ran.stderr);
}

#[test]
fn private_keys_that_are_not_there_are_called_so() {
    let env = TestEnv::new();
    env.build(&["web", "--archive", "web.tar"]);

    let ran = env.run(&["secrets", "check", "web.tar", "--identity", "nosuch.key"]);

    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("error: file `nosuch.key` does not exist\n"), "{}", ran.stderr);
}

#[test]
fn profile_mistakes_are_part_of_failure() {
    let env = TestEnv::new();
    env.write_profile("wrong", "[config]\nlogLevle = \"info\"\nport = 70000\n");

    let ran = env.run(&["build", "wrong", "--json"]);

    let report = ran.json();
    let findings = report["diagnostics"].as_array().unwrap();
    let errors = findings.iter().filter(|finding| finding["severity"] == "error");
    assert_eq!(errors.count(), 2, "{report}");
    assert_eq!(report["diagnostics"][0]["place"]["line"], 2);
    assert!(ran.stderr.contains("logLevle"), "{}", ran.stderr);
}

#[test]
fn several_builds_of_which_one_fails_are_one_report() {
    let env = TestEnv::new();
    env.write_profile("wrong", "config.port = 70000\n");

    let ran = env.run(&["build", "web", "wrong", "--json"]);

    let report = ran.json();
    assert_eq!(ran.code, 2);
    assert_eq!(report["schema"], "relay-bundle/build/v1");
    assert_eq!(report["bundles"][0]["profile"], "web");
    assert_eq!(report["failed"][0]["profile"], "wrong");
}

#[test]
fn name_of_entry_or_file_given_as_profile_is_explained() {
    let env = TestEnv::new();
    let entry = env.build(&["web"]);
    fs_err::remove_file(env.path().join("profiles/web.toml")).unwrap();
    fs_err::create_dir(env.path().join("web")).unwrap();

    let ran = env.run(&["inspect", "web"]);

    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains("`@web` is the bundle of that name in the store"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("`./web` is the file or folder of that name"), "{}", ran.stderr);
    assert!(entry.is_dir());
}

#[test]
fn help_and_version_are_not_failures() {
    let env = TestEnv::new();
    for arguments in [vec!["--help"], vec!["--version"], vec!["diff", "--help"], vec!["help", "gc"]]
    {
        let ran = env.run(&arguments);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{arguments:?}");
        assert!(!ran.stdout.is_empty());
    }
}

#[test]
fn argument_error_is_complete_in_json() {
    let env = TestEnv::new();
    let table = [
        (
            vec!["join"],
            "the following required arguments were not provided: --out <FILE>, <INDEX>",
            None,
        ),
        (
            vec!["gc", "--color", "x"],
            "invalid value 'x' for '--color <WHEN>' [possible values: auto, always, never]",
            None,
        ),
        (
            vec!["gc", "--stor"],
            "unexpected argument '--stor' found",
            Some("a similar argument exists: '--store'"),
        ),
    ];
    for (arguments, error, hint) in table {
        let report = env.run(&[&arguments[..], &["--json"]].concat()).json();

        assert_eq!(report["error"], error, "{arguments:?}");
        assert_eq!(
            report["hints"].as_array().unwrap().first().and_then(Value::as_str),
            hint,
            "{arguments:?}"
        );
    }
}

#[test]
fn missing_file_is_reported_in_plain_words() {
    let env = TestEnv::new();
    let keygen = "`relay-bundle keygen --out nosuch.pem`, or while building with --keygen";
    let table = [
        (
            &["build", "web", "--key", "nosuch.pem"][..],
            "error: file `nosuch.pem` does not exist\n",
            keygen,
        ),
        (&["keygen", "--public", "nosuch.pem"], "error: file `nosuch.pem` does not exist\n", ""),
        (
            &["split", "nosuch.tar", "--size", "1kB"],
            "error: file `nosuch.tar` does not exist\n",
            "",
        ),
        (
            &["join", "nosuch.parts", "--out", "x"],
            "error: file `nosuch.parts` does not exist\n",
            "",
        ),
        (&["join", "nosuch.tar", "--out", "x"], "error: file `nosuch.tar` does not exist\n", ""),
        (&["render", "nosuch"], "error[RB0007]: file `profiles/nosuch.toml` does not exist\n", ""),
    ];
    for (arguments, message, hint) in table {
        let ran = env.run(arguments);

        assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.starts_with(message), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(hint), "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn non_archive_is_distinguished_from_altered_archive() {
    let env = TestEnv::new();
    env.write("key.pub.pem", key("builder").public().to_pem());
    let verify = ["verify", "./it", "--key", "key.pub.pem"];
    let table: [(&[u8], &str); 6] = [
        (b"\x1f\x8b\x08\x00", "BAD_FORM: the bundle is compressed with gzip"),
        (b"\x28\xb5\x2f\xfd", "BAD_FORM: the bundle is compressed with zstd"),
        (b"\xfd7zXZ\0", "BAD_FORM: the bundle is compressed with xz"),
        (b"BZh9", "BAD_FORM: the bundle is compressed with bzip2"),
        (b"PK\x03\x04", "BAD_FORM: the bundle is compressed with zip"),
        (b"", "TRUNCATED: the input is empty"),
    ];
    for (start, wanted) in table {
        let mut bytes = start.to_vec();
        bytes.resize(if start.is_empty() { 0 } else { 2000 }, b'x');
        env.write("it", bytes);

        let ran = env.run(&verify);

        assert_eq!(ran.code, 3, "{wanted}: {}", ran.stderr);
        assert!(ran.stderr.starts_with(&format!("error: {wanted}")), "{wanted}: {}", ran.stderr);
    }
}

#[test]
fn stdin_bundle_is_refused_rather_than_taken_as_profile() {
    let env = TestEnv::new();
    for arguments in
        [&["sign", "-", "--key", "key.pem"][..], &["inspect", "-"], &["pack", "-", "x.tar"]]
    {
        let ran = env.run(arguments);

        assert_eq!(ran.code, 2, "{arguments:?}");
        assert!(
            ran.stderr.starts_with("error: a bundle from stdin is not "),
            "{arguments:?}: {}",
            ran.stderr
        );
    }
}
