//! `fetch` beside another `fetch` or `gc`, on a full disk, and on a terminal.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::fetch::assert_stored;
use crate::hosts::mapped;
use crate::scene::{scene, start_waiting};
use crate::tap::Stop;
use crate::tools::find;
use crate::workplace::Ran;

#[test]
fn two_concurrent_fetches_fetch_each_blob_once() {
    let Some(scene) = scene() else { return };
    scene.tap.reset(Stop::AfterBytes(100_000));
    let mut children = [scene.fetch().spawn().unwrap(), scene.fetch().spawn().unwrap()];
    scene.tap.await_stop();
    // Both wait: one for bytes, one for the other.
    std::thread::sleep(Duration::from_millis(100));
    scene.tap.release();
    assert!(children.iter_mut().all(|child| child.wait().unwrap().success()));
    assert_stored(&scene.place, &scene.image);
    let requests = scene.tap.passed().requests;
    for blob in &scene.image.blobs {
        let count = requests.iter().filter(|request| request.contains(blob.hex())).count();
        assert_eq!(count, 1, "{requests:?}");
    }
}

#[test]
fn killed_fetch_leaves_its_blob_to_waiting_one() {
    let Some(scene) = scene() else { return };
    scene.tap.reset(Stop::AfterBytes(1 << 20));
    let mut first = scene.fetch().spawn().unwrap();
    scene.tap.await_stop();
    let (mut second, _stderr) = start_waiting(&mut scene.fetch());
    first.kill().unwrap();
    first.wait().unwrap();
    scene.tap.release();
    assert!(second.wait().unwrap().success());
    assert_stored(&scene.place, &scene.image);
}

#[test]
fn gc_waits_for_fetch_and_keeps_what_entry_names() {
    let Some(scene) = scene() else { return };
    scene.place.ok(&["build", "relay"]);
    scene.tap.reset(Stop::AfterBytes(1 << 20));
    let mut fetch = scene.fetch().spawn().unwrap();
    scene.tap.await_stop();
    let (mut collect, _stderr) = start_waiting(&mut scene.place.command(&["gc", "--blobs"]));
    assert!(collect.try_wait().unwrap().is_none(), "gc did not wait");
    scene.tap.release();
    assert!(fetch.wait().unwrap().success() && collect.wait().unwrap().success());
    assert_stored(&scene.place, &scene.image);
}

#[test]
fn fetch_waits_for_gc() {
    let Some(scene) = scene() else { return };
    scene.place.ok(&["fetch", "relay"]);
    fs_err::remove_file(scene.place.blob(scene.large())).unwrap();
    let lock =
        fs_err::File::open(scene.place.path().join("bundles/.blobs/.lock")).unwrap().into_file();
    lock.lock().unwrap();
    scene.tap.reset(Stop::Never);
    let (mut fetch, _stderr) = start_waiting(&mut scene.fetch());
    assert!(fetch.try_wait().unwrap().is_none(), "fetch did not wait");
    assert!(scene.tap.passed().requests.is_empty());
    drop(lock);
    assert!(fetch.wait().unwrap().success());
    assert_stored(&scene.place, &scene.image);
}

#[test]
fn gc_without_entry_removes_blobs_and_partial_ones() {
    let Some(scene) = scene() else { return };
    assert!(scene.tap.kill(&mut scene.fetch(), Stop::AfterBytes(1 << 20)));
    assert!(scene.stored_bytes() > 0);
    scene.place.ok(&["gc", "--blobs"]);
    assert_eq!(scene.stored_bytes(), 0);
}

/// The store is on a file system of 2 MiB, which is enlarged later.
const SMALL_DISK: &str = "mkdir -p bundles && mount -t tmpfs -o size=2m tmpfs bundles
\"$0\" fetch relay; echo \"first $?\"
ls bundles/.blobs/sha256 | grep -c \"$1\"
mount -o remount,size=64m bundles
\"$0\" fetch relay; echo \"second $?\"
sha256sum bundles/.blobs/sha256/\"$1\"";

#[test]
fn fetch_on_full_disk_fails_and_resumes_with_room() {
    let Some(scene) = scene() else { return };
    let Some(mapped) = mapped(&[]) else { return };
    let mut command = mapped.line("sh");
    scene.place.prepare(&mut command);
    command.args(["-c", SMALL_DISK, env!("CARGO_BIN_EXE_relay-bundle"), scene.large()]);
    let ran = Ran::of(&mut command);
    assert!(ran.stderr.contains("No space left on device"), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: the disk is full"), "{}", ran.stderr);
    let lines: Vec<&str> = ran.stdout.lines().filter(|line| !line.contains("/app:v1")).collect();
    let hashed = format!("{0}  bundles/.blobs/sha256/{0}", scene.large());
    assert_eq!(lines, ["first 4", "0", "second 0", &hashed], "{}", ran.stderr);
    assert!(
        scene.tap.passed().requests.iter().any(|request| request.contains(" bytes=")),
        "it was not resumed"
    );
}

#[test]
fn fetch_shows_progress_on_terminal() {
    let Some(script) = find("script", "bsdutils") else { return };
    let Some(scene) = scene() else { return };
    scene.tap.reset(Stop::AfterBytes(1 << 20));
    let mut command = Command::new(script);
    scene.place.prepare(&mut command);
    command.args([
        "-qec",
        &format!("{} fetch relay", env!("CARGO_BIN_EXE_relay-bundle")),
        "typescript",
    ]);
    let child = command.stdout(Stdio::piped()).spawn().unwrap();
    scene.tap.await_stop();
    // Progress appears only after a second.
    std::thread::sleep(Duration::from_millis(1300));
    scene.tap.release();
    let screen = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    let line =
        screen.split(['\r', '\n']).find(|line| line.contains(" of 3.1 MB, ")).expect(&screen);
    assert!(
        line.contains("fetched ") && line.contains("/s, ") && line.ends_with(" left"),
        "{line}"
    );
    assert_stored(&scene.place, &scene.image);
}
