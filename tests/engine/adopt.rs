//! Adoptions: a release of Helm is taken over, or given back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::bundles::{archive_of, verified};
use crate::scene::{DEV, KILLED, REDIS, RELAY, Ran, Scene, TERMS, namespace};

const RECORD: &str = "sh.helm.release.v1.relay-dev.v1";
/// An object of the release that the bundle lacks.
const OLD: &str = "relay-dev-old-config";

/// The PVC that the chart's StatefulSet makes for its pod. Only a Redis with a PVC is adopted.
const CLAIM: &str = "data-relay-dev-redis-0";
const SETTINGS: [&str; 2] = [
    "redis.persistence.enabled=true",
    "redis.persistence.existingClaim=\"data-relay-dev-redis-0\"",
];

/// Returns the objects of a release whose chart renders the same as the bundle, except for the PVC
/// of Redis.
fn objects() -> Vec<Value> {
    let bundle = verified(&archive_of("dev", &SETTINGS, 1));
    let objects = bundle.manifests.iter().map(|manifest| manifest.object.clone());
    let mut objects: Vec<Value> = objects.filter(|object| object["kind"] != "Namespace").collect();
    objects.push(json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": OLD, "namespace": DEV, "labels": {"app.kubernetes.io/instance": DEV}}, "data": {"a": "b"}}));
    for object in &mut objects {
        if object["kind"] == "StatefulSet" {
            claim_by_template(&mut object["spec"]);
        }
        let metadata = &mut object["metadata"];
        metadata["labels"]["app.kubernetes.io/managed-by"] = "Helm".into();
        metadata["annotations"]["meta.helm.sh/release-name"] = DEV.into();
        metadata["annotations"]["meta.helm.sh/release-namespace"] = DEV.into();
    }
    objects
}

/// Replaces the volume with data by a template of a PVC.
fn claim_by_template(spec: &mut Value) {
    let volumes = spec["template"]["spec"]["volumes"].as_array_mut().unwrap();
    volumes.retain(|volume| volume["name"] != "data");
    spec["volumeClaimTemplates"] = json!([{"metadata": {"name": "data"}, "spec": claim_spec()}]);
}

fn claim_spec() -> Value {
    json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}})
}

/// Returns the PVC as the controller of the StatefulSet makes it.
fn claim() -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": CLAIM, "namespace": DEV}, "spec": claim_spec()})
}

/// Returns Helm's record of the release.
fn record(objects: &[Value], status: &str) -> Value {
    let documents: Vec<String> = objects.iter().map(Value::to_string).collect();
    let manifest = documents.join("\n---\n");
    let release = json!({"name": DEV, "version": 1, "namespace": DEV, "info": {"status": status}, "manifest": manifest});
    // Helm encodes its record once, and Kubernetes the value of a Secret again.
    let encoded = STANDARD.encode(STANDARD.encode(release.to_string()));
    json!({"apiVersion": "v1", "kind": "Secret", "type": "helm.sh/release.v1",
        "metadata": {"name": RECORD, "namespace": DEV,
            "labels": {"owner": "helm", "name": DEV, "status": status, "version": "1"}},
        "data": {"release": encoded}})
}

fn with_status(status: &'static str) -> Scene {
    Scene::after(format!("release {status}"), || {
        let scene = Scene::new();
        scene.fake.put("platform", &namespace());
        let objects = objects();
        for object in &objects {
            scene.fake.create("helm", object);
        }
        scene.fake.create("kube-controller-manager", &claim());
        scene.fake.create("helm", &record(&objects, status));
        scene.build(&SETTINGS);
        scene
    })
}

fn released() -> Scene {
    with_status("deployed")
}

/// Redis is recreated, because a StatefulSet keeps its templates of PVCs.
const CONSENT: [&str; 2] = ["--yes", "--recreate-redis"];

fn adopt(scene: &Scene, arguments: &[&str]) -> Ran {
    let own = ["adopt", "--from-helm", DEV, "dev-1.tar", "--json"];
    scene.run(&[&own[..], &TERMS[..], arguments].concat())
}

/// Starts an adoption that is killed after this number of writes.
fn interrupted(last: usize) -> Scene {
    let scene = released();
    scene.kill_after_write(last);
    assert_eq!(adopt(&scene, &CONSENT).code, KILLED);
    scene.fake.recover();
    scene
}

/// Returns the manager in the labels of the relay's Deployment.
fn manager(scene: &Scene) -> Value {
    scene.relay()["metadata"]["labels"]["app.kubernetes.io/managed-by"].clone()
}

fn uid(object: &Value) -> Value {
    object["metadata"]["uid"].clone()
}

#[test]
fn adoption_takes_over_objects_without_replacing_them() {
    let scene = released();
    let before = uid(&scene.relay());
    let ran = adopt(&scene, &CONSENT);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!((manager(&scene), uid(&scene.relay())), (json!("relay-bundle"), before));
    assert_eq!(scene.states(), ["deployed"]);
}

#[test]
fn adoption_starts_redis_on_pvc_of_release() {
    let scene = released();
    let before = uid(&scene.object("PersistentVolumeClaim", CLAIM));
    assert_eq!(adopt(&scene, &CONSENT).code, 0);
    let redis = scene.object("StatefulSet", REDIS);
    let volumes = redis["spec"]["template"]["spec"]["volumes"].to_string();
    assert!(volumes.contains(CLAIM) && redis["spec"].get("volumeClaimTemplates").is_none());
    assert_eq!(uid(&scene.object("PersistentVolumeClaim", CLAIM)), before);
}

