//! Bundles whose images are locked: their content, and their archives.

use crate::blobs::lock;
use crate::carry::{ALL, signing};

#[test]
fn pull_policy_always_is_warned_of_if_archive_has_images() {
    let (env, _) = signing();
    let always = ["--set", "images.pullPolicy=\"Always\""];
    for (images, is_warned) in [("all", true), ("none", false)] {
        let arguments = ["build", "tiny", "--archive", "x.tar", "--images", images];
        let ran = env.run(&[&arguments[..], &always].concat());

        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let said = "the pull policy of claude-relay, prepare is Always";
        assert_eq!(ran.stderr.contains(said), is_warned, "{images}: {}", ran.stderr);
    }
}

#[test]
fn content_id_of_locked_bundle_is_fixed() {
    let (env, _) = signing();

    let built = env.run(&["build", "tiny", "--json"]).json();

    // It changes with RENDER_ABI and with the image of the test only.
    assert_eq!(
        built["bundles"][0]["contentId"],
        "sha256:02a3175c510fa1eb8e8668b9e6d4e4a381578d11b892a90d9d542f3c5f6286b1"
    );
}

#[test]
fn check_of_locked_profile_builds_identical_bytes() {
    let (env, _) = signing();

    let ran = env.run(&["build", "tiny", "--check"]);

    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let said = "checked tiny: 3 builds in other processes gave identical bytes";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
}

#[test]
fn locked_bundle_matches_source_until_lock_changes() {
    let (env, _) = signing();
    env.build(&[&ALL[..], &["--key", "key.pem"]].concat());
    let verify = ["verify", "all.tar", "--key", "key.pub.pem", "--rebuild", "tiny"];

    let page = env.ok(&verify);
    assert!(page.contains("identical to the source of profile tiny\n"), "{page}");

    lock(&env, &[b"layer a", b"layer c"]);
    let ran = env.run(&verify);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stdout.contains("images.json: differs\n"), "{}", ran.stdout);
}
