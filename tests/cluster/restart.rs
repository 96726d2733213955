//! Tests `restart`: it replaces pods once, and does not interfere with later applies or
//! comparisons.

use serde_json::Value;

use crate::site::Site;

fn pods(site: &Site, workload: &str) -> Vec<String> {
    let pods = site.plane.list(&site.namespace, "pods");
    let name = |pod: &Value| pod["metadata"]["name"].as_str().unwrap().to_owned();
    let is_of = |pod: &&Value| name(pod).starts_with(workload);
    let live =
        pods.iter().filter(is_of).filter(|pod| pod["metadata"].get("deletionTimestamp").is_none());
    live.map(|pod| pod["metadata"]["uid"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn restart_replaces_pods_once_without_later_difference() {
    let Some(site) = Site::new("restart") else { return };
    let bundle = site.build("dev", &[]);
    site.applied(&bundle, &[]);
    let restart = |workload: &str| ["restart", workload, "-n", "restart"].map(str::to_owned);
    let words = ["relay", "redis"];
    let components = ["relay-dev-claude-relay-", "relay-dev-redis-"];
    let kinds = ["deployment/relay-dev-claude-relay", "statefulset/relay-dev-redis"];
    for (at, word) in words.into_iter().enumerate() {
        let before = components.map(|component| pods(&site, component));
        assert_eq!(before[at].len(), 1, "{word}");
        let shown = site.call(
            &restart(word).iter().map(String::as_str).chain(["--dry-run"]).collect::<Vec<_>>(),
        );
        assert_eq!(shown.code, 0, "{}", shown.stderr);
        assert_eq!(components.map(|component| pods(&site, component)), before);

        let report = site.called(&restart(word).iter().map(String::as_str).collect::<Vec<_>>());

        assert!(report["restartedAt"].as_str().unwrap().ends_with('Z'), "{report}");
        let after = components.map(|component| pods(&site, component));
        assert_ne!(after[at], before[at], "{word}");
        assert_eq!(after[1 - at], before[1 - at], "only {word} restarts");
        let object = site.plane.get(&site.namespace, kinds[at]);
        assert_eq!(object["status"]["readyReplicas"], 1);
    }

    // The same bundle, and another one that does not change the pods, keep the annotations and the
    // pods.
    let before = components.map(|component| pods(&site, component));
    let annotation = |kind: &str| {
        let object = site.plane.get(&site.namespace, kind);
        object["spec"]["template"]["metadata"]["annotations"]["relay-bundle/restarted-at"].clone()
    };
    let noted = kinds.map(annotation);
    let report = site.applied(&bundle, &[]);
    assert_eq!(report["done"]["written"], 0);
    site.applied(
        &site.build("dev", &["service.annotations={\"example.internal/team\"=\"x\"}"]),
        &[],
    );
    assert_eq!(components.map(|component| pods(&site, component)), before);
    // A change of the pods keeps the annotations, so that a comparison reports no difference.
    site.applied(&site.build("dev", &["config.logLevel=\"info\""]), &[]);
    assert_eq!(kinds.map(annotation), noted);
    assert!(noted.iter().all(Value::is_string), "{noted:?}");
    let moments = site.references_hold();
    assert!(moments > 20, "{moments}");
    assert_eq!(site.head("relay-dev").get("lock"), None);
}

#[test]
fn restart_refuses_absent_workload_and_names_problem() {
    let Some(site) = Site::new("restart-not") else { return };
    let without_redis = ["redis.enabled=false", "externalRedis.host=\"redis.example.internal\""];
    site.applied(&site.build("dev", &without_redis), &[]);
    let before = site.versions();

    let restart = |workload: &str, more: &[&str]| {
        let own = ["restart", workload, "-n", "restart-not", "--yes"];
        site.call(&own.into_iter().chain(more.iter().copied()).collect::<Vec<_>>())
    };
    for workload in ["redis", "other"] {
        let ran = restart(workload, &[]);
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        assert!(ran.stderr.contains("it has `relay` (relay-dev-claude-relay)"), "{}", ran.stderr);
    }
    let asked = site.call(&["restart", "relay", "-n", "restart-not"]);
    assert_eq!(asked.code, 2, "{}", asked.stderr);
    assert_eq!(site.versions(), before);

    // New pods cannot run, but the old one can.
    let patch = r#"[{"op":"add","path":"/spec/template/metadata/annotations/relay-bundle.test~1fail","value":"ImagePullBackOff"}]"#;
    site.plane.kubectl(&[
        "-n",
        "restart-not",
        "patch",
        "deployment/relay-dev-claude-relay",
        "--type=json",
        "-p",
        patch,
    ]);
    site.until_said("ImagePullBackOff", |_| restart("relay", &["--timeout", "2"]));
    assert_eq!(site.head("relay-dev").get("lock"), None);
}
