//! Plans: what `apply --dry-run` decides from the live objects and the answers of the server.

use serde_json::{Value, json};

use crate::scene::{DEV, REDIS, RELAY, Scene};

/// Returns the kinds of objects with an action, in the order of the plan.
fn kinds<'a>(report: &'a Value, action: &str) -> Vec<&'a str> {
    let steps = report["steps"].as_array().unwrap().iter();
    steps
        .filter(|step| step["action"] == action)
        .map(|step| step["kind"].as_str().unwrap())
        .collect()
}

#[track_caller]
pub(crate) fn step<'a>(report: &'a Value, kind: &str) -> &'a Value {
    report["steps"].as_array().unwrap().iter().find(|step| step["kind"] == kind).unwrap()
}

fn pruned(report: &Value, list: &str) -> Vec<String> {
    let gone = report[list].as_array().unwrap().iter();
    gone.map(|gone| {
        format!("{}/{}", gone["kind"].as_str().unwrap(), gone["name"].as_str().unwrap())
    })
    .collect()
}

pub(crate) fn texts(report: &Value, list: &str) -> String {
    report[list].to_string()
}

const INFO: &str = "config.logLevel=\"info\"";

#[test]
fn first_plan_creates_all_in_order_of_references() {
    let scene = Scene::new();
    let report = scene.planned(&scene.build(&[]), &[]);
    let created = kinds(&report, "create");
    assert_eq!((created.first(), created.last()), (Some(&"Namespace"), Some(&"Deployment")));
    assert_eq!(created.len(), report["steps"].as_array().unwrap().len());
}

#[test]
fn plan_of_deployed_bundle_keeps_all() {
    let scene = Scene::new();
    let bundle = scene.build(&[]);
    scene.applied(&bundle, &[]);
    let report = scene.planned(&bundle, &[]);
    assert_eq!(kinds(&report, "keep").len(), report["steps"].as_array().unwrap().len());
}

#[test]
fn plan_of_new_configuration_replaces_config_map() {
    let scene = Scene::installed(&[]);
    let report = scene.planned(&scene.build(&[INFO]), &[]);
    assert_eq!(kinds(&report, "create"), ["ConfigMap"]);
    assert_eq!(kinds(&report, "update"), ["Deployment"]);
    let gone = pruned(&report, "prune");
    assert!(
        gone.len() == 1 && gone[0].starts_with("ConfigMap/relay-dev-claude-relay-config-"),
        "{gone:?}"
    );
}

#[test]
fn dry_run_stores_nothing() {
    let scene = Scene::installed(&[]);
    let before = scene.fake.versions();
    scene.planned(&scene.build(&[INFO]), &[]);
    assert_eq!(scene.fake.versions(), before);
    assert!(scene.fake.writes().is_empty());
}

#[test]
fn deleted_object_is_created_again() {
    let scene = Scene::installed(&[]);
    scene.fake.remove(&scene.object("Service", REDIS));
    let report = scene.planned(&scene.build(&[]), &[]);
    assert_eq!(kinds(&report, "create"), ["Service"]);
}

/// Applies fields of the relay's Deployment by force as another manager.
fn take_over(scene: &Scene, spec: &Value) {
    let fields = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": RELAY, "namespace": DEV}, "spec": spec});
    scene.fake.put("somebody", &fields);
}

#[test]
fn conflict_shows_manager_and_both_values() {
    let scene = Scene::installed(&[]);
    take_over(&scene, &json!({"replicas": 2}));
    let report = scene.planned(&scene.build(&[INFO]), &[]);
    let conflict =
        json!([{"field": ".spec.replicas", "manager": "somebody", "ours": 1, "theirs": 2}]);
    assert_eq!(step(&report, "Deployment")["conflicts"], conflict);
}

#[test]
fn conflict_blocks_apply_without_any_write() {
    let scene = Scene::installed(&[]);
    take_over(&scene, &json!({"replicas": 2}));
    let before = scene.fake.versions();
    scene
        .apply_yes(&scene.build(&[INFO]), &[])
        .says(4, &["Deployment/relay-dev-claude-relay:.spec.replicas"]);
    assert_eq!(scene.fake.versions(), before);
}

