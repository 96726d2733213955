//! `push` into registries that refuse, lie or are full: its output, its exit code, and the
//! resulting content.

use crate::fake::{Fake, Flaw, RIVAL};
use crate::site::carried::image::Image;
use crate::site::carried::image_of;
use crate::site::{Ended, RELAY_REPOSITORY, SIDE_REPOSITORY, Site};

pub(crate) const TAG: &str = "v1.1.314";

pub(crate) fn pair() -> [Image; 2] {
    [image_of(&[b"shared", b"of the relay"]), image_of(&[b"shared", b"of the side"])]
}

/// Pushes two images into a registry with a flaw.
fn pushed(flaw: Flaw) -> (Fake, [Image; 2], Ended) {
    let (fake, images) = (Fake::start(flaw), pair());
    let site = Site::new(&fake.stub.address());
    site.build(&[&images[0], &images[1]], "all.tar", "all");
    let ended = site.push("all.tar", &[]);
    (fake, images, ended)
}

/// Makes a registry with a flaw, and a site with an archive of an image for it.
fn site_with(flaw: Flaw, image: &Image) -> (Fake, Site) {
    let fake = Fake::start(flaw);
    let site = Site::new(&fake.stub.address());
    site.build(&[image], "all.tar", "all");
    (fake, site)
}

pub(crate) fn text(image: &Image) -> String {
    String::from_utf8(image.manifest.bytes.clone()).unwrap()
}

#[track_caller]
fn is_whole(fake: &Fake, images: &[Image; 2]) {
    for (repository, image) in [RELAY_REPOSITORY, SIDE_REPOSITORY].into_iter().zip(images) {
        assert_eq!(
            fake.manifest(repository, &image.manifest.digest),
            Some(text(image)),
            "{repository}"
        );
    }
}

#[test]
fn registry_without_flaw_gets_everything() {
    let (fake, images, ended) = pushed(Flaw::None);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    is_whole(&fake, &images);
    assert_eq!(fake.manifest(RELAY_REPOSITORY, TAG), Some(text(&images[0])));
    assert_eq!((&ended.json()["sent"], &ended.json()["mounted"]), (&5.into(), &1.into()));
}

#[test]
fn blob_is_sent_if_mount_is_answered_with_upload() {
    let (fake, images, ended) = pushed(Flaw::NoMounts);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    is_whole(&fake, &images);
    assert_eq!((&ended.json()["sent"], &ended.json()["mounted"]), (&6.into(), &0.into()));
    assert_eq!(fake.count("DELETE"), 1, "the upload that the mount began is ended");
}

#[test]
fn delta_sends_nothing_if_mount_is_answered_with_upload() {
    let fake = Fake::start(Flaw::NoMounts);
    let site = Site::new(&fake.stub.address());
    let [relay, extra] = pair();
    site.build(&[&relay], "base.tar", "all");
    site.build(&[&relay, &extra], "delta.tar", "since:base.tar");
    site.pushed("base.tar", &[]);
    let before = fake.count("PUT");

    let ended = site.push("delta.tar", &[]);

    assert_eq!((ended.code, fake.count("PUT")), (4, before), "{}", ended.stderr);
    let shared = &extra.blobs[1].digest;
    assert!(ended.json()["reasons"].to_string().contains(shared), "{}", ended.stdout);
}

#[test]
fn registry_that_takes_no_tag_is_warned_of() {
    let (fake, images, ended) = pushed(Flaw::NoTags);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    is_whole(&fake, &images);
    assert_eq!(ended.json()["images"][0]["tagState"], "refused");
    assert!(ended.json()["images"][0].get("keptBy").is_none());
    assert!(ended.stderr.contains("warning: the tag was not set: "), "{}", ended.stderr);
    assert!(ended.stderr.contains("TAG_INVALID: immutable"), "{}", ended.stderr);
    assert!(ended.stderr.contains("warning: no tag keeps sha256:"), "{}", ended.stderr);
}

