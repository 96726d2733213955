use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use crate::env::TestEnv;

/// `relay-bundle … | head -1`: the reader closes the pipe, which is not an error.
#[test]
fn broken_pipe_ends_quietly() {
    let env = TestEnv::new();
    // More than a pipe holds, so that the writer is surely still writing.
    let mut many = String::new();
    for number in 0..3000 {
        writeln!(many, "\"example.internal/{number}\" = \"{}\"", "x".repeat(60)).unwrap();
    }
    env.write_profile("web", &format!("extends = [\"base\"]\n[podAnnotations]\n{many}"));
    for arguments in [
        vec!["render", "web"],
        vec!["render", "web", "--json"],
        vec!["diff", "base", "web", "--json"],
    ] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_relay-bundle"))
            .args(&arguments)
            .current_dir(env.path())
            .env_clear()
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        drop(stdout);

        let output = child.wait_with_output().unwrap();

        assert!(!line.is_empty());
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!stderr.contains("error") && !stderr.contains("pipe"), "{stderr}");
    }
}

#[test]
fn manifests_in_folder_match_stdout() {
    let env = TestEnv::new();

    let printed = env.ok(&["render", "web"]);
    env.ok(&["render", "web", "--out", "manifests"]);

    let files = fs_err::read_dir(env.path().join("manifests")).unwrap().count();
    assert_eq!(printed.matches("---\n").count() + 1, files, "and the marker");
}

#[test]
fn stale_manifests_are_removed_and_foreign_files_kept() {
    let env = TestEnv::new();
    env.write_profile(
        "less",
        "redis.enabled = false\nexternalRedis.host = \"redis.example.internal\"\n",
    );
    env.ok(&["render", "web", "--out", "manifests"]);
    let own = env.path().join("manifests/kustomization.yaml");
    fs_err::write(&own, "resources: []\n").unwrap();

    env.ok(&["render", "less", "--out", "manifests"]);

    let names: Vec<String> = fs_err::read_dir(env.path().join("manifests"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(own.is_file());
    assert!(!names.iter().any(|name| name.contains("redis")), "{names:?}");
    let foreign = env.run(&["render", "less", "--out", "."]);
    assert_eq!(foreign.code, 2, "a folder with files that are not ours is refused");
}

#[test]
fn folder_rendered_by_two_at_once_holds_manifests_of_one() {
    let env = TestEnv::new();
    env.write_profile(
        "less",
        "redis.enabled = false\nexternalRedis.host = \"redis.example.internal\"\n",
    );
    let names = |folder: &str| -> std::collections::BTreeSet<String> {
        let folder = fs_err::read_dir(env.path().join(folder)).unwrap();
        folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    env.ok(&["render", "web", "--out", "web"]);
    env.ok(&["render", "less", "--out", "less"]);
    let start = |profile: &&str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_relay-bundle"));
        command.args(["-q", "render", profile, "--out", "manifests"]);
        command.current_dir(env.path()).env_clear().spawn().unwrap()
    };

    let profiles = ["web", "less", "web", "less", "web", "less", "web", "less"];
    let children: Vec<_> = profiles.iter().map(start).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }

    let found = names("manifests");
    assert!(found == names("web") || found == names("less"), "{found:?}");
}

#[test]
fn sidecar_listens_on_relay_addresses() {
    let env = TestEnv::new();
    env.write_profile(
        "sending",
        "storage.logs = { mode = \"forward\", fluentbit.output.config.host = \"logs\" }\n",
    );
    for host in ["0.0.0.0", "::"] {
        let rendered = env.ok(&["render", "sending", "--set", &format!("config.host=\"{host}\"")]);

        assert!(rendered.contains(&format!("http_listen: \"{host}\"\n")), "{rendered}");
    }
}