#[test]
fn conflict_about_secret_hides_values() {
    let scene = Scene::installed(&[]);
    let secret = scene.object("Secret", "relay-dev-claude-relay-literal");
    scene
        .fake
        .edit("kubectl-edit", &secret, |secret| secret["data"]["jwt-secret"] = "dGhlaXJz".into());
    let planned = scene.apply(&scene.build(&[]), &["--dry-run", "--json"]);
    let report = planned.report();
    assert_eq!(step(&report, "Secret")["conflicts"][0]["field"], ".data.jwt-secret");
    let said = planned.stdout + &planned.stderr;
    assert!(!said.contains("dGhlaXJz") && !said.contains("ZGV2ZWxvcG1lbnQtb25seQ"), "{said}");
}

#[test]
fn permitted_conflict_is_forced() {
    let scene = Scene::installed(&[]);
    take_over(&scene, &json!({"replicas": 2}));
    let report = scene.applied(&scene.build(&[INFO]), &["--force-conflicts", ".spec.replicas"]);
    assert_eq!(step(&report, "Deployment")["forced"][0]["field"], ".spec.replicas");
    assert_eq!(scene.relay()["spec"]["replicas"], 1);
}

#[test]
fn permit_for_one_of_two_conflicts_forces_none() {
    let scene = Scene::installed(&[]);
    take_over(&scene, &json!({"replicas": 2, "revisionHistoryLimit": 3}));
    let ran = scene.apply_yes(&scene.build(&[INFO]), &["--force-conflicts", ".spec.replicas"]);
    ran.says(4, &[".spec.revisionHistoryLimit"]);
    assert_eq!(scene.relay()["spec"]["replicas"], 2);
}

#[test]
fn permit_for_other_object_forces_nothing() {
    let scene = Scene::installed(&[]);
    take_over(&scene, &json!({"replicas": 2}));
    let permit = ["--force-conflicts", "Deployment/other:.spec.replicas"];
    scene.apply_yes(&scene.build(&[INFO]), &permit).says(4, &[".spec.replicas"]);
}

#[test]
fn force_conflicts_without_conflict_yields_warning() {
    let scene = Scene::installed(&[]);
    let report = scene.planned(&scene.build(&[INFO]), &["--force-conflicts", ".spec.replicas"]);
    assert!(texts(&report, "warnings").contains("--force-conflicts .spec.replicas"), "{report}");
}

#[test]
fn field_added_by_other_manager_yields_warning() {
    let scene = Scene::installed(&[]);
    let relay = scene.relay();
    scene.fake.edit("kubectl-patch", &relay, |relay| relay["spec"]["minReadySeconds"] = 5.into());
    let report = scene.planned(&scene.build(&[INFO]), &[]);
    let warnings = texts(&report, "warnings");
    assert!(
        warnings.contains("kubectl-patch") && warnings.contains("spec.minReadySeconds"),
        "{warnings}"
    );
    assert_eq!(kinds(&report, "conflict"), [""; 0]);
}

#[test]
fn fixed_selector_is_refused_with_command_that_deletes() {
    let scene = Scene::installed(&[]);
    let settings = ["nameOverride=\"proxy\"", "fullnameOverride=\"relay-dev-claude-relay\""];
    let report = scene.planned(&scene.build(&settings), &[]);
    let refusal = step(&report, "Deployment")["refusal"].as_str().unwrap();
    let command = format!("kubectl -n {DEV} delete deployment {RELAY}");
    assert!(refusal.contains("spec.selector") && refusal.contains(&command), "{refusal}");
}

#[test]
fn immutable_stateful_set_field_is_refused_with_orphan_command() {
    let scene = Scene::installed(&[]);
    let set = scene.object("StatefulSet", REDIS);
    // As if an earlier version had rendered another one.
    scene.fake.edit("relay-bundle", &set, |set| set["spec"]["serviceName"] = "old".into());
    let permit = ["--force-conflicts", ".spec.serviceName"];
    let report = scene.planned(&scene.build(&[]), &permit);
    let refusal = step(&report, "StatefulSet")["refusal"].as_str().unwrap();
    assert!(refusal.contains("--cascade=orphan"), "{refusal}");
}

#[test]
fn fixed_field_of_foreign_object_has_no_command_that_deletes() {
    let scene = Scene::new();
    let report = scene.planned(&scene.build(&[]), &[]);
    let name = step(&report, "ConfigMap")["name"].as_str().unwrap();
    scene.fake.put("platform", &crate::scene::namespace());
    scene.fake.put(
        "platform",
        &json!({"apiVersion": "v1", "kind": "ConfigMap", "immutable": true,
        "metadata": {"name": name, "namespace": DEV}, "data": {"LOG_LEVEL": "forged"}}),
    );
    let permit = ["--adopt", "--force-conflicts", ".data.LOG_LEVEL"];
    let report = scene.planned(&scene.build(&[]), &permit);
    let refusal = step(&report, "ConfigMap")["refusal"].as_str().unwrap();
    assert!(refusal.contains("platform") && !refusal.contains("delete"), "{refusal}");
}

