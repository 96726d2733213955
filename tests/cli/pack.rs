//! `pack` writes a bundle from any medium to one file, with its large files, in bounded memory.

use std::io::Write as _;
use std::process::{Command, Stdio};

use camino::Utf8Path;

use crate::blobs::{bytes, lock, names, put, stored, with_hole, with_layers};
use crate::env::TestEnv;
use crate::tools::{find, skip};

/// The additional memory that a command may use for half a GiB instead of a few MiB.
const GROWTH_KIB_MAX: u64 = 4 << 10;

#[test]
fn pack_of_each_place_equals_gnu_tar() {
    let env = TestEnv::new();
    let entry = env.build(&["web", "--archive", "built.tar"]);
    let built = fs_err::read(env.path().join("built.tar")).unwrap();
    for place in ["@web", "bundles/web", entry.as_str(), "built.tar"] {
        let ran = env.run(&["pack", place, "packed.tar"]);

        assert_eq!((ran.code, ran.stdout.as_str()), (0, "packed.tar\n"), "{place}: {}", ran.stderr);
        assert!(fs_err::read(env.path().join("packed.tar")).unwrap() == built, "{place}");
    }

    lock(&env, &[&bytes(3_000_001), &bytes(70_000)]);
    let entry = env.build(&["tiny"]);
    put(&entry.join("attestation.dsse.json"), b"{}");
    let report = env.run(&["pack", "@tiny", "big.tar", "--images", "all", "--json"]).json();
    let tar = "mkdir big && cd big && tar -xf ../big.tar && tar --format=ustar --owner=0 --group=0 \
               --numeric-owner --mode=0644 --mtime=@0 -b1 -cf ../gnu.tar $(tar -tf ../big.tar)";
    assert!(
        Command::new("sh").args(["-c", tar]).current_dir(env.path()).status().unwrap().success()
    );

    let packed = fs_err::read(env.path().join("big.tar")).unwrap();
    assert!(packed == fs_err::read(env.path().join("gnu.tar")).unwrap());
    assert_eq!(report["schema"], "relay-bundle/pack/v1");
    assert_eq!((&report["bytes"], &report["signed"]), (&packed.len().into(), &true.into()));
    // A manifest, a config and two layers.
    assert_eq!(report["blobs"], 4);
    let inspected = env.run(&["inspect", "big.tar", "--json"]).json();
    assert_eq!(
        (&inspected["contentId"], &inspected["files"]),
        (&report["contentId"], &report["files"])
    );
    // Onto itself, and from a pipe.
    env.ok(&["pack", "big.tar", "big.tar"]);
    env.command(&["pack", "/dev/stdin", "piped.tar"])
        .write_stdin(packed.clone())
        .assert()
        .success();
    for name in ["big.tar", "piped.tar"] {
        assert!(fs_err::read(env.path().join(name)).unwrap() == packed, "{name}");
    }
    // Selecting images would need a second pass.
    let chosen = env
        .command(&["pack", "/dev/stdin", "x.tar", "--images", "all"])
        .write_stdin(packed)
        .assert();
    let said = String::from_utf8(chosen.failure().code(2).get_output().stderr.clone()).unwrap();
    assert!(said.contains("`/dev/stdin` can be read only once"), "{said}");
}

#[test]
fn pack_prints_id_size_and_signature() {
    let env = TestEnv::new();
    env.build(&["web"]);

    let ran = env.run(&["pack", "@web", "web.tar"]);

    let bytes = fs_err::metadata(env.path().join("web.tar")).unwrap().len();
    assert!(ran.stderr.starts_with("packed sha256:"), "{}", ran.stderr);
    assert!(ran.stderr.ends_with(&format!(": {bytes} bytes, unsigned\n")), "{}", ran.stderr);
}

