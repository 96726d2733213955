//! Ownership: what the program takes over, prunes and leaves alone.

use serde_json::{Value, json};

use crate::scene::{DEV, RELAY, Scene, namespace};

const INFO: &str = "config.logLevel=\"info\"";
const BUDGET: [&str; 3] =
    ["podDisruptionBudget.enabled=true", "podDisruptionBudget.maxUnavailable=1", "replicaCount=2"];

fn service(labels: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": RELAY, "namespace": DEV, "labels": labels},
        "spec": {"ports": [{"name": "own", "port": 81}]}})
}

/// Returns a scene in which another owner has a Service of the relay's name.
fn with_foreign_service(manager: &str, labels: &Value) -> Scene {
    let scene = Scene::new();
    scene.fake.put("platform", &namespace());
    scene.fake.put(manager, &service(labels));
    scene
}

#[track_caller]
fn refused_for(scene: &Scene, whose: &str) {
    let before = scene.fake.versions();
    scene.apply_yes(&scene.build(&[]), &[]).says(4, &["Service/relay-dev-claude-relay", whose]);
    assert_eq!(scene.fake.versions(), before);
}

#[test]
fn object_of_other_manager_is_refused() {
    refused_for(&with_foreign_service("platform", &json!({})), "platform");
}

#[test]
fn object_of_other_installation_is_refused() {
    let labels = json!({"app.kubernetes.io/instance": "other"});
    refused_for(&with_foreign_service("relay-bundle", &labels), "other");
}

#[test]
fn object_without_manager_is_refused() {
    let scene = with_foreign_service("platform", &json!({}));
    let object = scene.object("Service", RELAY);
    scene.fake.edit("x", &object, |object| object["metadata"]["managedFields"] = json!([]));
    scene.apply_yes(&scene.build(&[]), &[]).says(4, &["Service/relay-dev-claude-relay"]);
}

#[test]
fn foreign_object_is_taken_over_with_consent() {
    let scene = with_foreign_service("platform", &json!({}));
    let report = scene.applied(&scene.build(&[]), &["--adopt"]);
    assert!(report["warnings"].to_string().contains("platform"), "{report}");
    let label = &scene.object("Service", RELAY)["metadata"]["labels"]["app.kubernetes.io/instance"];
    assert_eq!(label, DEV);
}

#[test]
fn object_created_by_interrupted_run_is_ours() {
    let labels = json!({"app.kubernetes.io/instance": DEV});
    let scene = with_foreign_service("relay-bundle", &labels);
    scene.applied(&scene.build(&[]), &[]);
}

#[test]
fn recorded_object_is_ours_whoever_edits_it() {
    let scene = Scene::installed(&[]);
    let object = scene.object("Service", RELAY);
    scene
        .fake
        .edit("kubectl-edit", &object, |object| object["metadata"]["labels"] = json!({"a": "b"}));
    let report = scene.planned(&scene.build(&[]), &[]);
    let steps = report["steps"].as_array().unwrap();
    assert!(steps.iter().all(|step| step["action"] != "refused"), "{report}");
}

#[test]
fn foreign_object_in_place_of_recorded_one_is_refused() {
    let scene = Scene::installed(&[]);
    scene.fake.remove(&scene.object("Service", RELAY));
    scene.fake.put("platform", &service(&json!({})));
    scene
        .apply_yes(&scene.build(&[]), &[])
        .says(4, &["Service/relay-dev-claude-relay", "platform"]);
}

#[test]
fn existing_namespace_is_used() {
    let scene = Scene::new();
    scene.fake.put("platform", &namespace());
    scene.applied(&scene.build(&[]), &[]);
}

#[test]
fn namespace_that_is_being_deleted_is_refused() {
    let scene = Scene::installed(&[]);
    let namespace = scene.fake.get("Namespace", "", DEV).unwrap();
    scene.fake.edit("x", &namespace, |of| {
        of["metadata"]["deletionTimestamp"] = "2026-11-22T10:00:00Z".into();
    });
    let before = scene.fake.versions();
    scene.apply_yes(&scene.build(&[INFO]), &[]).says(4, &["Namespace/relay-dev"]);
    assert_eq!(scene.fake.versions(), before);
}

