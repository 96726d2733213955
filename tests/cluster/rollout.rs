//! Tests which objects a rollout writes, waits for, records and prunes.

use serde_json::{Value, json};

use crate::platform;
use crate::site::Site;

fn states(head: &Value) -> Vec<(i64, &str)> {
    let entries = head["generations"].as_array().unwrap().iter();
    entries
        .map(|entry| (entry["generation"].as_i64().unwrap(), entry["state"].as_str().unwrap()))
        .collect()
}

fn restarts(report: &Value) -> Vec<(&str, &str, &Value)> {
    let workloads = report["workloads"].as_array().unwrap().iter();
    workloads
        .map(|of| (of["kind"].as_str().unwrap(), of["restart"].as_str().unwrap(), &of["reasons"]))
        .collect()
}

#[test]
fn changed_bundle_is_reapplied_and_unchanged_writes_nothing() {
    let Some(site) = Site::new("dev-changes") else { return };
    let first = site.build("dev", &[]);

    let report = site.applied(&first, &[]);
    assert_eq!(report["done"]["generation"], 1);
    let before = site.versions();
    let report = site.applied(&first, &[]);
    assert_eq!(report["done"], json!({"generation": 1, "written": 0, "pruned": []}));
    assert_eq!(site.versions(), before);

    let deployment = || site.plane.get(&site.namespace, "deployment/relay-dev-claude-relay");
    let redis = || site.plane.get(&site.namespace, "statefulset/relay-dev-redis");
    let (relay_before, redis_before) = (deployment(), redis());
    let report = site.applied(&site.build("dev", &["config.logLevel=\"info\""]), &[]);
    assert_eq!(
        restarts(&report),
        [
            ("StatefulSet", "no", &json!([])),
            ("Deployment", "yes", &json!(["config LOG_LEVEL changed"])),
        ]
    );
    let revision = |object: &Value| {
        object["metadata"]["annotations"]["deployment.kubernetes.io/revision"].clone()
    };
    assert_ne!(revision(&deployment()), revision(&relay_before));
    assert_eq!(redis()["status"]["updateRevision"], redis_before["status"]["updateRevision"]);
    let head = site.head("relay-dev");
    assert_eq!(states(&head), [(1, "superseded"), (2, "deployed")]);
    assert_eq!(head.get("lock"), None);
    let moments = site.references_hold();
    assert!(moments > 12, "{moments}");
}

#[test]
fn prune_runs_after_rollout_and_keeps_foreign_objects() {
    let Some(site) = Site::new("prune") else { return };
    let with = [
        "replicaCount=2",
        "podDisruptionBudget.enabled=true",
        "podDisruptionBudget.maxUnavailable=1",
        "serviceAccount.name=\"own\"",
    ];
    site.applied(&site.build("dev", &with), &[]);
    assert!(site.plane.has(&site.namespace, "pdb/relay-dev-claude-relay"));
    assert!(site.plane.has(&site.namespace, "serviceaccount/own"));
    // The object is deleted and recreated under the same name.
    site.plane.kubectl(&["-n", &site.namespace, "delete", "serviceaccount/own"]);
    site.plane.kubectl(&["-n", &site.namespace, "create", "serviceaccount", "own"]);

    let report = site.applied(&site.build("dev", &[]), &[]);

    let pruned: Vec<&str> = report["done"]["pruned"]
        .as_array()
        .unwrap()
        .iter()
        .map(|gone| gone["kind"].as_str().unwrap())
        .collect();
    assert_eq!(pruned, ["PodDisruptionBudget"]);
    assert!(!site.plane.has(&site.namespace, "pdb/relay-dev-claude-relay"));
    assert!(site.plane.has(&site.namespace, "serviceaccount/own"));
}

#[test]
fn unready_pod_is_named_with_reason_and_good_bundle_succeeds() {
    let Some(site) = Site::new("never-ready") else { return };
    let bad =
        site.build("dev", &["podAnnotations={\"relay-bundle.test/fail\"=\"ImagePullBackOff\"}"]);

    let ran =
        site.until_said("ImagePullBackOff", |site| site.apply(&bad, &["--yes", "--timeout", "5"]));

    assert!(
        ran.stderr.contains("not ready after 5 s: Deployment/relay-dev-claude-relay"),
        "{}",
        ran.stderr
    );
    let head = site.head("relay-dev");
    assert_eq!((states(&head), head.get("lock")), (vec![(1, "pending")], None));

    site.applied(&site.build("dev", &[]), &[]);
    assert_eq!(states(&site.head("relay-dev")), [(1, "abandoned"), (2, "deployed")]);
}

#[test]
fn objects_referenced_by_pods_are_pruned_after_them() {
    let Some(site) = Site::new("renamed") else { return };
    site.applied(&site.build("dev", &["fullnameOverride=\"proxy\""]), &[]);
    assert!(site.plane.has(&site.namespace, "secret/proxy-literal"));

    site.applied(&site.build("dev", &[]), &[]);

    assert!(!site.plane.has(&site.namespace, "secret/proxy-literal"));
    assert!(!site.plane.has(&site.namespace, "deployment/proxy"));
    site.references_hold();
}

