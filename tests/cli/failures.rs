//! Exit codes, and failures as data.

use crate::env::TestEnv;

#[test]
fn a_failure_as_json_is_one_document_with_the_exit_code_in_it() {
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
        assert!(!report["error"].as_str().unwrap().is_empty() && report["hints"].is_array(), "{report}");
        assert!(text.stdout.is_empty(), "{}", text.stdout);
        assert!(text.stderr.contains("error: "), "{}", text.stderr);
    }
}

#[test]
fn the_mistakes_of_a_profile_are_part_of_the_failure() {
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
fn the_name_of_something_else_is_explained() {
    let env = TestEnv::new();
    let entry = env.build(&["web"]);
    fs_err::remove_file(env.path().join("profiles/web.toml")).unwrap();
    fs_err::create_dir(env.path().join("web")).unwrap();

    let ran = env.run(&["inspect", "web"]);

    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("`@web` is the bundle of that name in the store"), "{}", ran.stderr);
    assert!(ran.stderr.contains("`./web` is the file or folder of that name"), "{}", ran.stderr);
    assert!(entry.is_dir());
}

#[test]
fn help_and_version_are_no_failures() {
    let env = TestEnv::new();
    for arguments in [vec!["--help"], vec!["--version"], vec!["diff", "--help"], vec!["help", "gc"]] {
        let ran = env.run(&arguments);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{arguments:?}");
        assert!(!ran.stdout.is_empty());
    }
}