/// Returns the kinds that applying a bundle prunes.
#[track_caller]
fn pruned(scene: &Scene, settings: &[&str]) -> Vec<String> {
    let report = scene.applied(&scene.build(settings), &[]);
    let gone = report["done"]["pruned"].as_array().unwrap().iter();
    gone.map(|gone| gone["kind"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn object_removed_from_bundle_is_pruned() {
    let scene = Scene::installed(&BUDGET);
    assert_eq!(pruned(&scene, &["replicaCount=2"]), ["PodDisruptionBudget"]);
    assert_eq!(scene.fake.all("PodDisruptionBudget"), Vec::<Value>::new());
}

#[test]
fn workload_is_pruned_before_what_it_uses() {
    let scene = Scene::installed(&[]);
    let settings = ["redis.enabled=false", "externalRedis.host=\"redis.example.internal\""];
    let kinds = pruned(&scene, &settings);
    assert_eq!(kinds.first().map(String::as_str), Some("StatefulSet"), "{kinds:?}");
    assert!(
        kinds.contains(&"Service".to_owned()) && kinds.contains(&"ConfigMap".to_owned()),
        "{kinds:?}"
    );
}

#[test]
fn object_with_other_labels_is_not_pruned() {
    let scene = Scene::installed(&BUDGET);
    let budget = scene.fake.all("PodDisruptionBudget").remove(0);
    scene.fake.edit("kubectl-edit", &budget, |budget| {
        budget["metadata"]["labels"]["app.kubernetes.io/instance"] = "other".into();
    });
    assert_eq!(pruned(&scene, &["replicaCount=2"]), [""; 0]);
}

#[test]
fn object_with_other_uid_is_not_pruned() {
    let scene = Scene::installed(&BUDGET);
    let mut budget = scene.fake.all("PodDisruptionBudget").remove(0);
    scene.fake.remove(&budget);
    budget["metadata"].as_object_mut().unwrap().remove("uid");
    budget["metadata"].as_object_mut().unwrap().remove("managedFields");
    scene.fake.put("platform", &budget);
    assert_eq!(pruned(&scene, &["replicaCount=2"]), [""; 0]);
}

#[test]
fn volume_claim_is_not_pruned() {
    let scene = Scene::installed(&["redis.persistence.enabled=true"]);
    let claims = scene.fake.all("PersistentVolumeClaim").len();
    assert!(!pruned(&scene, &[]).contains(&"PersistentVolumeClaim".to_owned()));
    assert_eq!((claims, scene.fake.all("PersistentVolumeClaim").len()), (1, 1));
}

#[test]
fn volume_claim_does_not_shrink() {
    let sized = |size: &str| format!("redis.persistence.size={size:?}");
    let scene = Scene::installed(&["redis.persistence.enabled=true", &sized("2Gi")]);
    let bundle = scene.build(&["redis.persistence.enabled=true", &sized("1Gi")]);
    scene.apply_yes(&bundle, &[]).says(4, &["PersistentVolumeClaim/", "2Gi", "1Gi"]);
}

#[test]
fn volume_claim_that_was_enlarged_by_hand_stays() {
    let scene = Scene::installed(&["redis.persistence.enabled=true"]);
    let claim = scene.fake.all("PersistentVolumeClaim").remove(0);
    scene.fake.edit("kubectl-patch", &claim, |claim| {
        claim["spec"]["resources"]["requests"]["storage"] = "99Gi".into();
    });
    let report = scene.applied(&scene.build(&["redis.persistence.enabled=true", INFO]), &[]);
    assert!(report["warnings"].to_string().contains("99Gi"), "{report}");
    let claim = scene.fake.all("PersistentVolumeClaim").remove(0);
    assert_eq!(claim["spec"]["resources"]["requests"]["storage"], "99Gi");
}

/// Adds an old ReplicaSet of the relay, as `kubectl rollout undo` would need it.
fn add_old_replica_set(scene: &Scene) -> Value {
    let relay = scene.relay();
    scene.fake.put("kube-controller-manager", &json!({"apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {"name": "old", "namespace": DEV, "labels": {"app.kubernetes.io/instance": DEV},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": RELAY, "uid": relay["metadata"]["uid"]}]},
        "spec": {"replicas": 0, "selector": {}, "template": relay["spec"]["template"]}}))
}

#[test]
fn configuration_referenced_by_old_revision_is_kept() {
    let scene = Scene::installed(&[]);
    add_old_replica_set(&scene);
    let report = scene.applied(&scene.build(&[INFO]), &[]);
    assert_eq!(report["done"]["pruned"], json!([]));
    assert_eq!(report["pruneLater"].as_array().unwrap().len(), 1);
}

#[test]
fn kept_configuration_goes_once_no_revision_names_it() {
    let scene = Scene::installed(&[]);
    let set = add_old_replica_set(&scene);
    scene.applied(&scene.build(&[INFO]), &[]);
    scene.fake.remove(&set);
    let later = ["config.logLevel=\"warn\""];
    let gone = pruned(&scene, &later);
    assert_eq!(gone, ["ConfigMap", "ConfigMap"]);
}
