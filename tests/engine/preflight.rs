//! Checks before a change: the server's version, permissions, and what the bundle refers to.

use std::collections::BTreeSet;

use relay_bundle::install::preflight::{check_contract, check_version, lacking_permissions};
use relay_bundle::rollout::permissions::Permission;
use serde_json::{Value, json};

use crate::bundles::{archive_of, verified};
use crate::fake::CLUSTER_UID;
use crate::scene::{DEV, Scene, namespace};

const INFO: &str = "config.logLevel=\"info\"";

/// Returns whether a bundle of the profile `dev`, which needs 1.29, accepts a server.
fn accepts(version: &str) -> bool {
    let scene = Scene::new();
    scene.fake.set_version(version);
    let identity = scene.cluster().identity().unwrap();
    check_version(&identity, &verified(&archive_of("dev", &[], 1))).is_ok()
}

#[test]
fn older_server_is_refused() {
    assert!(!accepts("v1.28.9"));
}

#[test]
fn oldest_supported_server_is_accepted() {
    assert!(accepts("v1.29.0"));
}

#[test]
fn vendor_version_is_parsed() {
    assert!(accepts("v1.30+") && accepts("v1.31.2-eks-1234") && !accepts("v1.28+"));
}

#[test]
fn unknown_version_counts_as_new() {
    assert!(accepts("v2"));
}

fn permissions() -> BTreeSet<Permission> {
    [
        Permission::to_all("create", "Secret", DEV),
        Permission::to_one("patch", "Deployment", DEV, "a"),
    ]
    .into()
}

#[test]
fn administrator_has_all_permissions() {
    assert_eq!(lacking_permissions(&Scene::new().cluster(), &permissions()).unwrap(), [""; 0]);
}

#[test]
fn lacking_rights_are_named() {
    let scene = Scene::new();
    scene.fake.deny("create", "secrets");
    assert_eq!(
        lacking_permissions(&scene.cluster(), &permissions()).unwrap(),
        ["create Secret in relay-dev"]
    );
}

#[test]
fn apply_without_right_to_record_changes_nothing() {
    let scene = Scene::installed(&[]);
    scene.fake.deny("update", "configmaps");
    let before = scene.fake.versions();
    scene.apply_yes(&scene.build(&[INFO]), &[]).says(4, &["update ConfigMap in relay-dev"]);
    assert_eq!(scene.fake.versions(), before);
}

#[test]
fn apply_without_right_to_prune_changes_nothing() {
    let scene = Scene::installed(&[
        "podDisruptionBudget.enabled=true",
        "podDisruptionBudget.maxUnavailable=1",
        "replicaCount=2",
    ]);
    scene.fake.deny("delete", "poddisruptionbudgets");
    let before = scene.fake.versions();
    scene
        .apply_yes(&scene.build(&["replicaCount=2"]), &[])
        .says(4, &["delete PodDisruptionBudget/"]);
    assert_eq!(scene.fake.versions(), before);
}

#[test]
fn dry_run_without_permission_to_record_yields_warning() {
    let scene = Scene::installed(&[]);
    scene.fake.deny("update", "configmaps");
    let report = scene.planned(&scene.build(&[INFO]), &[]);
    assert!(report["warnings"].to_string().contains("update ConfigMap in relay-dev"), "{report}");
    assert_eq!(report["obstacles"], json!([]));
}

#[test]
fn forbidden_apply_names_missing_permission() {
    let scene = Scene::installed(&[]);
    scene.fake.deny("patch", "services");
    scene
        .apply_yes(&scene.build(&[INFO]), &[])
        .says(4, &["patch Service/relay-dev-redis in relay-dev"]);
}

#[test]
fn object_without_read_permission_is_obstacle() {
    let scene = Scene::installed(&[]);
    scene.fake.deny("get", "services");
    scene.apply_yes(&scene.build(&[INFO]), &[]).says(4, &["Service/relay-dev-redis"]);
}

#[test]
fn several_obstacles_are_named_at_once() {
    let scene = Scene::installed(&[]);
    let bundle = scene
        .build(&["priorityClassName=\"none-such\"", "imagePullSecrets=[{ name = \"no-pull\" }]"]);
    scene.apply_yes(&bundle, &[]).says(4, &["none-such", "no-pull"]);
}

/// Returns what a bundle refers to and the cluster lacks.
fn missing(scene: &Scene, settings: &[&str]) -> (Vec<String>, Vec<String>) {
    scene.fake.put("platform", &namespace());
    let missing =
        check_contract(&scene.cluster(), &verified(&archive_of("dev", settings, 1))).unwrap();
    (missing.wanted, missing.unseen)
}

const CLASS: [&str; 1] = ["priorityClassName=\"urgent\""];

#[test]
fn missing_object_is_named_with_its_user() {
    let (wanted, _) = missing(&Scene::new(), &CLASS);
    assert!(wanted.len() == 1 && wanted[0].starts_with("PriorityClass urgent"), "{wanted:?}");
    assert!(wanted[0].contains("relay-dev-claude-relay"), "{wanted:?}");
}

#[test]
fn existing_object_is_not_missing() {
    let scene = Scene::new();
    scene.fake.put(
        "platform",
        &json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
        "metadata": {"name": "urgent"}, "value": 1}),
    );
    assert_eq!(missing(&scene, &CLASS), (vec![], vec![]));
}

#[test]
fn object_that_must_not_be_read_is_not_checked() {
    let scene = Scene::new();
    scene.fake.deny("get", "priorityclasses");
    let (wanted, unseen) = missing(&scene, &CLASS);
    assert_eq!(wanted, [""; 0]);
    assert!(unseen.len() == 1 && unseen[0].starts_with("PriorityClass urgent"), "{unseen:?}");
}

/// Returns what a bundle that refers to a Secret with a password lacks.
fn missing_password(data: &Value) -> Vec<String> {
    let scene = Scene::new();
    let name = "claude-relay";
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    scene.fake.put("platform", &namespace);
    scene.fake.put(
        "platform",
        &json!({"apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "loki-credentials", "namespace": name}, "data": data}),
    );
    let bundle = verified(&archive_of("loki-logging", &[], 1));
    check_contract(&scene.cluster(), &bundle).unwrap().wanted
}

#[test]
fn missing_secret_key_is_named() {
    let wanted = missing_password(&json!({"other": "eA=="}));
    assert!(wanted.len() == 1 && wanted[0].contains("`password`"), "{wanted:?}");
}

#[test]
fn existing_secret_key_is_not_missing() {
    assert_eq!(missing_password(&json!({"password": "eA=="})), [""; 0]);
}

#[test]
fn cluster_not_named_by_policy_is_refused() {
    let scene = Scene::new();
    let other = "11111111-1111-4111-8111-111111111111";
    let policy = scene.path().join("trust.toml");
    let text = fs_err::read_to_string(&policy).unwrap();
    fs_err::write(&policy, text.replace(CLUSTER_UID, other)).unwrap();
    let ran = scene.apply_yes(&scene.build(&[]), &[]);
    ran.says(3, &[other, CLUSTER_UID]);
    assert!(scene.fake.writes().is_empty());
}
