//! Removals: data, Secrets and the record stay.

use serde_json::{Value, json};

use crate::scene::{DEV, REDIS, Ran, Scene};

fn remove(scene: &Scene, arguments: &[&str]) -> Ran {
    scene.call(&[&["remove", "--yes", "--json"], arguments].concat())
}

#[test]
fn removal_deletes_all_but_data_and_record() {
    let scene = Scene::installed(&["redis.persistence.enabled=true"]);
    assert_eq!(remove(&scene, &[]).code, 0);
    for kind in ["Deployment", "StatefulSet", "Service", "ServiceAccount"] {
        assert_eq!(scene.fake.all(kind), Vec::<Value>::new(), "{kind}");
    }
    assert_eq!(scene.fake.all("PersistentVolumeClaim").len(), 1);
    assert_eq!(scene.states(), ["removed"]);
}

#[test]
fn removal_deletes_workloads_first() {
    let scene = Scene::installed(&[]);
    assert_eq!(remove(&scene, &[]).code, 0);
    let deleted: Vec<String> =
        scene.fake.writes().into_iter().filter(|write| write.starts_with("DELETE")).collect();
    assert!(deleted[..2].iter().all(|write| write.contains("/apis/apps/")), "{deleted:#?}");
}

#[test]
fn removal_again_writes_nothing() {
    let scene = Scene::installed(&[]);
    assert_eq!(remove(&scene, &[]).code, 0);
    let before = scene.fake.versions();
    assert_eq!((remove(&scene, &[]).code, scene.fake.versions()), (0, before));
}

#[test]
fn removal_leaves_object_that_replaced_ours() {
    let scene = Scene::installed(&[]);
    scene.fake.remove(&scene.object("Service", REDIS));
    scene.fake.put(
        "platform",
        &json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": REDIS, "namespace": DEV}, "spec": {"ports": []}}),
    );
    assert_eq!(remove(&scene, &[]).code, 0);
    assert_eq!(scene.fake.all("Service").len(), 1);
}

#[test]
fn removal_waits_for_objects_to_go() {
    let scene = Scene::installed(&[]);
    let relay = scene.relay();
    scene.fake.edit("platform", &relay, |relay| relay["metadata"]["finalizers"] = json!(["x/y"]));
    remove(&scene, &["--timeout", "0"]).says(4, &["Deployment/relay-dev-claude-relay"]);
    assert_eq!(scene.states(), ["removing"]);
    // The objects that pods use stay until the pods are gone.
    assert!(!scene.fake.all("ServiceAccount").is_empty());
}

#[test]
fn removal_without_permission_changes_nothing() {
    let scene = Scene::installed(&[]);
    scene.fake.deny("delete", "services");
    let before = scene.fake.versions();
    remove(&scene, &[]).says(4, &["delete Service/relay-dev-redis in relay-dev"]);
    assert_eq!(scene.fake.versions(), before);
}

#[test]
fn removed_installation_can_be_applied_again() {
    let scene = Scene::new();
    let bundle = scene.build(&[]);
    scene.applied(&bundle, &[]);
    assert_eq!(remove(&scene, &[]).code, 0);
    assert_eq!(scene.applied(&bundle, &[])["done"]["generation"], 2);
}

#[test]
fn abandonment_without_adoption_is_refused() {
    assert_eq!(remove(&Scene::installed(&[]), &["--abandon"]).code, 2);
}
