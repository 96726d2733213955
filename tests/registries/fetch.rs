//! `fetch` from real registries: the blobs that it stores, and the requests of a second run.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::lock::each_registry;
use crate::oci::image::{Content, Format, Image};
use crate::oci::registry::{Access, Program, Registry};
use crate::tap::{Stop, Tap};
use crate::tools::find;
use crate::workplace::{Ran, Workplace};

/// Checks that the store has exactly the manifest, the config and the layers of an image.
#[track_caller]
pub(crate) fn assert_stored(place: &Workplace, image: &Image) {
    let mut expected: Vec<&Content> = image.blobs.iter().chain([&image.manifest]).collect();
    expected.sort_by_key(|content| &content.digest);
    expected.dedup_by_key(|content| &content.digest);
    let names: Vec<&str> = expected.iter().map(|content| content.hex()).collect();
    assert_eq!(place.blobs(), names);
    for content in expected {
        let bytes = fs_err::read(place.blob(content.hex())).unwrap();
        assert!(bytes == content.bytes, "{}", content.digest);
    }
    let partial = fs_err::read_dir(place.partial("")).unwrap().count();
    assert_eq!(partial, 0, "files that were not fetched to their end");
}

/// Returns a folder whose profile `relay` is locked to an image of a registry.
pub(crate) fn locked(address: &str, registry: &Registry, image: &Image) -> Workplace {
    registry.push("app", "v1", image);
    let place = Workplace::with_image(&format!("{address}/app:v1"));
    place.ok_at(registry, &["lock"]);
    place
}

/// Returns a registry with a small image, a folder whose profile is locked to it, and the image.
fn small_and_locked() -> Option<(Registry, Workplace, Image)> {
    let registry = Registry::start(Program::Distribution, Access::Plain)?;
    let image = Image::small(Format::Oci, "hello");
    let place = locked(&registry.address, &registry, &image);
    Some((registry, place, image))
}

#[test]
fn fetch_stores_each_blob_from_each_registry() {
    each_registry(&Access::ALL, |registry| {
        for format in Format::ALL {
            let index = Image::index(format, "hello");
            let images = [Image::tiny(format), Image::small(format, "hello")];
            for image in images.iter().chain([&index]) {
                let place = locked(&registry.address, registry, image);
                place.ok_at(registry, &["fetch", "relay"]);
                assert_stored(&place, image.children.first().unwrap_or(image));
            }
        }
    });
}

#[test]
fn fetch_of_moved_tag_brings_locked_digest() {
    each_registry(&[Access::Plain], |registry| {
        let old = Image::small(Format::Oci, "old");
        let place = locked(&registry.address, registry, &old);
        registry.push("app", "v1", &Image::small(Format::Oci, "new"));
        place.ok(&["fetch", "relay"]);
        assert_stored(&place, &old);
    });
}

#[test]
fn fetch_of_stored_images_asks_no_registry() {
    let Some((registry, place, _)) = small_and_locked() else { return };
    place.ok(&["fetch", "relay"]);
    drop(registry);
    let report = place.run(&["fetch", "relay", "--json"]).json();
    assert_eq!(
        (&report["fetched"], &report["bytes"], &report["there"]),
        (&json!(0), &json!(0), &json!(3))
    );
}

#[test]
fn fetch_replaces_altered_blob_in_store() {
    let Some((_registry, place, image)) = small_and_locked() else { return };
    place.ok(&["fetch", "relay"]);
    let path = place.blob(image.blobs[0].hex());
    let mut bytes = fs_err::read(&path).unwrap();
    bytes[0] ^= 1;
    fs_err::write(&path, bytes).unwrap();

    let ran = place.run(&["fetch", "relay"]);

    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("was altered: fetching it again"), "{}", ran.stderr);
    assert_stored(&place, &image);
}

#[test]
fn fetch_of_entry_brings_what_its_profile_had() {
    let Some((_registry, place, image)) = small_and_locked() else { return };
    place.ok(&["build", "relay"]);
    fs_err::remove_file(place.path().join("profiles/images.lock")).unwrap();
    place.ok(&["fetch", "@relay"]);
    assert_stored(&place, &image);
}

#[test]
fn fetch_from_mirror_stores_same_blobs() {
    each_registry(&[Access::Plain], |registry| {
        let image = Image::small(Format::Oci, "hello");
        registry.push("copies/acme/relay", "v1", &image);
        let place = Workplace::with_image("ghcr.io/acme/relay:v1");
        let from = format!("ghcr.io={}/copies", registry.address);
        place.ok(&["lock", "--from", &from]);
        place.ok(&["fetch", "relay", "--from", &from]);
        assert_stored(&place, &image);
    });
}