#[test]
fn adoption_without_consent_to_recreate_redis_is_refused() {
    let scene = released();
    let before = scene.fake.versions();
    adopt(&scene, &["--yes"]).says(2, &["StatefulSet/relay-dev-redis", "--recreate-redis"]);
    assert_eq!(scene.fake.versions(), before);
}

#[test]
fn adoption_by_bundle_without_pvc_is_refused() {
    let scene = released();
    let bundle = scene.build(&[]);
    let before = scene.fake.versions();
    let ran = scene.run(
        &[&["adopt", "--from-helm", DEV, bundle.file_name().unwrap(), "--yes"], &TERMS[..]]
            .concat(),
    );
    ran.says(4, &["PersistentVolumeClaim/data-relay-dev-redis-0", "existingClaim"]);
    assert_eq!(scene.fake.versions(), before);
}

#[test]
fn adoption_prunes_objects_absent_from_bundle() {
    let scene = released();
    assert_eq!(adopt(&scene, &CONSENT).code, 0);
    assert_eq!(scene.fake.get("ConfigMap", DEV, OLD), None);
}

#[test]
fn adoption_archives_records_of_helm() {
    let scene = released();
    let content = scene.object("Secret", RECORD)["data"]["release"].clone();
    let report = adopt(&scene, &CONSENT).report();
    assert!(scene.fake.get("Secret", DEV, RECORD).is_none());
    let archive = report["helm"]["archived"][0].as_str().unwrap();
    assert!(
        scene.object("Secret", archive)["data"].to_string().contains(content.as_str().unwrap())
    );
}

#[test]
fn adoption_leaves_no_trace_of_helm() {
    let scene = released();
    assert_eq!(adopt(&scene, &CONSENT).code, 0);
    let relay = scene.relay();
    let annotations = relay["metadata"].get("annotations").cloned().unwrap_or_default();
    assert!(!annotations.to_string().contains("meta.helm.sh"), "{annotations}");
    assert!(!relay["metadata"]["managedFields"].to_string().contains("\"helm\""));
}

#[test]
fn adoption_dry_run_stores_nothing() {
    let scene = released();
    let before = scene.fake.versions();
    let report = adopt(&scene, &["--dry-run"]).report();
    let objects = report["helm"]["objects"].as_array().unwrap().iter();
    let fates: Vec<String> = objects
        .filter(|of| of["name"] == OLD || of["name"] == RELAY && of["kind"] == "Deployment")
        .map(|of| format!("{} {}", of["fate"].as_str().unwrap(), of["kind"].as_str().unwrap()))
        .collect();
    assert_eq!(fates, ["adopt Deployment", "prune ConfigMap"]);
    assert_eq!(scene.fake.versions(), before);
}

#[test]
fn adoption_of_unknown_release_is_refused() {
    let scene = released();
    scene.fake.remove(&scene.object("Secret", RECORD));
    let before = scene.fake.versions();
    assert_ne!(adopt(&scene, &CONSENT).code, 0);
    assert_eq!(scene.fake.versions(), before);
}

#[test]
fn adoption_of_failed_release_is_refused() {
    let scene = with_status("failed");
    let before = scene.fake.versions();
    assert_ne!(adopt(&scene, &CONSENT).code, 0);
    assert_eq!(scene.fake.versions(), before);
}

#[test]
fn adoption_of_forged_record_is_refused() {
    let scene = released();
    let record = scene.object("Secret", RECORD);
    scene
        .fake
        .edit("somebody", &record, |record| record["metadata"]["labels"]["version"] = "2".into());
    assert_ne!(adopt(&scene, &CONSENT).code, 0);
    assert_eq!(manager(&scene), "Helm");
}

#[test]
fn interrupted_adoption_is_completed_by_next_run() {
    for last in [1, 4, 9, 16] {
        let scene = interrupted(last);
        let ran = adopt(&scene, &[&CONSENT[..], &["--break-lock"]].concat());
        assert_eq!(ran.code, 0, "write {last}: {}", ran.stderr);
        assert_eq!(
            (scene.states(), scene.fake.get("Secret", DEV, RECORD).is_none()),
            (vec!["deployed".to_owned()], true)
        );
    }
}

#[test]
fn apply_during_interrupted_adoption_is_refused() {
    let scene = interrupted(6);
    let before = scene.fake.versions();
    let bundle = scene.path().join("dev-1.tar");
    scene.apply_yes(&bundle, &["--break-lock"]).says(4, &["adopt --from-helm relay-dev"]);
    assert_eq!(scene.fake.versions(), before);
}

#[test]
fn removal_during_interrupted_adoption_suggests_abandon() {
    let scene = interrupted(6);
    scene.call(&["remove", "--yes", "--break-lock"]).says(4, &["remove --abandon"]);
}

#[test]
fn abandoned_adoption_returns_release_to_helm() {
    let scene = interrupted(12);
    let ran = scene.call(&["remove", "--abandon", "--yes", "--break-lock"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(manager(&scene), "Helm");
    assert!(scene.fake.get("ConfigMap", DEV, OLD).is_some());
    assert!(scene.fake.get("Secret", DEV, RECORD).is_some());
    assert_eq!(scene.head().get("adopting"), None);
}

#[test]
fn abandoned_release_can_be_adopted_again() {
    let scene = interrupted(12);
    assert_eq!(scene.call(&["remove", "--abandon", "--yes", "--break-lock"]).code, 0);
    let ran = adopt(&scene, &CONSENT);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}
