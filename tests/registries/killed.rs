//! A killed `fetch` resumes: the next run converges, and requests only missing bytes.

use std::time::Instant;

use crate::fetch::assert_stored;
use crate::scene::{LARGE, Scene, scene};
use crate::tap::Stop;

#[test]
fn fetch_killed_at_each_request_resumes() {
    let Some(scene) = scene() else { return };
    assert!(!scene.tap.kill(&mut scene.fetch(), Stop::Never));
    let requests = scene.tap.passed().requests.len();
    assert!(requests >= 5, "probes, a manifest and three blobs");
    for number in 1..=requests {
        scene.empty_store();
        assert!(scene.tap.kill(&mut scene.fetch(), Stop::AtRequest(number)), "request {number}");
        scene.assert_resumes(&format!("request {number} of {requests}"));
    }
}

#[test]
fn fetch_killed_after_any_bytes_resumes() {
    let Some(scene) = scene() else { return };
    assert!(!scene.tap.kill(&mut scene.fetch(), Stop::Never));
    let bytes = scene.tap.passed().bytes;
    for part in 0..40 {
        scene.empty_store();
        let stop = 1 + bytes * part / 40;
        assert!(scene.tap.kill(&mut scene.fetch(), Stop::AfterBytes(stop)), "{stop} bytes");
        scene.assert_resumes(&format!("{stop} of {bytes} bytes"));
    }
}

#[test]
fn fetch_killed_at_any_time_resumes() {
    let Some(scene) = scene() else { return };
    let start = Instant::now();
    assert!(!scene.tap.kill(&mut scene.fetch(), Stop::Never));
    let whole = start.elapsed();
    for part in 0..20 {
        scene.empty_store();
        scene.tap.reset(Stop::Never);
        let mut child = scene.fetch().spawn().unwrap();
        let pause = whole * part / 20;
        std::thread::sleep(pause);
        child.kill().unwrap();
        child.wait().unwrap();
        scene.assert_resumes(&format!("{pause:?}"));
    }
}

/// Each run is killed after a tenth of the layer; together they transfer little more than the layer
/// itself.
#[test]
fn fetch_killed_again_and_again_comes_to_its_end() {
    let Some(scene) = scene() else { return };
    let step = LARGE as u64 / 10;
    let (mut kills, mut passed, mut before) = (0, 0, 0);
    while scene.tap.kill_when_drained(&mut scene.fetch(), step, || scene.stored_bytes()) {
        kills += 1;
        passed += scene.tap.passed().bytes;
        let stored = scene.stored_bytes();
        assert!(stored > before, "kill {kills} gained nothing: {stored} bytes");
        before = stored;
        assert!(kills < 30, "it comes to no end");
    }
    passed += scene.tap.passed().bytes;
    assert!(kills >= 9, "{kills} kills");
    assert_stored(&scene.place, &scene.image);
    let all: usize = scene.image.contents().iter().map(|one| one.bytes.len()).sum();
    assert!(passed < all as u64 + all as u64 / 4, "{passed} bytes for {all}");
}

/// Writes bytes as the partial blob of a killed fetch of the large layer, and fetches.
#[track_caller]
fn fetches_with_partial(scene: &Scene, bytes: &[u8]) -> Vec<String> {
    scene.empty_store();
    let path = scene.place.partial(scene.large());
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    fs_err::write(path, bytes).unwrap();
    scene.tap.reset(Stop::Never);
    scene.place.ok(&["fetch", "relay"]);
    assert_stored(&scene.place, &scene.image);
    let requests = scene.tap.passed().requests.into_iter();
    requests.filter(|request| request.contains(scene.large())).collect()
}

#[test]
fn damaged_partial_blob_is_fetched_again_whole() {
    let Some(scene) = scene() else { return };
    let good = scene.image.blobs[2].bytes.clone();
    let mut damaged = good[..LARGE / 2].to_vec();
    damaged[1000] ^= 1;
    let requests = fetches_with_partial(&scene, &damaged);
    assert_eq!(requests.len(), 2, "{requests:?}");
    assert!(requests[0].ends_with(&format!("bytes={}-", LARGE / 2)), "{requests:?}");
    assert!(!requests[1].contains("bytes="), "{requests:?}");
}

#[test]
fn partial_blob_that_is_too_long_is_fetched_again_whole() {
    let Some(scene) = scene() else { return };
    let requests = fetches_with_partial(&scene, &vec![0; LARGE + 1]);
    assert!(requests.len() == 1 && !requests[0].contains("bytes="), "{requests:?}");
}

#[test]
fn partial_blob_of_full_size_is_hashed_before_it_counts() {
    let Some(scene) = scene() else { return };
    let good = scene.image.blobs[2].bytes.clone();
    assert_eq!(fetches_with_partial(&scene, &good), Vec::<String>::new());
    let mut damaged = good;
    damaged[LARGE - 1] ^= 1;
    let requests = fetches_with_partial(&scene, &damaged);
    assert!(requests.len() == 1 && !requests[0].contains("bytes="), "{requests:?}");
}
