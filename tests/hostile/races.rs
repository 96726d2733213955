//! A signed bundle in a folder whose files are swapped while the program verifies it.

use std::os::unix::fs::symlink;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::folders::put;

/// The minimum number of verifications.
const ROUNDS: usize = 200;
/// The time limit for both outcomes to occur, accepted and refused.
const PATIENCE: Duration = Duration::from_mins(2);

fn run(folder: &Utf8Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_relay-bundle"));
    command.args(arguments).current_dir(folder).env_clear().env("HOME", folder).output().unwrap()
}

/// Builds a signed bundle, and returns its path in `folder`.
fn build(folder: &Utf8Path) -> Utf8PathBuf {
    let profiles = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles");
    let arguments = [
        "build",
        "dev",
        "--profiles",
        profiles.as_str(),
        "--key",
        "signing.pem",
        "--keygen",
        "--quiet",
    ];
    let built = run(folder, &arguments);
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    folder.join(String::from_utf8(built.stdout).unwrap().trim())
}

/// One way to swap a file; the caller restores it.
type Swap = fn(&Utf8Path, &Utf8Path, &[u8]);

/// Each gets the path of the file, and a path beside it for another one on the same file system.
const SWAPS: [Swap; 6] = [
    |path, aside, _| fs::rename(path, aside).unwrap(),
    // A link to the signed bytes is still not a file of the bundle.
    |path, aside, good| {
        let copy = aside.with_extension("copy");
        put(&copy, good);
        symlink(&copy, aside).unwrap();
        fs::rename(aside, path).unwrap();
    },
    |path, aside, _| {
        put(aside, b"evil");
        fs::rename(aside, path).unwrap();
    },
    |path, _, good| {
        let half = good.len() as u64 / 2;
        fs::File::options().write(true).open(path).unwrap().set_len(half).unwrap();
    },
    |path, _, good| put(path, &[good, b"evil: true\n"].concat()),
    |path, _, good| {
        let mut evil = good.to_vec();
        let middle = evil.len() / 2;
        evil[middle] ^= 1;
        put(path, &evil);
    },
];

/// Swaps a file in every way until `is_done`, and restores it.
fn swap(path: &Utf8Path, aside: &Utf8Path, is_done: &AtomicBool) {
    let good = fs::read(path).unwrap();
    for way in SWAPS.iter().cycle() {
        way(path, aside, &good);
        thread::yield_now();
        put(aside, &good);
        fs::rename(aside, path).unwrap();
        // Long enough for some of the runs to find every file unchanged.
        thread::sleep(Duration::from_millis(40));
        if is_done.load(Ordering::SeqCst) {
            return;
        }
    }
}

/// Returns true if some of the runs succeeded and some failed.
fn is_mixed(runs: &[Output]) -> bool {
    let succeeded = runs.iter().filter(|ran| ran.status.success()).count();
    (1..runs.len()).contains(&succeeded)
}

#[test]
fn verify_during_swaps_emits_signed_bytes_or_nothing() {
    let keep = tempfile::tempdir().unwrap();
    let folder = Utf8Path::from_path(keep.path()).unwrap();
    let bundle = build(folder);
    let verify = [
        "verify",
        bundle.as_str(),
        "--key",
        "signing.pub.pem",
        "--emit",
        "--secrets-exist",
        "--quiet",
    ];
    let signed = run(folder, &verify);
    assert!(signed.status.success(), "{}", String::from_utf8_lossy(&signed.stderr));
    let manifests = fs::read_dir(bundle.join("manifests")).unwrap();
    let manifest = manifests.map(|item| item.unwrap().path()).min().unwrap();
    let manifest = Utf8PathBuf::from_path_buf(manifest).unwrap();
    let paths = [bundle.join("SHA256SUMS"), bundle.join("bundle.json"), manifest];

    let is_done = AtomicBool::new(false);
    let mut found = [0_usize; 2];
    thread::scope(|scope| {
        for (number, path) in paths.iter().enumerate() {
            let (aside, is_done) = (folder.join(format!("aside-{number}")), &is_done);
            scope.spawn(move || swap(path, &aside, is_done));
        }
        let start = Instant::now();
        let mut runs: Vec<Output> = (0..ROUNDS).map(|_| run(folder, &verify)).collect();
        // On a busy machine one of the two outcomes may be rare.
        while !is_mixed(&runs) && start.elapsed() < PATIENCE {
            runs.push(run(folder, &verify));
        }
        is_done.store(true, Ordering::SeqCst);
        for ran in runs {
            let stderr = String::from_utf8_lossy(&ran.stderr);
            match ran.status.code() {
                Some(0) => {
                    assert!(ran.stdout == signed.stdout, "other bytes were verified");
                    found[0] += 1;
                }
                Some(2..=4) => {
                    assert!(ran.stdout.is_empty() && stderr.contains("error: "), "{stderr}");
                    found[1] += 1;
                }
                code => panic!("{code:?}: {stderr}"),
            }
        }
    });

    assert!(found.iter().all(|runs| *runs > 0), "{found:?}");
    assert!(run(folder, &verify).status.success());
}