#[test]
fn changed_literal_secret_is_applied_without_being_shown() {
    let Some(site) = Site::new("literal") else { return };
    site.applied(&site.build("dev", &[]), &[]);
    let profile = site.path().join("profiles/dev.toml");
    let text = fs_err::read_to_string(&profile).unwrap();
    fs_err::write(&profile, text.replace("development-only\"", "another-literal\"")).unwrap();

    let ran = site.apply(&site.build("dev", &[]), &["--yes", "--json"]);

    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let secret = site.plane.get(&site.namespace, "secret/relay-dev-claude-relay-literal");
    // The new value in base64.
    assert!(secret["data"].to_string().contains("YW5vdGhlci1saXRlcmFs"), "{secret}");
    for hidden in
        ["another-literal", "development-only", "YW5vdGhlci1saXRlcmFs", "ZGV2ZWxvcG1lbnQtb25seQ"]
    {
        assert!(!ran.stdout.contains(hidden) && !ran.stderr.contains(hidden), "{hidden}");
    }
    assert!(ran.stdout.contains("<redacted>"), "{}", ran.stdout);
}

#[test]
fn lock_of_dead_run_is_taken_and_its_generation_resumed() {
    let Some(site) = Site::new("dead-run") else { return };
    let bundle = site.build("dev", &[]);
    let report = site.applied(&bundle, &[]);
    assert_eq!(report["done"]["generation"], 1);
    // The state after a run that is killed after its last object.
    let name = "configmap/relay-bundle.relay-dev";
    let mut record = site.plane.get(&site.namespace, name);
    let mut head = site.head("relay-dev");
    head["generations"][0]["state"] = "pending".into();
    head["lock"] = json!({"heartbeat": 7, "holder": "process 1 (dead)"});
    record["data"]["head.json"] = head.to_string().into();
    site.plane.replace(&record);
    let before = site.plane.get(&site.namespace, "deployment/relay-dev-claude-relay");

    let report = site.applied(&bundle, &["--break-lock"]);

    assert_eq!((&report["done"]["generation"], &report["done"]["written"]), (&json!(1), &json!(0)));
    assert_eq!(states(&site.head("relay-dev")), [(1, "deployed")]);
    let after = site.plane.get(&site.namespace, "deployment/relay-dev-claude-relay");
    assert_eq!(after["metadata"]["generation"], before["metadata"]["generation"]);

    // The state after a run that is killed while nothing is pending.
    let mut record = site.plane.get(&site.namespace, name);
    let mut head = site.head("relay-dev");
    head["lock"] = json!({"heartbeat": 9, "holder": "process 2 (dead)"});
    record["data"]["head.json"] = head.to_string().into();
    site.plane.replace(&record);
    let report = site.applied(&bundle, &["--break-lock"]);
    assert_eq!((&report["done"]["generation"], &report["done"]["written"]), (&json!(1), &json!(0)));
    assert_eq!(site.head("relay-dev").get("lock"), None);
}

#[test]
fn damaged_record_is_error_and_not_treated_as_empty() {
    let Some(site) = Site::new("damaged") else { return };
    let bundle = site.build("dev", &[]);
    site.applied(&bundle, &[]);
    for (key, value) in [("head.json", "{}"), ("head.json", ""), ("state.json", "{}")] {
        let whole = site.plane.get(&site.namespace, "configmap/relay-bundle.relay-dev");
        let mut record = whole.clone();
        record["data"][key] = value.into();
        site.plane.replace(&record);
        let before = site.versions();

        let ran = site.apply(&bundle, &["--yes"]);

        assert_eq!(ran.code, 4, "{key}: {}", ran.stderr);
        assert!(ran.stderr.contains("is damaged"), "{key}: {}", ran.stderr);
        assert_eq!(site.versions(), before);
        record["data"] = whole["data"].clone();
        record["metadata"].as_object_mut().unwrap().remove("resourceVersion");
        site.plane.replace(&record);
    }
    assert_eq!(site.applied(&bundle, &[])["done"]["written"], 0);
}

#[test]
fn production_names_what_it_lacks_and_runs_once_that_is_there() {
    let Some(site) = Site::new("production") else { return };
    let site = site.with_namespace();
    let consent = ["--yes", "--first-install", "--no-recovery"];
    let bundle = site.build("production", &[&platform::own_monitoring(&site.namespace)]);
    let before = site.versions();

    let ran = site.apply(&bundle, &consent);
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    for lacking in ["Secret platform-redis in production", "ConfigMap platform-ca"] {
        assert!(ran.stderr.contains(lacking), "{lacking}: {}", ran.stderr);
    }
    assert_eq!(site.versions(), before);

    platform::ensure(site.plane, &site.namespace);
    let report = site.applied(&bundle, &consent[1..]);

    assert_eq!(report["done"]["generation"], 1);
    let deployment = site.plane.get(&site.namespace, "deployment/claude-relay");
    assert_eq!(deployment["status"]["readyReplicas"], 3);
    assert!(site.plane.has("production-monitoring", "servicemonitor/claude-relay"));
    let before = site.versions();
    assert_eq!(site.applied(&bundle, &[])["done"]["written"], 0);
    assert_eq!(site.versions(), before);
    let moments = site.references_hold();
    assert!(moments > 12, "{moments}");
}
