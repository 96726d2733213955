//! Images that `push` leaves out, because they come from the destination.

use serde_json::json;

use crate::command::{TAG, pair, text};
use crate::fake::{Fake, Flaw};
use crate::site::{RELAY_REPOSITORY, SIDE_REPOSITORY, Site};

#[test]
fn image_from_target_registry_is_left_out() {
    let (fake, images) = (Fake::start(Flaw::None), pair());
    let address = fake.stub.address();
    let mut site = Site::new(&address);
    site.side = format!("{address}/{SIDE_REPOSITORY}:1").leak();
    site.build(&[&images[0], &images[1]], "all.tar", "all");

    let ended = site.push("all.tar", &["--registry", &address]);

    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let own = format!("{}@{}", site.side, images[1].manifest.digest);
    assert_eq!(ended.json()["leftOut"], json!([own]));
    assert_eq!(ended.json()["images"].as_array().unwrap().len(), 1);
    assert!(
        ended.stderr.contains(&format!("left out: `{own}` comes from there\n")),
        "{}",
        ended.stderr
    );
    assert_eq!(fake.manifest(RELAY_REPOSITORY, TAG), Some(text(&images[0])));
    assert_eq!(fake.manifest(SIDE_REPOSITORY, "1"), None);
    assert_eq!(fake.manifest(SIDE_REPOSITORY, &images[1].manifest.digest), None);
    // Under a prefix, both get a place of their own.
    let elsewhere = format!("{address}/copies");
    let report = site.pushed("all.tar", &["--registry", &elsewhere]);
    assert_eq!(report["leftOut"], json!([]));
    for (repository, image) in [RELAY_REPOSITORY, SIDE_REPOSITORY].into_iter().zip(&images) {
        let there = fake.manifest(&format!("copies/{repository}"), &image.manifest.digest);
        assert_eq!(there, Some(text(image)), "{repository}");
    }
}
