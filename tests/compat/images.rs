//! Bundles of earlier releases that pin and carry images, and the locks of their profiles.

use camino::Utf8Path;
use serde_json::{Value, json};

use crate::Release;

/// One folder per release that changed the form of images. Entries are never removed from this list.
const RELEASES: [&str; 1] = ["0.1-abi3"];
const TRUST: [&str; 2] = ["--trust", "trust.toml"];
const STORE: [&str; 2] = ["--store", "store"];
const ALL: [&str; 2] = ["--images", "all"];

fn releases() -> impl Iterator<Item = Release> {
    RELEASES.iter().map(|name| Release::new(name))
}

/// Returns the numbers of configs and layers, and of those that are missing.
fn counts(report: &Value) -> (&Value, &Value) {
    (&report["carried"]["blobs"], &report["carried"]["missing"])
}

fn read(release: &Release, name: impl AsRef<Utf8Path>) -> Vec<u8> {
    fs_err::read(release.path().join(name.as_ref())).unwrap()
}

#[test]
fn archives_with_images_of_earlier_releases_verify() {
    for release in releases() {
        let full = release.json(&[&["verify", "full.tar"], &TRUST[..], &ALL].concat());
        assert_eq!(counts(&full), (&json!(5), &json!(0)), "{full}");
        let delta = release.json(&[&["verify", "delta.tar"], &TRUST[..]].concat());
        assert_eq!(counts(&delta), (&json!(5), &json!(3)), "{delta}");
        let missing = release.run(&[&["verify", "delta.tar"], &TRUST[..], &ALL].concat());
        assert_eq!(missing.code, 1, "{}{}", missing.stdout, missing.stderr);
        assert!(missing.stderr.contains("IMAGES_MISSING"), "{}", missing.stderr);
    }
}

#[test]
fn old_archives_with_images_are_listed_compared_and_packed() {
    for release in releases() {
        let inspected = release.json(&["inspect", "full.tar"]);
        assert_eq!(counts(&inspected), (&json!(5), &json!(0)), "{inspected}");
        let listed = release.json(&["images", "delta.tar"]);
        assert_eq!(listed["images"].as_array().unwrap().len(), 2, "{listed}");
        let mirrored = release.ok(&["images", "full.tar", "--mirror"]);
        assert!(mirrored.starts_with("ghcr.io/wei-shaw/claude-relay-service@"), "{mirrored}");
        release.ok(&["rbac", "full.tar"]);
        let differs = release.run(&["diff", "full.tar", "delta.tar"]);
        assert_eq!(differs.code, 1, "{}{}", differs.stdout, differs.stderr);

        release.ok(&["pack", "full.tar", "packed.tar"]);
        assert!(read(&release, "packed.tar") == read(&release, "full.tar"));
        release.ok(&["split", "full.tar", "--size", "10kB"]);
        release.ok(&["join", "full.tar.parts", "--out", "joined.tar"]);
        assert!(read(&release, "joined.tar") == read(&release, "full.tar"));
    }
}

#[test]
fn stores_with_images_of_earlier_releases_serve_their_images() {
    for release in releases() {
        let newest = release.json(&[&["verify", "@tiny"], &TRUST[..], &STORE, &ALL].concat());
        assert_eq!(counts(&newest), (&json!(5), &json!(0)), "{newest}");
        let first = release.json(&["inspect", "full.tar"])["contentId"].clone();
        let pack = ["pack", first.as_str().unwrap(), "packed.tar"];
        release.ok(&[&pack, &STORE[..], &ALL].concat());
        assert!(read(&release, "packed.tar") == read(&release, "full.tar"));
        let pack = ["pack", "@tiny", "delta-again.tar", "--images", "since:full.tar"];
        release.ok(&[&pack, &STORE[..]].concat());
        assert!(read(&release, "delta-again.tar") == read(&release, "delta.tar"));
        // Nothing is missing, so no registry is asked.
        let fetched = release.json(&[&["fetch", "@tiny"], &STORE[..]].concat());
        assert_eq!((&fetched["fetched"], &fetched["there"]), (&json!(0), &json!(7)), "{fetched}");
        // The first entry, with its manifest, config and one layer.
        let removed = release.json(&[&["gc", "--blobs", "--dry-run"], &STORE[..]].concat());
        assert_eq!(removed["entries"].as_array().unwrap().len(), 1, "{removed}");
        assert_eq!(removed["blobs"].as_array().unwrap().len(), 3, "{removed}");
    }
}

#[test]
fn locks_of_earlier_releases_pin_new_builds() {
    for release in releases() {
        release.ok(&["lock", "--check"]);
        let own = ["build", "tiny", "--archive", "today.tar"];
        release.ok(&[&own, &STORE[..], &ALL].concat());
        let listed = |file: &str| release.json(&["images", file]);
        let today = listed("today.tar");
        assert_eq!(today["images"], listed("delta.tar")["images"]);
        assert_eq!(counts(&today), (&json!(5), &json!(0)), "{today}");
    }
}
