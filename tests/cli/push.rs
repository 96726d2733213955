//! `push` before the first request to a registry: its refusals and messages.

use relay_bundle::images::lock::{ImagesLock, LOCK_FILE};
use relay_bundle::images::platform::Platform;

use crate::blobs::{lock, put, store};
use crate::carried::image::Image;
use crate::carried::{Images, PROFILE, SOURCE, TINY, image_of, locked};
use crate::env::{Ran, TestEnv};

/// Returns an environment with a key, and `tiny` with an archive that carries its image.
fn carried() -> TestEnv {
    let env = TestEnv::new();
    lock(&env, &[b"layer"]);
    env.ok(&["keygen", "--out", "key.pem"]);
    env.build(&["tiny", "--archive", "all.tar", "--images", "all", "--key", "key.pem"]);
    env
}

/// Returns the line of a profile with a container of this image.
fn side_container(image: &str) -> String {
    let limits = "{ cpu = 1, memory = \"64Mi\" }";
    format!(
        "extraContainers = [{{ name = \"side\", image = \"{image}\", resources = {{ limits = {limits}, requests = {limits} }} }}]\n"
    )
}

/// Locks `tiny` to these images, and builds an archive that carries them.
fn archive_of(env: &TestEnv, named: &[(&str, &Image)]) {
    let lock = ImagesLock {
        platform: Platform::default(),
        profiles: [PROFILE.parse().unwrap()].into(),
        images: named.iter().map(|(name, image)| (name.parse().unwrap(), locked(image))).collect(),
    };
    put(&env.path().join("profiles").join(LOCK_FILE), lock.to_text().as_bytes());
    Images::of(named).store(&store(env));
    env.ok(&["keygen", "--out", "key.pem"]);
    env.build(&[PROFILE, "--archive", "all.tar", "--images", "all", "--key", "key.pem"]);
}

fn push(env: &TestEnv, bundle: &str, more: &[&str]) -> Ran {
    let own = ["push", bundle, "--key", "key.pub.pem"];
    env.run(&own.into_iter().chain(more.iter().copied()).collect::<Vec<_>>())
}

#[track_caller]
fn refused(ran: &Ran, code: i32, words: &[&str]) {
    assert_eq!(ran.code, code, "{}", ran.stderr);
    assert!(words.iter().all(|word| ran.stderr.contains(word)), "{}", ran.stderr);
}

#[test]
fn images_that_would_go_to_where_they_come_from_are_refused() {
    let env = carried();
    for (options, host) in [(&[][..], "ghcr.io"), (&["--registry", "ghcr.io:443"], "ghcr.io:443")] {
        let ran = push(&env, "all.tar", options);
        let image = format!("{host}/wei-shaw/claude-relay-service:v1.1.314@sha256:");
        refused(&ran, 2, &[&image, "--registry HOST[/PREFIX]"]);
    }
}

/// Returns an environment with an archive of `tiny` whose images are named for `r.example`, except
/// that one of them comes from there.
fn partly_from_the_site() -> TestEnv {
    const OWN: &str = "r.example/own/side:1";
    let env = TestEnv::new();
    let profile = format!("{}images.registry = \"r.example\"\n{TINY}", side_container(OWN));
    env.write_profile(PROFILE, &profile);
    archive_of(&env, &[(SOURCE, &image_of(&[b"one"])), (OWN, &image_of(&[b"two"]))]);
    env
}

#[test]
fn image_from_manifest_registry_needs_registry_option() {
    let ran = push(&partly_from_the_site(), "all.tar", &[]);
    refused(&ran, 2, &["r.example/own/side:1@sha256:", "--registry HOST[/PREFIX]"]);
    assert!(!ran.stderr.contains("claude-relay-service"), "{}", ran.stderr);
}

#[test]
fn bundle_from_stdin_is_refused() {
    refused(
        &push(&carried(), "-", &[]),
        2,
        &["a bundle from stdin is not read", "write it to a file first"],
    );
}

#[test]
fn stream_that_can_be_read_once_is_refused() {
    let env = carried();
    let fifo = env.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    refused(&push(&env, "./pipe", &[]), 2, &["can be read only once"]);
}

#[test]
fn bundle_whose_images_are_not_pinned_is_refused() {
    let env = TestEnv::new();
    env.ok(&["keygen", "--out", "key.pem"]);
    env.build(&["web", "--archive", "web.tar", "--key", "key.pem"]);
    refused(&push(&env, "web.tar", &[]), 2, &["are not pinned", "relay-bundle lock"]);
}

#[test]
fn registry_of_another_form_is_refused() {
    let env = carried();
    for registry in ["https://r.example", "r", "r.example/", "r.example/x:1"] {
        refused(
            &push(&env, "all.tar", &["--registry", registry]),
            2,
            &["is not HOST or HOST/PREFIX"],
        );
    }
}

#[test]
fn images_colliding_at_registry_are_refused() {
    const OTHER: &str = "quay.io/wei-shaw/claude-relay-service:v1.1.314";
    let env = TestEnv::new();
    env.write_profile(PROFILE, &(side_container(OTHER) + TINY));
    archive_of(&env, &[(SOURCE, &image_of(&[b"one"])), (OTHER, &image_of(&[b"two"]))]);

    let ran = push(&env, "all.tar", &["--registry", "localhost:1/site"]);

    let name = "both would be `localhost:1/site/wei-shaw/claude-relay-service:v1.1.314`";
    refused(&ran, 2, &[SOURCE, OTHER, "are different images", name]);
}

#[test]
fn bundle_is_verified_before_anything_is_asked() {
    let env = carried();
    env.ok(&["keygen", "--out", "other.pem"]);
    let ran = env.run(&["push", "all.tar", "--key", "other.pub.pem", "--registry", "localhost:1"]);
    refused(&ran, 3, &["UNTRUSTED_KEY"]);
    let mut archive = fs_err::read(env.path().join("all.tar")).unwrap();
    let at = archive.windows(5).rposition(|window| window == b"layer").unwrap();
    archive[at] ^= 1;
    fs_err::write(env.path().join("bad.tar"), archive).unwrap();
    refused(&push(&env, "bad.tar", &["--registry", "localhost:1"]), 3, &["TAMPERED"]);
}

#[test]
fn part_option_is_refused_without_index_of_parts() {
    let ran = push(&carried(), "all.tar", &["--part", "x"]);
    refused(&ran, 2, &["--part requires an index of parts"]);
}
