//! Images that are looked for in another registry than that of their references, and before an
//! adoption.

use camino::Utf8PathBuf;
use relay_bundle::images::lock::{ImagesLock, LOCK_FILE};
use relay_bundle::images::platform::Platform;

use crate::carried::image::Image;
use crate::carried::{Images, image_of, locked, put};
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
fn apply_finds_image_in_registry_given_by_option() {
    let Some(moved) = Moved::start("image-elsewhere-apply") else { return };
    let (site, place) = (&moved.site, moved.place());

    let absent = site.apply(&moved.bundle, &["--dry-run"]);
    assert_said(&absent, 4, &[&relay_at(&moved.own.address), "not in the registry"]);
    let plan = site.apply(&moved.bundle, &["--dry-run", "--registry", &place]);
    assert_said(&plan, 0, &[&relay_at(&place), ": there"]);

    site.applied(&moved.bundle, &["--registry", &place]);
}

#[test]
fn rollback_finds_image_in_registry_given_by_option() {
    let Some(moved) = Moved::start("image-elsewhere-back") else { return };
    let (site, place) = (&moved.site, moved.place());
    let images = [&moved.relay, &image_of(&[b"redis"])];
    let newer = build(site, &moved.own.address, images, &["config.defaultTokenLimit=7"]);
    for bundle in [&moved.bundle, &newer] {
        site.applied(bundle, &["--registry", &place]);
    }
    let own = ["rollback", "-n", &site.namespace, "--trust", "trust.toml"];
    let plan = |more: &[&str]| site.call(&[&own[..], &["--dry-run"], more].concat());

    assert_said(&plan(&[]), 4, &[&relay_at(&moved.own.address), "not in the registry"]);
    let skipped = plan(&["--images", "skip"]);
    assert_said(&skipped, 0, &[&relay_at(&moved.own.address), ": not checked (--images skip)"]);
    let checked = ["--images", "check", "--registry", &place];
    assert_said(&plan(&checked), 0, &[&relay_at(&place), ": there"]);

    let back = site.called(&[&own[..], &checked[..]].concat());
    assert_eq!(back["done"]["generation"], 3, "{back}");
}

#[test]
fn push_hint_names_registry_given_by_option() {
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
fn status_finds_image_in_registry_given_by_option() {
    let Some(moved) = Moved::start("image-elsewhere-status") else { return };
    let (site, place) = (&moved.site, moved.place());
    site.applied(&moved.bundle, &["--registry", &place]);
    let status = ["status", "-n", &site.namespace, "--trust", "trust.toml", "--images"];

    let there = site.call(&[&status[..], &["--registry", &place]].concat());
    assert_said(&there, 0, &[&relay_at(&place), ": there"]);
    let absent = site.call(&status);
    assert_said(&absent, 1, &[&relay_at(&moved.own.address), ": not in the registry"]);
}

/// Locks the images of an imported profile, and builds it for a registry. The store `images` has
/// their blobs.
#[track_caller]
fn build_release(helm: &Helm, registry: &str, settings: &[&str]) -> Utf8PathBuf {
    let unlocked = helm.build(&[UNPINNED]);
    let listed = helm.site.run(&["images", unlocked.as_str(), "--quiet"]);
    assert_eq!(listed.code, 0, "{}", listed.stderr);
    let images: Vec<(&str, Image)> =
        listed.stdout.lines().map(|name| (name, image_of(&[name.as_bytes()]))).collect();
    let lock = ImagesLock {
        platform: Platform::default(),
        profiles: ["production".parse().unwrap()].into(),
        images: images.iter().map(|(name, image)| (name.parse().unwrap(), locked(image))).collect(),
    };
    let named: Vec<(&str, &Image)> = images.iter().map(|(name, image)| (*name, image)).collect();
    Images::of(&named).store(&helm.site.path().join("images"));
    put(&helm.site.path().join("profiles").join(LOCK_FILE), lock.to_text().as_bytes());
    let registry = format!("images.registry=\"{registry}\"");
    helm.site.build("production", &[&[registry.as_str(), UNPINNED], settings].concat())
}

#[test]
fn adoption_with_absent_image_changes_nothing() {
    let Some(helm) = Helm::install("image-adopt", &[ADMIN]) else { return };
    let Some(registry) = Registry::start(Program::Distribution, Access::Plain) else { return };
    let bundle = build_release(&helm, &registry.address, &[]);
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

#[test]
fn adoption_queries_given_registry_with_pull_secret() {
    let Some(helm) = Helm::install("image-adopt-elsewhere", &[ADMIN]) else { return };
    let Some(registry) = Registry::start(Program::Distribution, Access::Basic) else { return };
    let secret = "imagePullSecrets=[{ name = \"regcred\" }]";
    let bundle = build_release(&helm, "127.0.0.1:1", &[secret]);
    let (site, place) = (&helm.site, format!("{}/mirror", registry.address));
    let auth = site.path().join("auth.json");
    registry.write_credentials(auth.as_std_path());
    let ca = registry.ca_folder().join("ca.crt").display().to_string();
    push(site, &bundle, &["--registry", &place, "--ca", &ca, "--registry-config", "auth.json"]);
    let options = ["--registry", &place, "--ca", &ca, "--images", "check"];
    let create = |content: &str| {
        let file = format!("--from-file=.dockerconfigjson={content}");
        let named = ["create", "secret", "generic", "regcred", "-n", &site.namespace];
        let kind = ["--type=kubernetes.io/dockerconfigjson", &file];
        site.plane.kubectl(&[&named[..], &kind[..]].concat());
    };
    put(&site.path().join("empty.json"), b"{}");
    create(site.path().join("empty.json").as_str());
    let plan = || helm.adopt(&bundle, &[&["--dry-run"], &options[..]].concat());

    assert_said(&plan(), 4, &[&relay_at(&place), "not checked", "HTTP 401"]);
    site.plane.kubectl(&["delete", "secret", "regcred", "-n", &site.namespace]);
    create(auth.as_str());
    assert_said(&plan(), 0, &[&relay_at(&place), ": there"]);

    let report = helm.adopted(&bundle, &options);

    let images = report["images"].as_array().unwrap();
    assert!(!images.is_empty() && images.iter().all(|image| image["state"] == "there"), "{report}");
    assert_eq!(helm.traces(), Vec::<String>::new());
}
