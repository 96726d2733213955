//! Images that are looked for in another registry than that of their references, and before an
//! adoption.

use camino::Utf8PathBuf;
use relay_bundle::images::lock::{LOCK_FILE, Lock};
use relay_bundle::images::platform::Platform;

use crate::carried::image::Image;
use crate::carried::{image_of, locked, put};
use crate::helm::{ADMIN, Helm};
use crate::images::{UNPINNED, build, push};
use crate::oci::registry::{Access, Program, Registry};
use crate::site::{Ran, Site};

/// Two registries, and a bundle whose references name the first, which has no image. The second
/// one has them all.
struct Moved {
    site: Site,
    bundle: Utf8PathBuf,
    relay: Image,
    own: Registry,
    other: Registry,
}

impl Moved {
    fn start(namespace: &str) -> Option<Self> {
        let site = Site::new(namespace)?;
        let own = Registry::start(Program::Distribution, Access::Plain)?;
        let other = Registry::start(Program::DockerRegistry, Access::Plain)?;
        let relay = image_of(&[b"relay"]);
        let bundle = build(&site, &own.address, [&relay, &image_of(&[b"redis"])], &[]);
        let moved = Self { site, bundle, relay, own, other };
        push(&moved.site, &moved.bundle, &["--registry", &moved.place()]);
        Some(moved)
    }

    /// Returns the value of `--registry`.
    fn place(&self) -> String {
        format!("{}/mirror", self.other.address)
    }
}

/// Returns the text of a reference to the relay's image.
fn relay_at(place: &str) -> String {
    format!("`{place}/wei-shaw/claude-relay-service:v1.1.314@sha256:")
}

#[track_caller]
fn assert_said(ran: &Ran, code: i32, parts: &[&str]) {
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.code, code, "{said}");
    assert!(parts.iter().all(|part| said.contains(part)), "{parts:?}: {said}");
}

#[test]
fn apply_asks_the_registry_of_the_option_only() {
    let Some(moved) = Moved::start("image-elsewhere-apply") else { return };
    let (site, place) = (&moved.site, moved.place());

    let absent = site.apply(&moved.bundle, &["--dry-run"]);
    assert_said(&absent, 4, &[&relay_at(&moved.own.address), "not in the registry"]);
    let plan = site.apply(&moved.bundle, &["--dry-run", "--registry", &place]);
    assert_said(&plan, 0, &[&relay_at(&place), ": there"]);

    site.applied(&moved.bundle, &["--registry", &place]);
}

#[test]
fn push_line_names_the_registry_of_the_option() {
    let Some(moved) = Moved::start("image-elsewhere-push") else { return };
    let (site, place) = (&moved.site, moved.place());
    moved
        .other
        .delete_manifest("mirror/wei-shaw/claude-relay-service", &moved.relay.manifest.digest);

    let blocked = site.apply(&moved.bundle, &["--yes", "--registry", &place]);

    let line = format!("`relay-bundle push FILE --trust trust.toml --registry {place}`");
    assert_said(&blocked, 4, &[&relay_at(&place), "not in the registry", &line]);
    assert!(!site.plane.has("default", "namespace/image-elsewhere-push"));
    push(site, &moved.bundle, &["--registry", &place]);
    site.applied(&moved.bundle, &["--registry", &place]);
}

#[test]
fn status_asks_the_registry_of_the_option_only() {
    let Some(moved) = Moved::start("image-elsewhere-status") else { return };
    let (site, place) = (&moved.site, moved.place());
    site.applied(&moved.bundle, &["--registry", &place]);
    let status = ["status", "-n", &site.namespace, "--trust", "trust.toml", "--images"];

    let there = site.call(&[&status[..], &["--registry", &place]].concat());
    assert_said(&there, 0, &[&relay_at(&place), ": there"]);
    let absent = site.call(&status);
    assert_said(&absent, 1, &[&relay_at(&moved.own.address), ": not in the registry"]);
}

/// Locks the images of an imported profile, and builds it for a registry.
#[track_caller]
fn build_release(helm: &Helm, registry: &str) -> Utf8PathBuf {
    let unlocked = helm.build(&[UNPINNED]);
    let listed = helm.site.run(&["images", unlocked.as_str(), "--quiet"]);
    assert_eq!(listed.code, 0, "{}", listed.stderr);
    let image = |name: &str| (name.parse().unwrap(), locked(&image_of(&[name.as_bytes()])));
    let lock = Lock {
        platform: Platform::default(),
        profiles: ["production".parse().unwrap()].into(),
        images: listed.stdout.lines().map(image).collect(),
    };
    put(&helm.site.path().join("profiles").join(LOCK_FILE), lock.to_text().as_bytes());
    helm.site.build("production", &[&format!("images.registry=\"{registry}\""), UNPINNED])
}

#[test]
fn adoption_with_absent_image_changes_nothing() {
    let Some(helm) = Helm::install("image-adopt", &[ADMIN]) else { return };
    let Some(registry) = Registry::start(Program::Distribution, Access::Plain) else { return };
    let bundle = build_release(&helm, &registry.address);
    let (versions, pods) = (helm.site.versions(), helm.pods());

    let blocked = helm.adopt(&bundle, &["--yes", "--recreate-redis"]);

    let push = "`relay-bundle push FILE --trust trust.toml`";
    let parts = [&relay_at(&registry.address), "not in the registry", push, "--images skip"];
    assert_said(&blocked, 4, &parts);
    assert_eq!((helm.site.versions(), helm.pods()), (versions, pods));
    assert!(!helm.traces().is_empty());

    let report = helm.adopted(&bundle, &["--images", "skip"]);

    let images = report["images"].as_array().unwrap();
    assert!(!images.is_empty() && images.iter().all(|image| image["state"] == "skipped"));
    assert_eq!(helm.traces(), Vec::<String>::new());
}