#[test]
fn fetch_of_unlocked_profile_is_refused() {
    let place = Workplace::with_image("registry.example.internal/app:v1");
    let ran = place.run(&["fetch", "relay"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: lock it: relay-bundle lock relay"), "{}", ran.stderr);
    assert!(place.blobs().is_empty());
}

#[test]
fn fetch_names_digest_that_registry_no_longer_has() {
    each_registry(&[Access::Plain], |registry| {
        let image = Image::small(Format::Oci, "hello");
        let place = locked(&registry.address, registry, &image);
        registry.delete_manifest("app", &image.manifest.digest);
        let ran = place.run(&["fetch", "relay"]);
        assert_eq!(ran.code, Some(4), "{}", ran.stderr);
        assert!(ran.stderr.contains(&image.manifest.digest), "{}", ran.stderr);
        assert!(ran.stderr.contains("no longer has"), "{}", ran.stderr);
        assert!(!place.blobs().contains(&image.manifest.hex().to_owned()));
    });
}

#[test]
fn fetch_names_layer_that_registry_no_longer_has() {
    each_registry(&[Access::Plain], |registry| {
        let image = Image::small(Format::Oci, "hello");
        let place = locked(&registry.address, registry, &image);
        registry.delete_blob("app", &image.blobs[1].digest);
        let ran = place.run(&["fetch", "relay"]);
        assert_eq!(ran.code, Some(4), "{}", ran.stderr);
        assert!(ran.stderr.contains(&image.blobs[1].digest), "{}", ran.stderr);
        assert!(!place.blobs().contains(&image.blobs[1].hex().to_owned()));
    });
}

#[test]
fn build_names_blobs_that_are_not_fetched() {
    let Some((_registry, place, _)) = small_and_locked() else { return };
    let ran = place.run(&["build", "relay", "--archive", "relay.tar", "--images", "all"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("the store lacks 3 blobs"), "{}", ran.stderr);
    assert!(ran.stderr.contains("relay-bundle fetch relay"), "{}", ran.stderr);
    assert!(!place.path().join("relay.tar").exists());
}

#[test]
fn quiet_fetch_prints_references_only() {
    let Some((registry, place, image)) = small_and_locked() else { return };
    let ran = place.run(&["fetch", "relay", "--quiet"]);
    let reference = format!("{}/app:v1@{}\n", registry.address, image.manifest.digest);
    assert_eq!((ran.code, ran.stdout, ran.stderr), (Some(0), reference, String::new()));
}

#[test]
fn reports_have_documented_fields() {
    let Some(registry) = Registry::start(Program::Distribution, Access::Plain) else { return };
    let image = Image::small(Format::Oci, "hello");
    registry.push("app", "v1", &image);
    let name = format!("{}/app:v1", registry.address);
    let place = Workplace::with_image(&name);
    let blobs: usize = image.blobs.iter().map(|blob| blob.bytes.len()).sum();
    let digest = &image.manifest.digest;

    let locked = place.run(&["lock", "--json"]).json();
    let line =
        json!({"change": "added", "name": name, "digest": digest, "blobs": 2, "bytes": blobs});
    let expected = json!({
        "schema": "relay-bundle/lock/v1", "path": "profiles/images.lock", "platform": "linux/amd64",
        "profiles": ["relay"], "images": [line],
    });
    assert_eq!(locked, expected);

    let fetched = place.run(&["fetch", "relay", "--json"]).json();
    let expected = json!({
        "schema": "relay-bundle/fetch/v1", "images": [format!("{name}@{digest}")],
        "fetched": 3, "bytes": blobs + image.manifest.bytes.len(), "there": 0,
    });
    assert_eq!(fetched, expected);

    let checked = place.run(&["lock", "--check", "--json"]).json();
    let note = "relay: release.appVersion is v1.1.314, but image.tag is v1";
    let expected = json!({
        "schema": "relay-bundle/lock-check/v1", "complete": true, "missing": [], "superfluous": [], "notes": [note],
    });
    assert_eq!(checked, expected);
}

/// Fetches an image; returns the peak of memory in KiB, as GNU time measures it.
#[track_caller]
fn peak_of_fetch(time: &Path, registry: &Registry, image: &Image) -> u64 {
    let place = locked(&registry.address, registry, image);
    let mut command = Command::new(time);
    place.prepare(&mut command);
    command.args([
        "-f",
        "%M",
        "-o",
        "memory",
        env!("CARGO_BIN_EXE_relay-bundle"),
        "fetch",
        "relay",
    ]);
    let ran = Ran::of(&mut command);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_stored(&place, image);
    place.read("memory").trim().parse().unwrap()
}

/// Without optimisation the program itself takes much memory; benches/registry measures the total
/// of an optimised one.
#[test]
fn memory_of_fetch_does_not_grow_with_layers() {
    let Some(time) = find("time", "time") else { return };
    let Some(registry) = Registry::start(Program::Distribution, Access::Plain) else { return };
    let small = peak_of_fetch(&time, &registry, &Image::small(Format::Oci, "hello"));
    let large = peak_of_fetch(&time, &registry, &Image::large(64 << 20));
    assert!(large < small + (8 << 10), "{large} KiB for 64 MiB, {small} KiB for a small image");
}

#[test]
fn shared_layers_are_fetched_once() {
    let Some(registry) = Registry::start(Program::Distribution, Access::Plain) else { return };
    let tap = Tap::on(&registry);
    let image = Image::small(Format::Oci, "hello");
    let place = locked(&tap.address, &registry, &image);
    place.write_profile("other", &format!("{}/other:v1", tap.address), "");
    registry.push("other", "v1", &image);
    place.ok(&["lock", "other"]);
    tap.reset(Stop::Never);
    place.ok(&["fetch", "relay", "other"]);
    let requests = tap.passed().requests;
    let blobs = requests.iter().filter(|request| request.contains("/blobs/"));
    assert_eq!(blobs.count(), 2, "{requests:?}");
    assert_stored(&place, &image);
}