#[test]
fn tag_that_must_not_move_is_kept_and_another_one_is_set() {
    let image = image_of(&[b"new"]);
    let (fake, site) = site_with(Flaw::ImmutableTags, &image);
    let former = text(&image_of(&[b"old"]));
    fake.put_manifest(RELAY_REPOSITORY, TAG, &former);

    let report = site.pushed("all.tar", &["--move-tags"]);

    assert_eq!(report["images"][0]["tagState"], "refused");
    let keeper = report["images"][0]["keptBy"].as_str().unwrap();
    assert_eq!(fake.manifest(RELAY_REPOSITORY, keeper), Some(text(&image)));
    assert_eq!(fake.manifest(RELAY_REPOSITORY, TAG), Some(former));
}

/// Pushes an image with `--move-tags` where its tag names another one; returns the registry, the
/// image, the former manifest and the outcome.
fn moved(flaw: Flaw) -> (Fake, Image, String, Ended) {
    let image = image_of(&[b"new"]);
    let (fake, site) = site_with(flaw, &image);
    let former = text(&image_of(&[b"old"]));
    fake.put_manifest(RELAY_REPOSITORY, TAG, &former);
    let ended = site.push("all.tar", &["--move-tags"]);
    (fake, image, former, ended)
}

#[test]
fn tag_stays_if_nothing_would_keep_former_image() {
    let (fake, image, former, ended) = moved(Flaw::NoNewTags);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(ended.json()["images"][0]["tagState"], "left");
    assert!(ended.json()["images"][0].get("formerKeptBy").is_none());
    assert!(
        ended.stderr.contains("warning: the tag was not moved, since no tag would keep"),
        "{}",
        ended.stderr
    );
    assert_eq!(fake.manifest(RELAY_REPOSITORY, TAG), Some(former));
    assert_eq!(fake.manifest(RELAY_REPOSITORY, &image.manifest.digest), Some(text(&image)));
}

#[test]
fn chart_tag_stays_despite_move_tags() {
    let (fake, image, former, ended) = moved(Flaw::Charts);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(ended.json()["images"][0]["tagState"], "left");
    assert_eq!(fake.manifest(RELAY_REPOSITORY, TAG), Some(former));
    assert_eq!(fake.manifest(RELAY_REPOSITORY, &image.manifest.digest), Some(text(&image)));
}

#[test]
fn tag_set_by_concurrent_push_is_left() {
    let (fake, images, ended) = pushed(Flaw::Race);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let report = &ended.json()["images"][1];
    assert_eq!(report["tagState"], "left", "{report}");
    assert_eq!(fake.manifest(RELAY_REPOSITORY, TAG).as_deref(), Some(RIVAL));
    let keeper = report["keptBy"].as_str().unwrap();
    assert_eq!(fake.manifest(RELAY_REPOSITORY, keeper), Some(text(&images[0])));
}

#[test]
fn lost_layer_of_present_image_is_sent_for_other_image() {
    let fake = Fake::start(Flaw::None);
    let mut site = Site::new(&fake.stub.address());
    site.side = "ghcr.io/wei-shaw/claude-relay-service:v1.1.400";
    let [old, new] = pair();
    site.build(&[&old], "old.tar", "all");
    site.pushed("old.tar", &[]);
    fake.lose(RELAY_REPOSITORY, &old.blobs[1].digest);
    site.build(&[&old, &new], "both.tar", "all");

    let ended = site.push("both.tar", &[]);

    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(fake.manifest(RELAY_REPOSITORY, "v1.1.400"), Some(text(&new)));
}

