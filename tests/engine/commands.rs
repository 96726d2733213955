//! `restart`, `status` and `gc --live`.

use serde_json::{Value, json};

use crate::fake::Controllers;
use crate::scene::{DEV, REDIS, RELAY, Ran, Scene};

const INFO: &str = "config.logLevel=\"info\"";

fn restart(scene: &Scene, arguments: &[&str]) -> Ran {
    scene.call(&[&["restart", "--yes", "--json"], arguments].concat())
}

#[test]
fn restart_annotates_pods_as_its_own_manager() {
    let scene = Scene::installed(&[]);
    let at = restart(&scene, &["relay"]).report()["restartedAt"].clone();
    let relay = scene.relay();
    assert_eq!(
        relay["spec"]["template"]["metadata"]["annotations"]["relay-bundle/restarted-at"],
        at
    );
    assert!(relay["metadata"]["managedFields"].to_string().contains("relay-bundle-restart"));
}

#[test]
fn restart_survives_next_apply() {
    let scene = Scene::new();
    let bundle = scene.build(&[]);
    scene.applied(&bundle, &[]);
    assert_eq!(restart(&scene, &["redis"]).code, 0);
    assert_eq!(scene.applied(&bundle, &[])["done"]["written"], 0);
}

#[test]
fn restart_of_unknown_workload_lists_known_ones() {
    restart(&Scene::installed(&[]), &["web"]).says(2, &[RELAY, REDIS]);
}

#[test]
fn restart_of_replaced_workload_is_refused() {
    let scene = Scene::installed(&[]);
    let mut relay = scene.relay();
    scene.fake.remove(&relay);
    relay["metadata"] = json!({"name": RELAY, "namespace": DEV});
    scene.fake.put("platform", &relay);
    restart(&scene, &["relay"]).says(4, &["Deployment/relay-dev-claude-relay"]);
    assert_eq!(scene.head().get("lock"), None);
}

#[test]
fn restart_without_permission_takes_no_lock() {
    let scene = Scene::installed(&[]);
    scene.fake.deny("patch", "deployments");
    let before = scene.fake.versions();
    assert_eq!((restart(&scene, &["relay"]).code, scene.fake.versions()), (4, before));
}

#[test]
fn timed_out_restart_releases_lock() {
    let scene = Scene::installed(&[]);
    scene.fake.set_controllers(Controllers::Absent);
    assert_eq!(restart(&scene, &["relay", "--timeout", "0"]).code, 4);
    assert_eq!(scene.head().get("lock"), None);
}

fn status(scene: &Scene) -> (i32, Value) {
    let ran = scene.call(&["status", "--json"]);
    (ran.code, ran.report())
}

/// Returns the standing of an object in a report.
fn standing(report: &Value, kind: &str, name: &str) -> Value {
    let objects = report["objects"].as_array().unwrap().iter();
    let mut objects = objects.filter(|object| object["kind"] == kind && object["name"] == name);
    objects.next().unwrap()["standing"].clone()
}

#[test]
fn status_of_ready_installation_is_well() {
    let (code, report) = status(&Scene::installed(&[]));
    assert_eq!((code, &report["ok"]), (0, &json!(true)));
}

#[test]
fn status_names_missing_object() {
    let scene = Scene::installed(&[]);
    scene.fake.remove(&scene.object("Service", REDIS));
    let (code, report) = status(&scene);
    assert_eq!((code, standing(&report, "Service", REDIS)), (1, json!("missing")));
}

#[test]
fn status_names_replaced_object() {
    let scene = Scene::installed(&[]);
    let mut account = scene.object("ServiceAccount", REDIS);
    scene.fake.remove(&account);
    account["metadata"] =
        json!({"name": REDIS, "namespace": DEV, "labels": account["metadata"]["labels"]});
    scene.fake.put("platform", &account);
    let (code, report) = status(&scene);
    assert_eq!((code, standing(&report, "ServiceAccount", REDIS)), (1, json!("replaced")));
}

#[test]
fn status_names_field_that_others_changed() {
    let scene = Scene::installed(&[]);
    let relay = scene.relay();
    scene
        .fake
        .edit("kubectl-edit", &relay, |relay| relay["spec"]["revisionHistoryLimit"] = 3.into());
    let (code, report) = status(&scene);
    let changed = report["objects"].to_string();
    assert!(
        code == 1 && changed.contains("kubectl-edit") && changed.contains("revisionHistoryLimit"),
        "{changed}"
    );
}

#[test]
fn status_names_unready_workload() {
    let scene = Scene::installed(&[]);
    let relay = scene.relay();
    scene
        .fake
        .set_status(&relay, json!({"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1}));
    let (code, report) = status(&scene);
    assert_eq!((code, standing(&report, "Deployment", RELAY)), (1, json!("waiting")));
}

#[test]
fn status_names_pod_problem() {
    let scene = Scene::installed(&[]);
    scene.fake.put("kubelet", &json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": DEV,
        "labels": {"app.kubernetes.io/instance": DEV}}, "status": {"phase": "Failed", "reason": "Evicted"}}));
    assert_eq!(status(&scene).1["troubles"], json!(["a: Evicted"]));
}

#[test]
fn status_without_installation_fails() {
    assert_eq!(Scene::new().call(&["status"]).code, 2);
}

/// Adds a configuration that nothing references, and returns its name.
fn add_garbage(scene: &Scene) -> String {
    let path = "/spec/template/spec/containers/0/envFrom/0/configMapRef/name";
    let old = scene.relay().pointer(path).unwrap().as_str().unwrap().to_owned();
    let kept = scene.object("ConfigMap", &old);
    scene.applied(&scene.build(&[INFO]), &[]);
    assert_eq!(scene.fake.get("ConfigMap", DEV, &old), None);
    let mut again = kept;
    again["metadata"] =
        json!({"name": old, "namespace": DEV, "labels": again["metadata"]["labels"]});
    scene.fake.put("relay-bundle", &again);
    scene.fake.recover();
    old
}

fn collect(scene: &Scene, arguments: &[&str]) -> Ran {
    scene.call(&[&["gc", "--live", "--json"], arguments].concat())
}

#[test]
fn live_collection_removes_unreferenced_configuration() {
    let scene = Scene::installed(&[]);
    let garbage = add_garbage(&scene);
    let report = collect(&scene, &["--yes"]).report();
    assert_eq!(report["configMaps"][0]["name"], json!(garbage));
    assert_eq!(scene.fake.get("ConfigMap", DEV, &garbage), None);
}

#[test]
fn live_gc_keeps_objects_referenced_by_pod() {
    let scene = Scene::installed(&[]);
    let garbage = add_garbage(&scene);
    let volume = json!({"name": "a", "configMap": {"name": garbage}});
    scene.fake.put(
        "kubelet",
        &json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": DEV},
        "spec": {"volumes": [volume], "containers": []}}),
    );
    assert_eq!(collect(&scene, &["--yes"]).report()["configMaps"], json!([]));
}

#[test]
fn live_collection_dry_run_removes_nothing() {
    let scene = Scene::installed(&[]);
    let garbage = add_garbage(&scene);
    assert_eq!(collect(&scene, &["--dry-run"]).report()["removed"], false);
    assert!(scene.fake.get("ConfigMap", DEV, &garbage).is_some());
    assert!(scene.fake.writes().is_empty());
}

#[test]
fn live_collection_without_garbage_takes_no_lock() {
    let scene = Scene::installed(&[]);
    assert_eq!(collect(&scene, &["--yes"]).code, 0);
    assert!(scene.fake.writes().is_empty());
}