#[test]
fn unserved_kind_is_refused_once() {
    let scene = Scene::installed(&[]);
    scene.fake.unserve("monitoring.coreos.com");
    let ran = scene.apply_yes(&scene.build(&["serviceMonitor.enabled=true"]), &[]);
    ran.says(4, &["monitoring.coreos.com/v1 ServiceMonitor"]);
    assert_eq!(ran.stderr.matches("monitoring.coreos.com").count(), 1, "{}", ran.stderr);
}

#[test]
fn plan_hash_of_same_plan_is_carried_out() {
    let scene = Scene::installed(&[]);
    let bundle = scene.build(&[INFO]);
    let hash = scene.planned(&bundle, &[])["planHash"].as_str().unwrap().to_owned();
    let ran = scene.apply(&bundle, &["--plan-hash", &hash]);
    assert_eq!(
        (ran.code, scene.states()),
        (0, vec!["superseded".to_owned(), "deployed".to_owned()])
    );
}

#[test]
fn plan_hash_of_other_plan_changes_nothing() {
    let scene = Scene::installed(&[]);
    let bundle = scene.build(&[INFO]);
    let hash = scene.planned(&bundle, &[])["planHash"].as_str().unwrap().to_owned();
    scene.fake.remove(&scene.object("Service", REDIS));
    let before = scene.fake.versions();
    let ran = scene.apply(&bundle, &["--plan-hash", &hash]);
    assert_eq!((ran.code, scene.fake.versions()), (1, before));
}

const SCALED: [&str; 1] = ["autoscaling.enabled=true"];

#[test]
fn replicas_handed_to_autoscaler_are_held() {
    let scene = Scene::installed(&["replicaCount=3"]);
    let report = scene.applied(&scene.build(&SCALED), &[]);
    assert_eq!(step(&report, "Deployment")["heldReplicas"], 3);
    assert_eq!(scene.relay()["spec"]["replicas"], 3);
}

#[test]
fn replicas_set_by_autoscaler_are_kept() {
    let scene = Scene::installed(&SCALED);
    scene.fake.scale(&scene.relay(), 7);
    scene.applied(&scene.build(&["autoscaling.enabled=true", INFO]), &[]);
    assert_eq!(scene.relay()["spec"]["replicas"], 7);
}

#[test]
fn autoscaler_is_pruned_before_replicas_are_taken_back() {
    let scene = Scene::installed(&SCALED);
    scene.fake.scale(&scene.relay(), 7);
    let bundle = scene.build(&["replicaCount=2"]);
    let report = scene.planned(&bundle, &[]);
    let gone = pruned(&report, "pruneFirst");
    assert!(gone.len() == 1 && gone[0].starts_with("HorizontalPodAutoscaler/"), "{gone:?}");
    scene.fake.recover();
    scene.applied(&bundle, &[]);
    assert_eq!(scene.relay()["spec"]["replicas"], 2);
    let writes = scene.fake.writes();
    let at = |text: &str| writes.iter().position(|write| write.contains(text)).unwrap();
    assert!(at("horizontalpodautoscalers") < at("/deployments/"), "{writes:?}");
}

#[test]
fn plan_that_was_agreed_to_in_advance_is_logged_unless_quiet() {
    let scene = Scene::new();
    let (first, second) = (scene.build(&[]), scene.build(&[INFO]));
    scene.apply_yes(&first, &["--json"]).says(0, &["plan for namespace", "plan hash "]);
    for arguments in [&["--quiet"][..], &[]] {
        let ran = scene.apply_yes(&second, arguments);
        assert_eq!((ran.code, ran.stderr.contains("plan hash ")), (0, false), "{}", ran.stderr);
    }
}

#[test]
fn plan_of_new_version_is_one_line_for_all_objects() {
    let scene = Scene::installed(&[]);
    let next = scene.build(&["release.appVersion=\"v1.1.999\""]);
    let plan = scene.apply(&next, &["--dry-run"]).stdout;
    let updates: Vec<&str> = plan.lines().filter(|line| line.starts_with("update")).collect();
    assert!(updates[0].contains(" -> v1.1.999 (ServiceAccount/"), "{plan}");
    assert!(!plan.contains("update    Service"), "{plan}");
}
