//! Special files: links, pipes, and files of other users in place of the expected ones.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};

use crate::env::{Ran, TestEnv};
use crate::keys::write_pair;

fn pipe(path: &Utf8Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Runs a command that may hang, with a deadline.
fn run(env: &TestEnv, arguments: &[&str]) -> Ran {
    let output = env.command(arguments).timeout(Duration::from_secs(20)).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap_or_else(|| panic!("{arguments:?} waits"));
    Ran { code, stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Makes a user's own folder, with names like those of the store.
fn precious(env: &TestEnv) -> Utf8PathBuf {
    let folder = env.path().join("precious");
    fs_err::create_dir_all(folder.join("work-AbC123")).unwrap();
    fs_err::write(folder.join("work-AbC123/thesis"), "years of work").unwrap();
    folder
}

#[test]
fn symlinked_store_folders_are_refused_and_not_followed() {
    for (name, commands) in [
        (".tmp", &[&["gc"][..], &["gc", "--dry-run"], &["build", "web"]][..]),
        (".pins", &[&["gc"]]),
    ] {
        let env = TestEnv::new();
        env.build(&["web"]);
        let precious = precious(&env);
        let folder = env.path().join("bundles").join(name);
        if folder.exists() {
            fs_err::remove_dir_all(&folder).unwrap();
        }
        symlink(&precious, &folder).unwrap();

        for arguments in commands {
            let ran = env.run(arguments);

            assert_eq!(ran.code, 4, "{arguments:?}: {}", ran.stderr);
            assert!(
                ran.stderr.contains(&format!("bundles/{name}` exists, and is not a")),
                "{}",
                ran.stderr
            );
            assert!(ran.stderr.contains("move it away"), "{}", ran.stderr);
            assert!(precious.join("work-AbC123/thesis").is_file(), "{arguments:?}");
        }
    }
}

#[test]
fn foreign_files_among_work_folders_are_kept() {
    let env = TestEnv::new();
    env.build(&["web"]);
    let tmp = env.path().join("bundles/.tmp");
    fs_err::create_dir(tmp.join("work-AbC123")).unwrap();
    fs_err::write(tmp.join("work-AbC123/half"), "left by a killed build").unwrap();
    symlink("nowhere", tmp.join("link-AbC123")).unwrap();
    for foreign in ["notes.txt", "work-of-art", "link-XyZ789"] {
        fs_err::write(tmp.join(foreign), "mine").unwrap();
    }

    let report = env.run(&["gc", "--json"]).json();
    env.build(&["web"]);

    let mut names: Vec<_> =
        tmp.read_dir_utf8().unwrap().map(|item| item.unwrap().file_name().to_owned()).collect();
    names.sort();
    assert_eq!(names, ["link-XyZ789", "notes.txt", "work-of-art"]);
    assert_eq!(report["leftoverBytes"], "left by a killed build".len());
}

#[test]
fn circular_symlink_does_not_stop_gc() {
    let env = TestEnv::new();
    let entry = env.build(&["web"]);
    symlink("round", env.path().join("bundles/round")).unwrap();

    let ran = env.run(&["gc"]);

    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(entry.is_dir());
}

#[test]
fn archive_replaces_only_archive() {
    let env = TestEnv::new();
    let archive = env.path().join("ours.tar");
    env.build(&["web", "--archive", "ours.tar"]);
    env.build(&["web", "--archive", "ours.tar"]);
    fs_err::remove_dir_all(env.path().join("bundles")).unwrap();
    fs_err::write(env.path().join("text"), "not an archive").unwrap();
    fs_err::write(env.path().join("empty"), "").unwrap();
    fs_err::create_dir(env.path().join("folder")).unwrap();
    symlink(&archive, env.path().join("link")).unwrap();
    pipe(&env.path().join("pipe"));

    for path in ["text", "empty", "folder", "link", "pipe", "/dev/null", "profiles/web.toml"] {
        let ran = run(&env, &["build", "web", "--archive", path]);

        assert_eq!(ran.code, 2, "{path}: {}", ran.stderr);
        assert!(ran.stderr.contains(path) && ran.stderr.contains("hint: "), "{}", ran.stderr);
        assert!(!env.path().join("bundles").exists(), "{path}");
    }
    assert!(env.path().join("link").is_symlink());
    assert_eq!(fs_err::read_to_string(env.path().join("text")).unwrap(), "not an archive");
}

#[test]
fn archive_inside_store_is_refused() {
    let env = TestEnv::new();
    let entry = env.build(&["web"]);
    let inside = entry.join("x.tar");
    symlink(env.path().join("bundles"), env.path().join("other-way")).unwrap();

    for path in ["bundles/x.tar", "./profiles/../bundles/x.tar", "other-way/x.tar", inside.as_str()]
    {
        let ran = env.run(&["build", "web", "--archive", path]);

        assert_eq!(ran.code, 2, "{path}: {}", ran.stderr);
        assert!(ran.stderr.contains("inside the store"), "{}", ran.stderr);
    }
    assert!(!env.path().join("bundles/x.tar").exists() && !inside.exists());
}

#[test]
fn pipe_in_place_of_file_is_refused_without_waiting() {
    let env = TestEnv::new();
    for name in ["profiles/piped.toml", "profiles/piped.age", "values.yaml"] {
        pipe(&env.path().join(name));
    }
    env.write_profile(
        "sealed",
        "extends = [\"base\"]\nconfig.jwtSecret = { age = \"piped.age\" }\n",
    );

    for arguments in
        [&["build", "piped"][..], &["build", "sealed"], &["import", "helm", "values.yaml"]]
    {
        let ran = run(&env, arguments);

        assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("is not a regular file"), "{}", ran.stderr);
    }
}

#[test]
fn pipe_in_place_of_bundle_is_refused_without_waiting() {
    let env = TestEnv::new();
    env.build(&["web", "--archive", "web.tar"]);
    write_pair(env.path(), "ours", 1);
    for name in ["pipe", "pipe.tar", "x.tar.parts"] {
        pipe(&env.path().join(name));
    }

    for arguments in [
        &["inspect", "./pipe"][..],
        &["inspect", "x.tar.parts"],
        &["verify", "./pipe", "--key", "ours.pub.pem"],
        &["verify", "web.tar", "--key", "./pipe"],
        &["verify", "web.tar", "--trust", "./pipe"],
        &["pack", "pipe.tar", "out.tar"],
        &["diff", "web", "./pipe"],
        &["rbac", "pipe.tar"],
        &["images", "pipe.tar"],
        &["sign", "./pipe", "--key", "ours.pem"],
        &["secrets", "check", "./pipe"],
    ] {
        let ran = run(&env, arguments);

        assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.stderr);
        assert!(
            ran.stderr.contains("pipe") || ran.stderr.contains("x.tar.parts"),
            "{}",
            ran.stderr
        );
    }
    let ran = run(&env, &["inspect", "./pipe"]);
    assert!(ran.stderr.contains("neither a regular file nor a folder"), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: pass the archive itself"), "{}", ran.stderr);
}

#[test]
fn pipe_without_writer_is_awaited_for_ten_seconds() {
    let env = TestEnv::new();
    fs_err::write(env.path().join("pass"), "a long and unusual passphrase").unwrap();
    fs_err::set_permissions(env.path().join("pass"), Permissions::from_mode(0o600)).unwrap();
    env.ok(&["keygen", "--out", "key.pem", "--passphrase-file", "pass"]);
    env.build(&["web"]);
    pipe(&env.path().join("named"));
    fs_err::set_permissions(env.path().join("named"), Permissions::from_mode(0o600)).unwrap();
    let commands = [
        &["keygen", "--out", "new.pem", "--passphrase-file", "named"][..],
        &["sign", "@web", "--key", "key.pem", "--passphrase-file", "named"],
        &["keygen", "--age", "--public", "named"],
        &["secrets", "check", "web", "--identity", "named"],
    ];
    // Each waits, so they wait together.
    let env = &env;
    std::thread::scope(|scope| {
        for arguments in commands {
            scope.spawn(move || {
                let start = Instant::now();
                let ran = run(env, arguments);
                assert!(start.elapsed() >= Duration::from_secs(10), "{arguments:?}");
                assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.stderr);
                assert!(ran.stderr.contains("no program writes to"), "{}", ran.stderr);
            });
        }
    });
}

#[test]
fn slow_writer_of_pipe_is_awaited_longer() {
    let env = TestEnv::new();
    pipe(&env.path().join("named"));
    fs_err::set_permissions(env.path().join("named"), Permissions::from_mode(0o600)).unwrap();
    // It opens the pipe at once, and asks its user for a passphrase, say.
    let writer = "exec > named; sleep 12; echo a long and unusual passphrase";
    let mut slow = Command::new("sh").args(["-c", writer]).current_dir(env.path()).spawn().unwrap();
    let ran = run(&env, &["keygen", "--out", "new.pem", "--passphrase-file", "named"]);
    assert!(slow.wait().unwrap().success());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn device_in_place_of_bundle_is_refused_without_reading() {
    let env = TestEnv::new();
    write_pair(env.path(), "ours", 1);
    for device in ["/dev/null", "/dev/zero", "/dev/urandom"] {
        for arguments in [
            &["inspect", device][..],
            &["verify", device, "--key", "ours.pub.pem", "--emit"],
            &["pack", device, "out.tar"],
        ] {
            let ran = run(&env, arguments);

            assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{arguments:?}: {}", ran.stderr);
            let why = format!("`{device}` is neither a regular file nor a folder");
            assert!(ran.stderr.contains(&why), "{arguments:?}: {}", ran.stderr);
        }
    }
}

#[test]
fn pipe_in_place_of_lock_is_refused_without_waiting() {
    let env = TestEnv::new();
    env.build(&["web"]);
    let lock = env.path().join("bundles/.lock");
    fs_err::remove_file(&lock).unwrap();
    pipe(&lock);

    for arguments in [&["build", "web"][..], &["gc"]] {
        let ran = run(&env, arguments);

        assert_eq!(ran.code, 4, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("bundles/.lock` exists, and is not"), "{}", ran.stderr);
    }
}

#[test]
fn file_without_profile_name_is_skipped_by_build_all() {
    let env = TestEnv::new();
    for name in [".#dev", "web~", "Copy of web"] {
        env.write_profile(name, "not = a profile");
    }

    let ran = env.run(&["build", "--all"]);

    assert_eq!((ran.code, ran.stdout.lines().count()), (0, 2), "{}", ran.stderr);
}

#[test]
fn private_key_in_place_of_archive_is_not_shown() {
    let env = TestEnv::new();
    let key = relay_bundle::trust::key::PrivateKey::from_seed(&[9; 32]).to_pem();
    fs_err::write(env.path().join("key.pem"), [key.as_str(), &"x".repeat(600)].concat()).unwrap();

    let ran = env.run(&["inspect", "./key.pem"]);

    let secret = key.lines().nth(1).unwrap();
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(!ran.stderr.contains(&secret[..20]) && !ran.stderr.contains("BEGIN"), "{}", ran.stderr);
    assert!(ran.stderr.contains("is this an archive?"), "{}", ran.stderr);
}

#[test]
fn pipe_in_place_of_registry_credentials_is_refused() {
    let env = TestEnv::new();
    env.write_profile("app", "extends = [\"web\"]\n");
    pipe(&env.path().join("named"));

    let ran = run(&env, &["lock", "app", "--registry-config", "named"]);

    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("`named` is not a regular file"), "{}", ran.stderr);
}