#[test]
fn pack_of_damaged_bundle_keeps_old_archive() {
    let env = TestEnv::new();
    let layer = bytes(2_000_000);
    with_layers(&env, &[&layer, b"another"]);
    let old = fs_err::read(env.path().join("big.tar")).unwrap();
    let mut bad = old.clone();
    let at = old.windows(100).position(|window| *window == layer[1_000_000..1_000_100]).unwrap();
    bad[at] ^= 1;
    put(&env.path().join("bad.tar"), &bad);
    let mut other = layer.clone();
    other[1_999_999] ^= 1;
    put(&stored(&env, &layer), &other);
    let before = names(env.path());
    let digest = stored(&env, &layer).file_name().unwrap().to_owned();

    for (arguments, code, said) in [
        (&["pack", "bad.tar", "big.tar"][..], 3, format!("`blobs/sha256/{digest}` was altered")),
        (
            &["pack", "@tiny", "big.tar", "--images", "all"],
            4,
            format!("`bundles/.blobs/sha256/{digest}` was altered"),
        ),
        (
            &["build", "tiny", "--archive", "big.tar", "--images", "all"],
            4,
            format!("`bundles/.blobs/sha256/{digest}` was altered"),
        ),
    ] {
        let ran = env.run(arguments);

        assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(&said), "{arguments:?}: {}", ran.stderr);
        assert!(fs_err::read(env.path().join("big.tar")).unwrap() == old, "{arguments:?}");
        assert_eq!(names(env.path()), before, "{arguments:?}");
    }
}

#[test]
fn pack_never_writes_into_store_or_bundle_or_over_other_file() {
    let env = TestEnv::new();
    let entry = env.build(&["web"]);
    let copied =
        Command::new("cp").args(["-a", entry.as_str(), "big"]).current_dir(env.path()).status();
    assert!(copied.unwrap().success());
    put(&env.path().join("text"), b"not an archive");
    fs_err::create_dir(env.path().join("folder")).unwrap();
    let table = [
        (["@web", "bundles/x.tar"], "inside the store"),
        (["big/", "big/x.tar"], "inside the bundle"),
        (["big/", "big/blobs/x.tar"], "folder `big/blobs` does not exist"),
        (["@web", "no/such/x.tar"], "folder `no/such` does not exist"),
        (["@web", "text"], "is not the archive of a bundle"),
        (["@web", "folder"], "it is a folder"),
        (["@web", "-"], "not to stdout"),
        (["web", "x.tar"], "`@web` is the newest build"),
        (["@nothing", "x.tar"], "is not in the store"),
        (["nothing.tar", "x.tar"], "file or folder `nothing.tar` does not exist"),
    ];
    for ([bundle, file], why) in table {
        let ran = env.run(&["pack", bundle, file]);

        assert_eq!(ran.code, 2, "{bundle} {file}: {}", ran.stderr);
        assert!(
            ran.stderr.contains(why) && ran.stdout.is_empty(),
            "{bundle} {file}: {}",
            ran.stderr
        );
    }
    assert_eq!(fs_err::read(env.path().join("text")).unwrap(), b"not an archive");
    assert!(!env.path().join("x.tar").exists());
}

