//! Tests that `apply` looks for images in their registry before it replaces pods, and that `status`
//! compares them with the running ones.

use camino::Utf8PathBuf;
use relay_bundle::images::lock::{ImagesLock, LOCK_FILE};
use relay_bundle::images::platform::Platform;
use serde_json::{Value, json};

use crate::carried::image::Image;
use crate::carried::{Images, image_of, locked, put};
use crate::oci::registry::{Access, Program, Registry};
use crate::site::Site;

const RELAY: &str = "ghcr.io/wei-shaw/claude-relay-service:v1.1.314";
const REDIS: &str = "docker.io/redis:8.2.2";
/// The setting that removes the profile's own pin of this image.
pub(crate) const UNPINNED: &str = "redis.image.digest=\"\"";

/// Locks both images of `dev`, and builds it for a registry.
#[track_caller]
pub(crate) fn build(
    site: &Site,
    registry: &str,
    images: [&Image; 2],
    settings: &[&str],
) -> Utf8PathBuf {
    let named = [(RELAY, images[0]), (REDIS, images[1])];
    let lock = ImagesLock {
        platform: Platform::default(),
        profiles: ["dev".parse().unwrap()].into(),
        images: named.iter().map(|(name, image)| (name.parse().unwrap(), locked(image))).collect(),
    };
    put(&site.path().join("profiles").join(LOCK_FILE), lock.to_text().as_bytes());
    Images::of(&named).store(&site.path().join("images"));
    let registry = format!("images.registry=\"{registry}\"");
    let own = [registry.as_str(), UNPINNED];
    site.build("dev", &own.into_iter().chain(settings.iter().copied()).collect::<Vec<_>>())
}

