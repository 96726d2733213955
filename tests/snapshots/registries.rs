//! `lock`, `fetch` and `push`, without a registry and with one in memory.

use crate::documents::{self, Document};
use crate::env::TestEnv;
use crate::fake::{Fake, Flaw};
use crate::scene;
use crate::stub::{Answer, Stub};
use crate::transcript::{Transcript, snapshot};

#[test]
fn locks_are_as_saved() {
    let home = scene::locked_images();
    let lines = [
        "lock --check",
        "lock --check --json",
        "lock tiny",
        "lock tiny --json",
        "lock wbe",
        "lock --update web",
        "lock --update nothing",
        "lock --platform amd64",
        "lock --platform linux/arm64",
        "lock tiny --from ghcr.io",
        "lock tiny --registry-config nosuch.json --update",
        "lock tiny --ca nosuch.crt --update",
        "lock tiny --ca profiles/web.toml --update",
        "lock --check --update",
        "lock typo",
    ];
    snapshot("lock", &home, &lines);
}

#[test]
fn missing_lock_is_as_saved() {
    snapshot("lock_missing", &scene::home(), &["lock --check", "lock --check --json", "fetch web"]);
}

#[test]
fn fetched_images_are_as_saved() {
    let home = scene::locked_images();
    let mut seen = Transcript::new(&home);
    seen.run("build tiny --archive tiny.tar --quiet");
    for line in [
        "fetch tiny",
        "fetch tiny --json",
        "fetch @tiny --quiet",
        "fetch tiny.tar",
        "fetch",
        "fetch wbe",
        "fetch web",
        "fetch @wbe",
        "fetch nosuch.tar",
        "fetch tiny --from ghcr.io=",
    ] {
        seen.run(line);
    }
    seen.snapshot("fetch");
}

#[test]
fn pushes_that_ask_no_registry_are_as_saved() {
    let home = scene::locked_images();
    let lines = [
        "build tiny --archive all.tar --images all --key signing.pem --quiet",
        "build web --archive web.tar --key signing.pem --quiet",
        "push",
        "push all.tar",
        "push tiny --key signing.pub.pem",
        "push web.tar --key signing.pub.pem",
        "push - --key signing.pub.pem",
        "push nosuch.tar --key signing.pub.pem",
        "push all.tar --key stranger.pub.pem",
        "push all.tar --key signing.pub.pem --registry https://example.com",
        "push all.tar --key signing.pub.pem --registry ghcr.io",
        "push all.tar --key signing.pub.pem --ca nosuch.crt",
        "push all.tar --key signing.pub.pem --registry-config nosuch.json",
    ];
    snapshot("push", &home, &lines);
}

#[test]
fn locked_and_fetched_images_are_as_saved() {
    let documents = [documents::manifest()];
    let registry = Stub::start(move |seen, _| Document::serve(&documents, seen));
    let home = scene::one_image();
    let mut seen = Transcript::new(&home);
    for line in
        ["lock tiny", "lock --check", "lock --update --json", "fetch tiny", "fetch tiny --json"]
    {
        let from = if line.contains("--check") {
            String::new()
        } else {
            format!(" --from ghcr.io={}", registry.address())
        };
        seen.run(&format!("{line}{from}"));
    }
    seen.run("images tiny");
    seen.run("build tiny --archive all.tar --images all --quiet");
    seen.snapshot("lock_and_fetch");
}

#[test]
fn images_missing_from_registry_are_as_saved() {
    let registry = Stub::start(|_, _| Answer::new(404, ""));
    let home = scene::locked_images();
    fs_err::remove_dir_all(home.path().join("bundles/.blobs")).unwrap();
    let mut seen = Transcript::new(&home);
    seen.run(&format!("lock tiny --update --from ghcr.io={}", registry.address()));
    seen.run(&format!("fetch tiny --from ghcr.io={}", registry.address()));
    seen.snapshot("images_not_found");
}

/// Starts a registry, and makes an archive of one image for it.
fn registry_and_archive(flaw: Flaw) -> (Fake, TestEnv) {
    let registry = Fake::start(flaw);
    let home = scene::locked_images_for(&registry.stub.address());
    home.build(&["tiny", "--archive", "all.tar", "--images", "all", "--key", "signing.pem"]);
    (registry, home)
}

const PUSH: &str = "push all.tar --key signing.pub.pem";
const PUSH_JSON: &str = "push all.tar --key signing.pub.pem --json";

#[test]
fn pushes_are_as_saved() {
    let (_registry, home) = registry_and_archive(Flaw::None);
    let lines = [
        "push all.tar --key signing.pub.pem --dry-run",
        "push all.tar --key signing.pub.pem --dry-run --json",
        PUSH,
        PUSH,
        PUSH_JSON,
        "push all.tar --key signing.pub.pem --deep --quiet",
    ];
    snapshot("push_to_registry", &home, &lines);
}

#[test]
fn pushes_denied_by_registry_are_as_saved() {
    let (_registry, home) = registry_and_archive(Flaw::ReadOnly);
    snapshot("push_denied", &home, &[PUSH, PUSH_JSON]);
}

#[test]
fn pushes_without_tags_are_as_saved() {
    let (_registry, home) = registry_and_archive(Flaw::NoTags);
    snapshot("push_without_tags", &home, &[PUSH, PUSH_JSON]);
}
