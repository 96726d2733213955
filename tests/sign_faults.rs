//! The real `sign` when processes are killed, the disk is full, and several signers run at once.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "cli/env.rs"]
#[expect(dead_code, reason = "the tests of commands use more of it")]
mod env;
#[path = "support/keys.rs"]
mod keys;
#[expect(dead_code, reason = "the tests that run servers use more of it")]
mod support;

use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;

use camino::{Utf8Path, Utf8PathBuf};
use env::TestEnv;
use keys::{signed, write_pair};
use relay_bundle::trust::key::PrivateKey;
use support::isolated;

const SIGXFSZ: i32 = 25;
const TERMS: [&str; 4] = ["--serial", "7", "--issued", "2026-01-02T03:04:05Z"];

/// Returns an environment with an archive, a folder and an entry of the store.
fn bundles() -> (TestEnv, [(&'static str, Utf8PathBuf); 3]) {
    let env = TestEnv::new();
    let entry = env.build(&["web", "--archive", "web.tar"]);
    let folder = env.path().join("folder");
    let status =
        std::process::Command::new("cp").args(["-R", entry.as_str(), folder.as_str()]).status();
    assert!(status.unwrap().success());
    let archive = env.path().join("web.tar");
    (env, [("web.tar", archive), ("./folder", folder), ("@web", entry)])
}

/// Runs `sign` in a process that a signal kills as soon as it writes a file beyond this many blocks
/// of 512 bytes.
fn sign_and_die(env: &TestEnv, name: &str, key: &str, blocks: u64) -> std::process::ExitStatus {
    let limited = "ulimit -c 0; ulimit -f \"$1\"; shift; exec \"$@\"";
    let mut command = std::process::Command::new("/bin/sh");
    command.args(["-c", limited, "sh", &blocks.to_string(), env!("CARGO_BIN_EXE_relay-bundle")]);
    command.args(["-q", "sign", name, "--key", key]).args(TERMS);
    command
        .current_dir(env.path())
        .env_clear()
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap()
}

#[test]
fn process_killed_at_any_write_leaves_old_bundle_intact() {
    let (env, places) = bundles();
    let (first, second) = (write_pair(env.path(), "first", 1), write_pair(env.path(), "second", 2));
    for (name, path) in &places {
        env.ok(&[&["sign", name, "--key", "first.pem"], &TERMS[..]].concat());
        let before = signed(path, &[&first]);
        // An attestation has three blocks; an archive has many, and is written in pieces of eight
        // thousand bytes.
        let (step, least) = if path.is_dir() { (1, 1) } else { (4, 15) };
        let mut kills = 0;
        for blocks in (0..).step_by(step) {
            let status = sign_and_die(&env, name, "second.pem", blocks);
            if status.success() {
                break;
            }
            kills += 1;
            assert_eq!(status.signal(), Some(SIGXFSZ), "{name}: {status}");
            // Every file is read and compared: none is altered, missing or additional.
            env.ok(&["inspect", name]);
            assert_eq!(signed(path, &[&first]), before, "{name} after {blocks} blocks");
        }
        assert!(kills >= least, "{name}: {kills} kills");
        assert_eq!(signed(path, &[&first, &second]).1.len(), 2);
        env.ok(&["inspect", name]);
    }
    // The next build removes the leftovers of killed processes from the store.
    env.ok(&["build", "web", "--set", "replicaCount=2"]);
    assert_eq!(env.path().join("bundles/.tmp").read_dir_utf8().unwrap().count(), 0);
}

fn sign_at_once(env: &TestEnv, name: &str, terms: &[&str], signers: u8) -> Vec<(PrivateKey, bool)> {
    let keys: Vec<_> = (0..signers)
        .map(|n| {
            write_pair(env.path(), &format!("{}{n}", name.replace(['@', '.', '/'], "")), n + 1)
        })
        .collect();
    let start = |n: u8| {
        let key = format!("{}{n}.pem", name.replace(['@', '.', '/'], ""));
        let arguments = [&["-q", "sign", name, "--key", &key], terms].concat();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_relay-bundle"));
        command
            .args(arguments)
            .current_dir(env.path())
            .env_clear()
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let children: Vec<_> = (0..signers).map(start).collect();
    let outputs = children.into_iter().map(|child| child.wait_with_output().unwrap());
    let ended = outputs.map(|output| match output.status.code() {
        Some(0) => true,
        // Another signer made a different statement first, and no signature was changed.
        Some(4) if String::from_utf8_lossy(&output.stderr).contains("replaced concurrently") => {
            false
        }
        _ => panic!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)),
    });
    keys.into_iter().zip(ended).collect()
}

fn assert_no_signature_is_lost(path: &Utf8Path, signers: &[(PrivateKey, bool)]) {
    let keys: Vec<&PrivateKey> = signers.iter().map(|(key, _)| key).collect();
    let wanted = signers.iter().filter(|(_, ok)| *ok).map(|(key, _)| key.public().id()).collect();
    assert_eq!(signed(path, &keys).1, wanted);
}

#[test]
fn of_signers_at_once_no_signature_is_lost() {
    let (env, places) = bundles();
    for (name, path) in &places {
        let signers = sign_at_once(&env, name, &TERMS, 16);

        assert!(signers.iter().all(|(_, ok)| *ok), "{name}: they agree on the statement");
        assert_no_signature_is_lost(path, &signers);
        env.ok(&["inspect", name]);
    }
}

#[test]
fn concurrent_rival_signers_learn_if_their_signature_counts() {
    let (env, places) = bundles();
    for (name, path) in &places {
        let signers = sign_at_once(&env, name, &[], 8);

        assert!(signers.iter().any(|(_, ok)| *ok), "{name}");
        assert_no_signature_is_lost(path, &signers);
    }
}

/// Signs an archive on a full disk, and a folder that is a separate file system.
const ON_OTHER_DISKS: &str = r#"
    set -eu
    bin=$1
    mkdir full mounted
    mount -t tmpfs -o size=256k tmpfs full
    cp web.tar full
    dd if=/dev/zero of=full/ballast bs=4k 2>/dev/null || true
    "$bin" sign full/web.tar --key first.pem 2>full.txt && exit 1 || [ $? = 4 ]
    cmp web.tar full/web.tar
    [ "$(ls -A full | tr '\n' ' ')" = 'ballast web.tar ' ]

    mount -t tmpfs tmpfs mounted
    cp -R folder/. mounted
    "$bin" sign ./mounted --key first.pem 2>mounted.txt && exit 1 || [ $? = 4 ]
    "$bin" inspect ./mounted >/dev/null
    [ ! -e mounted/attestation.dsse.json ]
    [ -z "$(ls -A | grep '^[.]')" ]
"#;

#[test]
fn full_disk_and_mounted_folder_are_errors_that_keep_bundle() {
    if !isolated() {
        return;
    }
    let (env, _) = bundles();
    write_pair(env.path(), "first", 1);

    let mut command = std::process::Command::new("unshare");
    command.args(["--mount", "sh", "-c", ON_OTHER_DISKS, "sh", env!("CARGO_BIN_EXE_relay-bundle")]);
    let output = command.current_dir(env.path()).output().unwrap();

    let said = |file: &str| fs_err::read_to_string(env.path().join(file)).unwrap_or_default();
    let all = format!(
        "{}{}{}",
        String::from_utf8_lossy(&output.stderr),
        said("full.txt"),
        said("mounted.txt")
    );
    assert!(output.status.success(), "{all}");
    assert!(said("full.txt").contains("the disk is full"), "{all}");
    assert!(said("mounted.txt").contains("or sign its archive"), "{all}");
}
