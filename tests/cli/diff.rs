use crate::env::TestEnv;

#[test]
fn profile_alone_is_compared_with_its_newest_build() {
    let env = TestEnv::new();
    env.build(&["web"]);

    let same = env.run(&["diff", "web"]);
    env.write_profile(
        "web",
        "extends = [\"base\"]\nconfig.logLevel = \"debug\"\n[redis.auth]\nenabled = true\n",
    );
    let changed = env.run(&["diff", "web"]);

    assert_eq!((same.code, changed.code), (0, 1), "{}{}", same.stderr, changed.stderr);
    assert!(same.stdout.starts_with("no difference: both are sha256:"), "{}", same.stdout);
    let wanted = [
        "Settings\n  ~ config.logLevel: warn -> debug\n",
        "      ~ data.LOG_LEVEL: warn -> debug\n",
        "  Deployment/relay-claude-relay  restart: yes, because config LOG_LEVEL changed\n",
        "  StatefulSet/relay-redis  restart: no\n",
    ];
    for part in wanted {
        assert!(changed.stdout.contains(part), "{part}\nin\n{}", changed.stdout);
    }
}

#[test]
fn profile_never_built_is_not_compared() {
    let ran = TestEnv::new().run(&["diff", "web"]);

    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("hint: build it first: relay-bundle build web"), "{}", ran.stderr);
}

#[test]
fn archives_folders_entries_and_profiles_are_comparable() {
    let env = TestEnv::new();
    let entry = env.build(&["web", "--archive", "web.tar"]);
    let id = entry.file_name().unwrap()[..32].to_owned();
    let names = [
        "web",
        "@web",
        "web.tar",
        "./web.tar",
        "bundles/web/",
        &format!("@{}", &id[..9]),
        &format!("sha256:{id}"),
    ];

    for old in names {
        for new in ["@web", "web.tar"] {
            let ran = env.run(&["diff", old, new]);
            assert_eq!(ran.code, 0, "{old} {new}: {}{}", ran.stdout, ran.stderr);
        }
    }
}

#[test]
fn set_applies_to_profiles_but_not_to_bundles() {
    let env = TestEnv::new();
    env.build(&["web"]);

    let ran = env.run(&["diff", "@web", "web", "--set", "replicaCount=3"]);

    assert_eq!(ran.code, 1);
    assert!(ran.stdout.contains("~ replicaCount: 1 -> 3"), "{}", ran.stdout);
    assert!(ran.stdout.contains("+ set[0]: replicaCount=3"), "{}", ran.stdout);
}

#[test]
fn json_report_lists_changes() {
    let env = TestEnv::new();
    env.build(&["web"]);

    let ran = env.run(&["diff", "web", "--set", "config.requestTimeout=1000", "--json"]);

    let report = ran.json();
    assert_eq!(ran.code, 1);
    assert_eq!(report["schema"], "relay-bundle/diff/v1");
    assert_eq!(report["same"], false);
    assert_eq!(report["settings"][0]["path"], "config.requestTimeout");
    assert_eq!(report["settings"][0]["old"], 600_000);
    assert_eq!(report["settings"][0]["new"], 1000);
    let relay =
        report["workloads"].as_array().unwrap().iter().find(|w| w["kind"] == "Deployment").unwrap();
    assert_eq!(relay["restart"], "yes");
    assert_eq!(relay["reasons"][0], "config REQUEST_TIMEOUT changed");
}

#[test]
fn secret_value_is_absent_from_text_and_json_diff() {
    let env = TestEnv::new();
    env.build(&["dev"]);
    env.write_profile(
        "dev",
        "extends = [\"base\"]\nrelease.environment = \"dev\"\nconfig.jwtSecret = { value = \"not-a-secret-2\", revision = 1 }\n",
    );

    let (text, json) = (env.run(&["diff", "dev"]), env.run(&["diff", "dev", "--json"]));

    assert_eq!((text.code, json.code), (1, 1));
    assert!(text.stdout.contains("~ data.jwt-secret: <redacted> -> <redacted>"), "{}", text.stdout);
    assert!(text.stdout.contains("Deployment/relay-claude-relay  restart: no"), "{}", text.stdout);
    assert!(text.stdout.contains("pods keep the old one until they restart"), "{}", text.stdout);
    for output in [&text.stdout, &json.stdout, &text.stderr] {
        for value in ["not-a-secret", "bm90LWEtc2VjcmV0"] {
            assert!(!output.contains(value), "{output}");
        }
    }
}

#[test]
fn redis_password_rotation_is_reported_as_such() {
    let env = TestEnv::new();
    env.build(&["web"]);
    env.write_profile(
        "web",
        "extends = [\"base\"]\n[redis.auth]\nenabled = true\npassword = { generate = { generation = 2 } }\n",
    );

    let ran = env.run(&["diff", "web"]);

    assert!(ran.stdout.contains("secret redis-password: generation 1, now 2"), "{}", ran.stdout);
    assert!(
        ran.stdout
            .contains("the relay is unavailable until both it and Redis have the new password"),
        "{}",
        ran.stdout
    );
}

#[test]
fn changes_api_server_would_refuse_are_reported() {
    let env = TestEnv::new();
    env.build(&["web"]);

    let other = env.run(&["diff", "web", "--set", "redis.persistence.storageClass=\"fast\""]);
    let less = env.run(&["diff", "web", "--set", "redis.persistence.size=\"512Mi\""]);

    assert!(other.stdout.contains("spec.storageClassName cannot change"), "{}", other.stdout);
    assert!(less.stdout.contains("a PVC cannot shrink"), "{}", less.stdout);
}

#[test]
fn colours_come_when_asked_for_and_mark_nothing_alone() {
    let env = TestEnv::new();
    env.build(&["web"]);
    let arguments = ["diff", "web", "--set", "replicaCount=2"];

    let plain = env.ok_or_differs(&arguments, "auto");
    let coloured = env.ok_or_differs(&arguments, "always");

    assert!(!plain.contains('\u{1b}'), "{plain}");
    assert!(coloured.contains("\u{1b}[33m~ replicaCount:\u{1b}[0m 1 -> 2"), "{coloured}");
}

impl TestEnv {
    fn ok_or_differs(&self, arguments: &[&str], color: &str) -> String {
        let all: Vec<&str> = arguments.iter().copied().chain(["--color", color]).collect();
        let ran = self.run(&all);
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        ran.stdout
    }
}