/// Pushes the images of a bundle.
#[track_caller]
pub(crate) fn push(site: &Site, bundle: &Utf8PathBuf, options: &[&str]) {
    let full = bundle.with_extension("full.tar");
    let pack = ["pack", bundle.as_str(), full.as_str(), "--images", "all", "--store", "images"];
    let push = ["push", full.as_str(), "--trust", "trust.toml"];
    for arguments in [pack.to_vec(), push.into_iter().chain(options.iter().copied()).collect()] {
        let ran = site.run(&arguments);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
}

#[test]
fn absent_image_blocks_apply_until_it_is_pushed() {
    let Some(site) = Site::new("image-absent") else { return };
    let Some(registry) = Registry::start(Program::Distribution, Access::Plain) else { return };
    let bundle =
        build(&site, &registry.address, [&image_of(&[b"relay"]), &image_of(&[b"redis"])], &[]);

    let blocked = site.apply(&bundle, &["--yes"]);

    assert_eq!(blocked.code, 4, "{}", blocked.stderr);
    for said in
        ["/redis:8.2.2@sha256:", "not in the registry", "relay-bundle push FILE --trust trust.toml"]
    {
        assert!(blocked.stderr.contains(said), "{said}: {}", blocked.stderr);
    }
    assert!(!site.plane.has("default", "namespace/image-absent"));

    push(&site, &bundle, &[]);
    let report = site.applied(&bundle, &[]);
    assert_eq!(
        (&report["images"][0]["state"], &report["images"][1]["state"]),
        (&json!("there"), &json!("there"))
    );
}

#[test]
fn rollback_to_generation_with_absent_image_replaces_no_pod() {
    let Some(site) = Site::new("image-gone") else { return };
    let Some(registry) = Registry::start(Program::DockerRegistry, Access::Plain) else { return };
    let (old, new, redis) = (image_of(&[b"old"]), image_of(&[b"new"]), image_of(&[b"redis"]));
    for relay in [&old, &new] {
        let bundle = build(&site, &registry.address, [relay, &redis], &[]);
        push(&site, &bundle, &[]);
        site.applied(&bundle, &[]);
    }
    registry.delete_manifest("wei-shaw/claude-relay-service", &old.manifest.digest);
    let before = site.versions();

    let ran = site.call(&["rollback", "-n", &site.namespace, "--trust", "trust.toml", "--yes"]);

    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(
        ran.stderr.contains(&old.manifest.digest) && ran.stderr.contains("not in the registry"),
        "{}",
        ran.stderr
    );
    assert_eq!(site.versions(), before);
    // Pushing the old file restores the image.
    push(&site, &site.path().join("dev-1.tar"), &[]);
    site.called(&["rollback", "-n", &site.namespace, "--trust", "trust.toml"]);
}

#[test]
fn unreachable_registry_blocks_only_with_images_check() {
    let Some(site) = Site::new("image-unknown") else { return };
    let bundle = build(&site, "127.0.0.1:1", [&image_of(&[b"relay"]), &image_of(&[b"redis"])], &[]);

    let plan = site.apply(&bundle, &["--dry-run"]);
    assert_eq!(plan.code, 0, "{}", plan.stderr);
    assert_eq!(plan.stdout.matches(": not checked: ").count(), 2, "{}", plan.stdout);
    let checked = site.apply(&bundle, &["--dry-run", "--images", "check"]);
    assert_eq!(checked.code, 4, "{}", checked.stderr);
    assert!(checked.stderr.contains("not checked: "), "{}", checked.stderr);
    let skipped = site.apply(&bundle, &["--dry-run", "--images", "skip"]);
    assert_eq!(skipped.code, 0, "{}", skipped.stderr);
    assert_eq!(
        skipped.stdout.matches(": not checked (--images skip)").count(),
        2,
        "{}",
        skipped.stdout
    );
    let hash =
        |page: &str| page.lines().find(|line| line.starts_with("plan hash")).map(str::to_owned);
    assert_eq!(hash(&plan.stdout), hash(&skipped.stdout));
    let wrong = site.apply(&bundle, &["--dry-run", "--ca", "missing.crt"]);
    assert_eq!(wrong.code, 2, "{}", wrong.stderr);
    let applied = site.apply(&bundle, &["--yes"]);
    assert_eq!(applied.code, 0, "{}", applied.stderr);
    assert_eq!(
        applied.stderr.matches(": not checked: 127.0.0.1:1: ").count(),
        2,
        "{}",
        applied.stderr
    );
}

#[test]
fn pull_secret_of_pods_is_sent_to_registry() {
    let Some(site) = Site::new("image-secret") else { return };
    let Some(registry) = Registry::start(Program::Distribution, Access::Basic) else { return };
    let secret = "imagePullSecrets=[{ name = \"regcred\" }]";
    let images = [&image_of(&[b"relay"]), &image_of(&[b"redis"])];
    let bundle = build(&site, &registry.address, images, &[secret]);
    let site = site.with_namespace();
    let ca = registry.ca_folder().join("ca.crt").display().to_string();
    registry.write_credentials(site.path().join("auth.json").as_std_path());
    push(&site, &bundle, &["--ca", &ca, "--registry-config", "auth.json"]);
    let look = || site.apply(&bundle, &["--dry-run", "--json", "--ca", &ca]);

    let denied: Value = serde_json::from_str(&look().stdout).unwrap();
    assert_eq!(denied["images"][0]["state"], "notChecked", "{denied}");
    assert!(denied["images"][0]["why"].as_str().unwrap().contains("HTTP 401"), "{denied}");
    let auth = site.path().join("auth.json");
    let file = format!("--from-file=.dockerconfigjson={auth}");
    let kind = "--type=kubernetes.io/dockerconfigjson";
    site.plane.kubectl(&[
        "create",
        "secret",
        "generic",
        "regcred",
        "-n",
        &site.namespace,
        kind,
        &file,
    ]);

    let allowed: Value = serde_json::from_str(&look().stdout).unwrap();
    assert_eq!(allowed["images"][0]["state"], "there", "{allowed}");
    assert_eq!(allowed["images"][1]["state"], "there", "{allowed}");
}

/// Starts a registry with the images of a site, which runs them.
fn site_that_runs(namespace: &str, relay: &Image, redis: &Image) -> Option<(Site, Registry)> {
    let site = Site::new(namespace)?;
    let registry = Registry::start(Program::Distribution, Access::Plain)?;
    let bundle = build(&site, &registry.address, [relay, redis], &[]);
    push(&site, &bundle, &[]);
    site.applied(&bundle, &[]);
    Some((site, registry))
}

/// Sets the image that the kubelet reports for the first container of the relay's pod; returns the
/// pod's name.
#[track_caller]
fn report(site: &Site, image_id: &str) -> String {
    let label = "app.kubernetes.io/component=relay";
    let name = ["get", "pods", "-n", &site.namespace, "-l", label, "-o", "name"];
    let pod = site.plane.kubectl(&name).trim().to_owned();
    let patch = json!([{"op": "replace", "path": "/status/containerStatuses/0/imageID", "value": image_id}]);
    let patch = ["-p", &patch.to_string()].map(str::to_owned);
    let arguments = ["patch", &pod, "-n", &site.namespace, "--subresource=status", "--type=json"];
    let all: Vec<&str> = arguments.into_iter().chain(patch.iter().map(String::as_str)).collect();
    site.plane.kubectl(&all);
    pod
}

/// Returns the exit code of `status`, and its state of the relay's image.
#[track_caller]
fn running(site: &Site) -> (i32, Value) {
    let ran = site.call(&["status", "-n", &site.namespace, "--trust", "trust.toml", "--json"]);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    let images = report["running"].as_array().unwrap();
    let relay = images.iter().find(|image| image["container"] == "claude-relay").unwrap();
    (ran.code, relay["state"].clone())
}

#[test]
fn status_compares_what_pods_run_with_what_is_pinned() {
    let relay = image_of(&[b"relay"]);
    let Some((site, _registry)) = site_that_runs("image-running", &relay, &image_of(&[b"redis"]))
    else {
        return;
    };
    let config = &relay.blobs[0].digest;
    assert_eq!(running(&site), (0, json!("unknown")));
    for (image_id, code, state) in [
        (format!("registry.example/x@{}", relay.manifest.digest), 0, "same"),
        (config.clone(), 0, "same"),
        (format!("registry.example/x@sha256:{}", "0".repeat(64)), 0, "unknown"),
        (format!("sha256:{}", "0".repeat(64)), 1, "other"),
    ] {
        report(&site, &image_id);
        assert_eq!(running(&site), (code, json!(state)), "{image_id}");
    }
    // The last reported image remains.
    let live = site.call(&["verify", "--live", "-n", &site.namespace, "--trust", "trust.toml"]);
    assert_eq!(live.code, 1, "{}", live.stderr);
    assert!(
        live.stdout.contains("0 of 3 containers run the pinned images, 2 unknown"),
        "{}",
        live.stdout
    );
    assert!(
        live.stdout.contains("/claude-relay: runs sha256:0000")
            && live.stdout.contains("another image"),
        "{}",
        live.stdout
    );
}

#[test]
fn pod_with_image_outside_bundle_is_named() {
    let (relay, redis) = (image_of(&[b"relay"]), image_of(&[b"redis"]));
    let Some((site, _registry)) = site_that_runs("image-unlisted", &relay, &redis) else { return };
    let pod = report(&site, &relay.manifest.digest);
    let image = "claude-relay=other.example/relay:1";
    site.plane.kubectl(&["set", "image", &pod, image, "-n", &site.namespace]);

    let ran = site.call(&["status", "-n", &site.namespace, "--trust", "trust.toml"]);

    let name = pod.trim_start_matches("pod/");
    let line =
        format!("! {name}/claude-relay: `other.example/relay:1` is not an image of the bundle");
    assert!(ran.stdout.contains(&line), "{}", ran.stdout);
    assert_eq!(ran.code, 1);
}

#[test]
fn status_queries_registries_for_deployed_images() {
    let relay = image_of(&[b"relay"]);
    let Some((site, registry)) = site_that_runs("image-status", &relay, &image_of(&[b"redis"]))
    else {
        return;
    };
    let status = ["status", "-n", &site.namespace, "--trust", "trust.toml", "--images"];
    let ran = site.call(&status);
    assert_eq!(
        (ran.code, ran.stdout.matches(": there\n").count()),
        (0, 2),
        "{}{}",
        ran.stdout,
        ran.stderr
    );

    registry.delete_manifest("wei-shaw/claude-relay-service", &relay.manifest.digest);

    let ran = site.call(&status);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(
        ran.stdout.contains(&format!("{}`: not in the registry", relay.manifest.digest)),
        "{}",
        ran.stdout
    );
}

#[test]
fn unpinned_images_are_checked_by_tag_and_only_warned_of() {
    let Some(site) = Site::new("image-tags") else { return };
    let Some(registry) = Registry::start(Program::Distribution, Access::Plain) else { return };
    let settings = format!("images.registry=\"{}\"", registry.address);
    let bundle = site.build("dev", &[&settings, UNPINNED]);
    let absent = format!("image `{}/redis:8.2.2`: not in the registry", registry.address);

    let plan = site.apply(&bundle, &["--dry-run"]);
    assert!(
        plan.code == 0 && plan.stdout.contains(&format!("warning: {absent}")),
        "{}",
        plan.stdout
    );
    let checked = site.apply(&bundle, &["--dry-run", "--images", "check"]);
    assert!(checked.code == 4 && checked.stderr.contains(&absent), "{}", checked.stderr);
    let skipped = site.apply(&bundle, &["--dry-run", "--images", "skip"]);
    assert!(
        skipped.code == 0 && !skipped.stdout.contains("not in the registry"),
        "{}",
        skipped.stdout
    );
}
