//! A damaged record is an error, never an empty one.

use relay_bundle::install::record::Journal;

use crate::scene::{DEV, Scene, journal};

/// Replaces a text in the data of a ConfigMap of the record, and returns why it cannot be opened.
#[track_caller]
fn damaged(name: &str, key: &str, (from, to): (&str, &str)) -> String {
    let scene = Scene::installed(&[]);
    let record = scene.object("ConfigMap", name);
    assert!(record["data"][key].as_str().unwrap().contains(from), "{record}");
    scene.fake.edit("somebody", &record, |record| {
        record["data"][key] = record["data"][key].as_str().unwrap().replace(from, to).into();
    });
    let cluster = scene.cluster();
    let opened = Journal::open(&cluster, &DEV.parse().unwrap(), DEV);
    let failed = opened.and_then(|journal| journal.recorded(|_| true).map(|_| ())).unwrap_err();
    assert!(failed.message().contains(name), "{failed:?}");
    failed.message()
}

#[test]
fn head_that_is_not_json_is_damaged() {
    damaged("relay-bundle.relay-dev", "head.json", ("{", "["));
}

#[test]
fn head_of_other_format_is_damaged() {
    let why = damaged("relay-bundle.relay-dev", "head.json", ("record/v1", "record/v9"));
    assert!(why.contains("relay-bundle/record/v9"), "{why}");
}

#[test]
fn head_that_adopts_other_release_is_damaged() {
    let change = ("\"generations\"", "\"adopting\":\"other\",\"generations\"");
    let why = damaged("relay-bundle.relay-dev", "head.json", change);
    assert!(why.contains("other"), "{why}");
}

#[test]
fn state_that_is_not_json_is_damaged() {
    damaged("relay-bundle.relay-dev", "state.json", ("{", "["));
}

#[test]
fn generation_with_other_number_is_damaged() {
    let change = ("\"generation\":1", "\"generation\":2");
    damaged("relay-bundle.relay-dev.1", "generation.json", change);
}

#[test]
fn generation_with_forged_inventory_is_damaged() {
    let change = ("relay-dev-redis-headless", "somebody-elses-service");
    damaged("relay-bundle.relay-dev.1", "generation.json", change);
}

#[test]
fn deployed_generation_without_config_map_is_damaged() {
    let scene = Scene::installed(&[]);
    scene.fake.remove(&scene.object("ConfigMap", "relay-bundle.relay-dev.1"));
    let cluster = scene.cluster();
    let why = journal(&cluster).recorded(|_| true).err().unwrap().message();
    assert!(why.contains("relay-bundle.relay-dev.1"), "{why}");
}