#[test]
fn store_entry_folder_is_pushed_like_entry() {
    let image = image_of(&[b"new"]);
    let (fake, site) = site_with(Flaw::None, &image);
    let ended = site.push("bundles/tiny/", &[]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(fake.manifest(RELAY_REPOSITORY, TAG), Some(text(&image)));
}

#[test]
fn push_of_altered_store_blob_fails_with_fetch_hint() {
    let image = image_of(&[b"new"]);
    let (fake, site) = site_with(Flaw::None, &image);
    let path = site
        .file("bundles")
        .join(".blobs/sha256")
        .join(image.blobs[1].digest.trim_start_matches("sha256:"));
    fs_err::write(&path, b"bad").unwrap();

    let ended = site.push("@tiny", &[]);

    assert_eq!(ended.code, 4, "{}", ended.stderr);
    assert!(ended.stderr.contains("was altered"), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("hint: fetch it again: relay-bundle fetch @tiny"),
        "{}",
        ended.stderr
    );
    assert_eq!(fake.manifest(RELAY_REPOSITORY, TAG), None);
}

#[test]
fn registry_storing_other_content_ends_push() {
    let (fake, _, ended) = pushed(Flaw::StoresOther);
    assert_eq!(ended.code, 4, "{}", ended.stderr);
    assert!(ended.stderr.contains("wrong content: expected sha256:"), "{}", ended.stderr);
    assert!(ended.stderr.contains("stores different content"), "{}", ended.stderr);
    assert_eq!(fake.manifest(RELAY_REPOSITORY, TAG), None);
}

#[test]
fn proxy_limit_ends_push() {
    let (fake, _, ended) = pushed(Flaw::TooLarge);
    assert_eq!(ended.code, 4, "{}", ended.stderr);
    assert!(ended.stderr.contains("HTTP 413") && ended.stderr.contains("client_max_body_size"));
    assert_eq!(fake.count("PUT"), 1);
}

#[test]
fn user_who_may_not_push_is_told() {
    let (fake, _, ended) = pushed(Flaw::ReadOnly);
    assert_eq!(ended.code, 4, "{}", ended.stderr);
    assert!(ended.stderr.contains("access denied"), "{}", ended.stderr);
    assert_eq!(fake.count("PUT"), 0);
}

/// Returns the output for people, without the digits of digests and the address.
fn told(site: &Site, fake: &Fake, image: &Image, more: &[&str]) -> String {
    let own = ["push", "all.tar", "--key", "key.pub.pem"];
    let ended = site.run(&own.into_iter().chain(more.iter().copied()).collect::<Vec<_>>());
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let hex = image.manifest.hex();
    (ended.stdout + &ended.stderr)
        .replace(&fake.stub.address(), "HOST")
        .replace(hex, "HEX")
        .replace(&hex[..12], "12")
}

#[test]
fn report_tells_what_would_be_done_and_what_was() {
    let image = image_of(&[b"new"]);
    let (fake, site) = site_with(Flaw::None, &image);
    let old = image_of(&[b"old"]);
    fake.put_manifest(RELAY_REPOSITORY, TAG, &text(&old));
    let name = "HOST/wei-shaw/claude-relay-service:v1.1.314@sha256:HEX";
    let bytes = image.blobs.iter().map(|blob| blob.bytes.len()).sum::<usize>();

    let left = "the tag `v1.1.314` names another image, and stays; `v1.1.314-12` keeps this one";
    let to_send = format!("2 blobs to send ({bytes} bytes), 0 to mount, 0 there");
    assert_eq!(
        told(&site, &fake, &image, &["--dry-run"]),
        format!("{name}: {to_send}\n  {left}\nwould push 1 image: {to_send}\n")
    );
    let sent = format!("2 blobs sent ({bytes} bytes), 0 mounted, 0 there before");
    assert_eq!(
        told(&site, &fake, &image, &[]),
        format!("{name}: {sent}\n  {left}\npushed 1 image: {sent}\n")
    );
    assert_eq!(
        told(&site, &fake, &image, &["--move-tags"]),
        format!(
            "{name}: there before\n  the tag `v1.1.314` moves here from another image; `v1.1.314-{}` keeps the other one\n\
             pushed 1 image: 0 blobs sent (0 bytes), 0 mounted, 2 there before\n",
            &old.manifest.hex()[..12]
        )
    );
}

#[test]
fn project_quota_ends_push_with_registry_message() {
    let (fake, _, ended) = pushed(Flaw::Quota);
    assert_eq!(ended.code, 4, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("HTTP 412 DENIED: adding 3 B of storage resource exceeds the quota"),
        "{}",
        ended.stderr
    );
    assert_eq!(fake.manifest(RELAY_REPOSITORY, TAG), None);
}

#[test]
fn layer_whose_mount_did_not_happen_is_sent() {
    let (fake, _, ended) = pushed(Flaw::FalseMounts);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    for (repository, tag) in [(RELAY_REPOSITORY, TAG), (SIDE_REPOSITORY, "1")] {
        assert!(fake.manifest(repository, tag).is_some(), "{repository}");
    }
}