#[test]
fn pack_memory_does_not_grow_with_bundle() {
    let Some(time) = find("time", "time") else { return };
    let (small, large) = (TestEnv::new(), TestEnv::new());
    with_hole(&small, 8 << 20);
    with_hole(&large, 512 << 20);
    let peak = |env: &TestEnv, arguments: &[&str]| {
        let output = Command::new(&time)
            .args(["-f", "%M", "-o", "peak", env!("CARGO_BIN_EXE_relay-bundle")])
            .args(arguments)
            .current_dir(env.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fs_err::read_to_string(env.path().join("peak")).unwrap().trim().parse::<u64>().unwrap()
    };

    let key = ["keygen", "--out", "key.pem"];
    for env in [&small, &large] {
        env.ok(&key);
        env.ok(&["sign", "big.tar", "--key", "key.pem"]);
    }
    for arguments in [
        &["inspect", "big.tar"][..],
        &["verify", "big.tar", "--key", "key.pub.pem"],
        &["pack", "big.tar", "copy.tar"],
        &["pack", "@tiny", "copy.tar", "--images", "all"],
        &["sign", "big.tar", "--key", "key.pem", "--reseal"],
    ] {
        // A program with full debugging information uses much memory by itself.
        let (base, kib) = (peak(&small, arguments), peak(&large, arguments));

        assert!(kib < base + GROWTH_KIB_MAX, "{arguments:?}: {base} KiB, and then {kib} KiB");
    }
}

#[test]
fn bundle_of_usual_size_starts_no_thread() {
    let Some(strace) = find("strace", "strace") else { return };
    let env = TestEnv::new();
    env.build(&["web", "--archive", "web.tar"]);
    with_layers(&env, &[&bytes(2 << 20)]);
    let threads = |arguments: &[&str]| {
        let output = Command::new(&strace)
            .args([
                "-f",
                "-e",
                "trace=clone,clone3",
                "-o",
                "trace",
                env!("CARGO_BIN_EXE_relay-bundle"),
            ])
            .args(arguments)
            .current_dir(env.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let trace = fs_err::read_to_string(env.path().join("trace")).unwrap();
        trace.lines().filter(|line| line.contains("clone")).count()
    };

    for arguments in [&["inspect", "web.tar"][..], &["inspect", "@web"], &["pack", "@web", "x.tar"]]
    {
        assert_eq!(threads(arguments), 0, "{arguments:?}");
    }
    assert!(threads(&["pack", "big.tar", "x.tar"]) > 0, "strace sees no threads at all");
}

/// Returns true if the file system of a folder supports unnamed files.
fn keeps_unnamed_files(folder: &Utf8Path) -> bool {
    use rustix::fs::{Mode, OFlags, open};
    open(folder.as_std_path(), OFlags::TMPFILE | OFlags::RDWR, Mode::RUSR).is_ok()
}

#[test]
fn killed_pack_leaves_nothing() {
    let env = TestEnv::new();
    if !keeps_unnamed_files(env.path()) {
        skip(&format!("the file system of {} keeps no unnamed files (set TMPDIR)", env.path()));
        return;
    }
    with_layers(&env, &[&bytes(3 << 20)]);
    let tar = fs_err::read(env.path().join("big.tar")).unwrap();
    fs_err::create_dir(env.path().join("out")).unwrap();
    let mut pack = Command::new(env!("CARGO_BIN_EXE_relay-bundle"))
        .args(["pack", "/dev/stdin", "out/x.tar"])
        .current_dir(env.path())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = pack.stdin.take().unwrap();

    // More than a pipe holds: once it is written, most of it has been read and copied.
    stdin.write_all(&tar[..2 << 20]).unwrap();
    pack.kill().unwrap();
    pack.wait().unwrap();

    assert_eq!(names(&env.path().join("out")), [""; 0]);
}

/// Runs a command whose folder `small` is a file system of `size`; returns its exit code, its
/// output, and the files left in that folder. `None` where the machine does not allow it.
pub(crate) fn on_small_disk(
    env: &TestEnv,
    size: &str,
    arguments: &[&str],
) -> Option<(i32, String, String)> {
    let script = format!(
        r#"mount -t tmpfs -o size={size} tmpfs small || exit 77; "$@"; code=$?; ls -A small; exit $code"#
    );
    fs_err::create_dir_all(env.path().join("small")).unwrap();
    let run = |unshare: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(unshare).args(["sh", "-c", &script, "sh", env!("CARGO_BIN_EXE_relay-bundle")]);
        command.args(arguments).current_dir(env.path()).output().unwrap()
    };
    // Without root, a user namespace may still allow it.
    let attempts = [&["--mount"][..], &["--user", "--map-root-user", "--mount"]];
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let done = attempts.iter().map(|unshare| run(unshare)).find(|output| {
        // `unshare` itself fails with 1.
        output.status.code().is_some_and(|code| code != 77 && code != 1)
    });
    if done.is_none() {
        skip("no right to mount a tmpfs, neither as root nor in a user namespace");
    }
    done.map(|output| (output.status.code().unwrap(), text(&output.stderr), text(&output.stdout)))
}

#[test]
fn full_disk_leaves_nothing() {
    let env = TestEnv::new();
    with_layers(&env, &[&bytes(3 << 20)]);
    env.ok(&["split", "big.tar", "--size", "600kB"]);
    let table = [
        &["pack", "big.tar", "small/x.tar"][..],
        &["build", "tiny", "--archive", "small/x.tar", "--images", "all"],
        &["split", "big.tar", "--size", "600kB", "--out", "small"],
        &["join", "big.tar.parts", "--out", "small/x.tar"],
    ];
    for arguments in table {
        let Some((code, said, left)) = on_small_disk(&env, "1m", arguments) else { return };

        assert_eq!((code, left.as_str()), (4, ""), "{arguments:?}: {said}");
        assert!(said.contains("the disk is full"), "{arguments:?}: {said}");
    }
}
