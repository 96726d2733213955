//! An archive with images: the same bytes from any source, and readable by nodes and skopeo.

use std::path::Path;

use crate::fetch::locked;
use crate::oci::containerd::Containerd;
use crate::oci::image::{Format, Image};
use crate::oci::is_root;
use crate::oci::registry::{Access, Program, Registry};
use crate::oci::skopeo::{Place, Skopeo};
use crate::tap::{Stop, Tap};
use crate::workplace::Workplace;

const RELAY: &str = "ghcr.io/acme/relay:v1";
const OTHER: &str = "docker.io/acme/other:v1";

/// Returns a folder with a profile of two images.
fn of_two() -> Workplace {
    let place = Workplace::new();
    place.write_profile("first", RELAY, "");
    place.write_profile("second", OTHER, "");
    let own = format!("extraContainers = [{{ name = \"other\", image = \"{OTHER}\" }}]\n");
    place.write_profile("relay", RELAY, &own);
    place
}

fn push_both(registry: &Registry, images: [(&str, &Image); 2]) {
    for (name, image) in images {
        registry.push(name, "v1", image);
    }
}

/// Builds with all images; returns the archive and the lock.
#[track_caller]
fn built(place: &Workplace) -> (Vec<u8>, String) {
    place.ok(&["build", "relay", "--archive", "relay.tar", "--images", "all"]);
    (fs_err::read(place.path().join("relay.tar")).unwrap(), place.lock().unwrap())
}

/// One folder locks and fetches everything at once. The other one uses another registry program
/// behind another mirror: first one image, then half of the other, then the rest, at other times.
#[test]
fn mirror_order_cache_and_time_leave_no_trace() {
    let programs = [Program::DockerRegistry, Program::Distribution];
    let [Some(one), Some(two)] = programs.map(|program| Registry::start(program, Access::Plain))
    else {
        return;
    };
    let (relay, other) = (Image::large(1 << 20), Image::index(Format::Docker, "other"));
    push_both(&one, [("acme/relay", &relay), ("acme/other", &other)]);
    push_both(&two, [("copies/acme/other", &other), ("copies/acme/relay", &relay)]);

    let from = |host: &str, to: &str| format!("{host}={to}");
    let (ghcr, hub) = (from("ghcr.io", &one.address), from("docker.io", &one.address));
    let direct = of_two();
    direct.ok(&["lock", "--from", &ghcr, "--from", &hub]);
    direct.ok(&["fetch", "relay", "--from", &ghcr, "--from", &hub]);

    let tap = Tap::on(&two);
    let copies = format!("{}/copies", tap.address);
    let (ghcr, hub) = (from("ghcr.io", &copies), from("docker.io", &copies));
    let detour = of_two();
    for profiles in [&["second"][..], &["relay", "first"]] {
        detour.ok(&[&["lock"], profiles, &["--from", &hub, "--from", &ghcr]].concat());
    }
    detour.ok(&["fetch", "second", "--from", &hub]);
    let fetch = ["fetch", "relay", "first", "--from", &ghcr, "--from", &hub];
    assert!(tap.kill(&mut detour.command(&fetch), Stop::AfterBytes(500_000)));
    tap.release();
    detour.ok(&fetch);

    let ((archive, lock), (other_archive, other_lock)) = (built(&direct), built(&detour));
    assert_eq!(lock, other_lock);
    assert!(archive == other_archive, "{} and {} bytes", archive.len(), other_archive.len());
}

/// Returns the archive of an image with a name inside the gap, and the reference in the manifests.
fn archive(format: Format) -> Option<(Workplace, String)> {
    let registry = Registry::start(Program::Distribution, Access::Plain)?;
    let image = Image::small(format, &format!("{format:?}"));
    let place = locked(&registry.address, &registry, &image);
    let text = place.read("profiles/relay.toml");
    place.write(
        "profiles/relay.toml",
        &format!("images.registry = \"registry.example.internal:5000\"\n{text}"),
    );
    place.ok(&["fetch", "relay"]);
    place.ok(&["build", "relay", "--archive", "relay.tar", "--images", "all"]);
    let reference = place.ok(&["images", "relay.tar", "--quiet"]).trim().to_owned();
    Some((place, reference))
}

#[test]
fn node_finds_imported_archive_under_reference_of_manifests() {
    let Some(containerd) = Containerd::start() else { return };
    for format in Format::ALL {
        let Some((place, reference)) = archive(format) else { return };
        containerd.import(&place.path().join("relay.tar")).unwrap();
        let found = containerd.image_status(&reference);
        let status = found.unwrap_or_else(|| panic!("{reference}: {:?}", containerd.names()));
        let (tagged, digest) = reference.split_once('@').unwrap();
        let name = tagged.rsplit_once(':').unwrap().0;
        assert_eq!(status.tags, [tagged], "{format:?}");
        assert_eq!(status.digests, [format!("{name}@{digest}")], "{format:?}");
        let rendered = place.ok(&["render", "relay"]);
        assert!(rendered.contains(&format!("image: {reference}")), "{rendered}");
    }
}

#[test]
fn skopeo_reads_archive_of_oci_image_under_both_names() {
    let Some(skopeo) = Skopeo::find().filter(|_| is_root("skopeo with an archive")) else { return };
    let Some((place, reference)) = archive(Format::Oci) else { return };
    let (tagged, digest) = reference.split_once('@').unwrap();
    let name = tagged.rsplit_once(':').unwrap().0;
    for name in [tagged.to_owned(), format!("{name}@{digest}")] {
        let copy = tempfile::tempdir().unwrap();
        skopeo.copy(
            Place::Archive(&place.path().join("relay.tar"), &name),
            Place::Folder(copy.path(), "copy"),
        );
        assert_same(&place, copy.path(), digest);
    }
}

/// skopeo skips manifests of Docker's media types in a layout; docs/images.md shows another way.
#[test]
fn skopeo_misses_docker_image_in_archive() {
    let Some(skopeo) = Skopeo::find().filter(|_| is_root("skopeo with an archive")) else { return };
    let Some((place, reference)) = archive(Format::Docker) else { return };
    let (tagged, _) = reference.split_once('@').unwrap();
    let why = skopeo.fails_to_read(Place::Archive(&place.path().join("relay.tar"), tagged));
    assert!(why.contains("no descriptor found") || why.contains("unsupported manifest"), "{why}");
}

/// Checks that a layout has the blobs of the store, including the manifest.
#[track_caller]
fn assert_same(place: &Workplace, layout: &Path, manifest: &str) {
    let blobs = place.blobs();
    assert!(blobs.contains(&manifest["sha256:".len()..].to_owned()));
    for hex in blobs {
        let copied = fs_err::read(layout.join("blobs/sha256").join(&hex)).unwrap();
        assert!(copied == fs_err::read(place.blob(&hex)).unwrap(), "{hex}");
    }
}
