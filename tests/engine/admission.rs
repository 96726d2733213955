//! Admission: what webhooks and quotas say about objects and pods in the dry run.

use serde_json::json;

use crate::fake::Fault;
use crate::plan::{step, texts};
use crate::scene::Scene;

const INFO: &str = "config.logLevel=\"info\"";

/// Answers every dry run of a kind like this.
fn answer_dry_run(scene: &Scene, resource: &'static str, code: u16, message: &'static str) {
    scene.fake.script(move |seen, _| {
        let is_it = seen.path.contains("dryRun=All") && seen.path.contains(resource);
        let body =
            json!({"kind": "Status", "code": code, "reason": "Forbidden", "message": message});
        if is_it { Fault::Answer(code, "", body.to_string()) } else { Fault::None }
    });
}

const WEBHOOK: &str =
    "admission webhook \"policy.example.com\" denied the request: images must be immutable";

#[test]
fn denial_of_webhook_is_refused_without_remedy() {
    let scene = Scene::installed(&[]);
    answer_dry_run(&scene, "/services/", 403, WEBHOOK);
    let report = scene.planned(&scene.build(&[]), &[]);
    let refusal = step(&report, "Service")["refusal"].as_str().unwrap();
    assert!(refusal.contains("policy.example.com"), "{refusal}");
    assert!(!refusal.contains("kubectl") && !refusal.contains("rbac"), "{refusal}");
}

#[test]
fn denied_pod_is_obstacle() {
    let scene = Scene::installed(&[]);
    answer_dry_run(&scene, "/pods", 403, WEBHOOK);
    let report = scene.planned(&scene.build(&[INFO]), &[]);
    assert!(texts(&report, "obstacles").contains("Deployment/relay-dev-claude-relay"), "{report}");
}

const QUOTA: &str = "pods \"a\" is forbidden: exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2";

#[test]
fn quota_blocks_additional_pod() {
    let scene = Scene::installed(&[]);
    answer_dry_run(&scene, "/pods", 403, QUOTA);
    let report = scene.planned(&scene.build(&["replicaCount=2"]), &[]);
    assert!(texts(&report, "obstacles").contains("exceeded quota: small"), "{report}");
}

#[test]
fn exceeded_quota_is_warning_where_old_pod_makes_room() {
    let scene = Scene::installed(&[]);
    answer_dry_run(&scene, "/pods", 403, QUOTA);
    let report = scene.planned(&scene.build(&["redis.resources.limits.memory=\"1Gi\""]), &[]);
    assert!(texts(&report, "warnings").contains("exceeded quota: small"), "{report}");
    assert_eq!(report["obstacles"], json!([]));
}

#[test]
fn pods_are_not_tried_without_permission() {
    let scene = Scene::installed(&[]);
    scene.fake.deny("create", "pods");
    let report = scene.planned(&scene.build(&[INFO]), &[]);
    assert_eq!(
        (report["warnings"].as_array().unwrap().len(), &report["obstacles"]),
        (1, &json!([]))
    );
    assert!(
        !scene.fake.seen().iter().any(|seen| seen.method == "POST" && seen.path.contains("/pods"))
    );
}

#[test]
fn pods_are_not_tried_if_none_is_created() {
    let scene = Scene::installed(&[]);
    let bundle = scene.build(&[]);
    scene.planned(&bundle, &[]);
    assert!(!scene.fake.seen().iter().any(|seen| seen.path.contains("/pods?")));
}
