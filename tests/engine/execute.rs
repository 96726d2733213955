//! The execution of plans: the order of writes, changes of others between plan and write, and
//! faults of the server.

use std::time::Duration;

use serde_json::{Value, json};

use crate::fake::{Fault, Handle, Seen, When};
use crate::scene::{DEV, KILLED, REDIS, RELAY, Scene, namespace};

const INFO: &str = "config.logLevel=\"info\"";

/// Returns the position of the first write to a path with this end.
#[track_caller]
fn at(writes: &[String], end: &str) -> usize {
    writes
        .iter()
        .position(|write| write.ends_with(end))
        .unwrap_or_else(|| panic!("{end}: {writes:#?}"))
}

#[test]
fn record_is_written_before_objects() {
    let scene = Scene::new();
    scene.fake.put("platform", &namespace());
    scene.applied(&scene.build(&[]), &[]);
    let writes = scene.fake.writes();
    // The head with the lock, and the generation with its inventory.
    assert!(
        writes[..2].iter().all(|write| write.starts_with("POST") && write.ends_with("/configmaps"))
    );
    assert!(writes[2..].iter().any(|write| write.starts_with("PATCH")), "{writes:#?}");
}

#[test]
fn record_lists_new_objects_before_they_exist() {
    let scene = Scene::new();
    scene.fake.script(|seen, _| match seen {
        seen if seen.is_write() && seen.path.contains("/services/") => Fault::Kill(When::Before),
        _ => Fault::None,
    });
    assert_eq!(scene.apply_yes(&scene.build(&[]), &[]).code, KILLED);
    let record = scene.object("ConfigMap", "relay-bundle.relay-dev.1");
    let generation = record["data"]["generation.json"].as_str().unwrap();
    assert!(generation.contains("relay-dev-redis-headless"), "{generation}");
    assert_eq!(scene.fake.get("Service", DEV, "relay-dev-redis-headless"), None);
}

#[test]
fn namespace_is_created_before_record() {
    let scene = Scene::new();
    scene.applied(&scene.build(&[]), &[]);
    let writes = scene.fake.writes();
    assert!(writes[0].ends_with("/api/v1/namespaces/relay-dev"), "{writes:#?}");
}

#[test]
fn deployment_is_written_after_what_it_references() {
    let scene = Scene::new();
    scene.applied(&scene.build(&[]), &[]);
    let writes = scene.fake.writes();
    let deployment = at(&writes, &format!("/deployments/{RELAY}"));
    for reference in
        ["/serviceaccounts/relay-dev-claude-relay", "/secrets/relay-dev-claude-relay-literal"]
    {
        assert!(at(&writes, reference) < deployment, "{reference}");
    }
}

#[test]
fn old_configuration_is_pruned_after_deployment() {
    let scene = Scene::installed(&[]);
    scene.applied(&scene.build(&[INFO]), &[]);
    let writes = scene.fake.writes();
    let delete = writes.iter().position(|write| write.starts_with("DELETE")).unwrap();
    assert!(at(&writes, &format!("/deployments/{RELAY}")) < delete, "{writes:#?}");
}

#[test]
fn deployed_generation_is_recorded_last() {
    let scene = Scene::installed(&[]);
    scene.applied(&scene.build(&[INFO]), &[]);
    let writes = scene.fake.writes();
    assert!(writes.last().unwrap().ends_with("/configmaps/relay-bundle.relay-dev"), "{writes:#?}");
    assert_eq!(scene.states(), ["superseded", "deployed"]);
    assert_eq!(scene.head().get("lock"), None);
}

#[test]
fn repeated_apply_writes_nothing() {
    let scene = Scene::new();
    let bundle = scene.build(&[]);
    scene.applied(&bundle, &[]);
    let before = scene.fake.versions();
    let report = scene.applied(&bundle, &[]);
    assert_eq!((&report["done"]["written"], scene.fake.versions()), (&json!(0), before));
}

/// Acts when the program reads an object for the first time after it has taken the lock.
fn before_write(scene: &Scene, end: &'static str, act: impl Fn(&Handle) + Send + Sync + 'static) {
    let state = std::sync::Mutex::new((false, false));
    scene.fake.script(move |seen, store| {
        let mut state = state.lock().unwrap();
        state.0 |= seen.is_write();
        if state.0 && !state.1 && seen.is("GET", end) {
            state.1 = true;
            act(store);
        }
        Fault::None
    });
}

fn account() -> Value {
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": REDIS, "namespace": DEV, "annotations": {"a": "b"}}})
}

#[test]
fn object_created_after_plan_is_not_written() {
    let scene = Scene::new();
    before_write(&scene, "/serviceaccounts/relay-dev-redis", |store| {
        store.put("somebody", &account());
    });
    scene
        .apply_yes(&scene.build(&[]), &[])
        .says(4, &["ServiceAccount/relay-dev-redis", "somebody"]);
    assert_eq!(scene.object("ServiceAccount", REDIS)["metadata"].get("labels"), None);
    assert_eq!((scene.states(), scene.head().get("lock")), (vec!["pending".to_owned()], None));
}

#[test]
fn object_replaced_after_plan_is_not_written() {
    let scene = Scene::installed(&[]);
    before_write(&scene, "/deployments/relay-dev-claude-relay", |store| {
        let old = store.get("Deployment", DEV, RELAY).unwrap();
        store.remove(&old);
        store.put(
            "somebody",
            &json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": RELAY, "namespace": DEV}, "spec": {"selector": {}}}),
        );
    });
    scene
        .apply_yes(&scene.build(&[INFO]), &[])
        .says(4, &["Deployment/relay-dev-claude-relay", "somebody"]);
    assert_eq!(scene.relay()["spec"].get("template"), None);
}

#[test]
fn object_created_during_write_is_released() {
    let scene = Scene::new();
    let done = std::sync::atomic::AtomicBool::new(false);
    scene.fake.script(move |seen, store| {
        let is_it = seen.is_write() && seen.is("PATCH", "/serviceaccounts/relay-dev-redis");
        if is_it && !done.swap(true, std::sync::atomic::Ordering::SeqCst) {
            store.put("somebody", &account());
        }
        Fault::None
    });
    scene
        .apply_yes(&scene.build(&[]), &[])
        .says(4, &["ServiceAccount/relay-dev-redis", "somebody"]);
    let left = scene.object("ServiceAccount", REDIS);
    assert!(left["metadata"].get("labels").is_none_or(|labels| *labels == json!({})), "{left}");
    assert!(!left["metadata"]["managedFields"].to_string().contains("relay-bundle"), "{left}");
}

#[test]
fn forced_apply_stops_at_new_conflict() {
    let scene = Scene::installed(&[]);
    let fields = |spec: Value| json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": RELAY, "namespace": DEV}, "spec": spec});
    scene.fake.put("somebody", &fields(json!({"replicas": 2})));
    before_write(&scene, "/deployments/relay-dev-claude-relay", move |store| {
        store.put("another", &fields(json!({"revisionHistoryLimit": 3})));
    });
    let ran = scene.apply_yes(&scene.build(&[INFO]), &["--force-conflicts", ".spec.replicas"]);
    ran.says(4, &[".spec.revisionHistoryLimit", "another"]);
    let spec = &scene.relay()["spec"];
    assert_eq!((&spec["replicas"], &spec["revisionHistoryLimit"]), (&json!(2), &json!(3)));
}

#[test]
fn foreign_object_of_same_name_is_not_pruned() {
    let scene = Scene::installed(&[]);
    let old = config_of(&scene.relay());
    let path: &'static str = Box::leak(format!("/configmaps/{old}").into_boxed_str());
    before_write(&scene, path, move |store| {
        let config = store.get("ConfigMap", DEV, &old).unwrap();
        store.remove(&config);
        store.put(
            "somebody",
            &json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": old, "namespace": DEV}, "data": {"a": "b"}}),
        );
    });
    let report = scene.applied(&scene.build(&[INFO]), &[]);
    assert_eq!(report["done"]["pruned"], json!([]));
}

/// Returns the name of the relay's configuration.
fn config_of(deployment: &Value) -> String {
    let path = "/spec/template/spec/containers/0/envFrom/0/configMapRef/name";
    deployment.pointer(path).unwrap().as_str().unwrap().to_owned()
}

/// Injects a fault into the first attempt of one write.
fn once(end: &'static str, fault: Fault) -> impl Fn(&Seen, &Handle) -> Fault + Send + Sync {
    let is_done = std::sync::atomic::AtomicBool::new(false);
    move |seen, _| {
        let is_it = seen.is_write() && seen.is("PATCH", end);
        let is_first = is_it && !is_done.swap(true, std::sync::atomic::Ordering::SeqCst);
        if is_first { fault.clone() } else { Fault::None }
    }
}

/// Installs with a fault at one write, which must be sent twice.
#[track_caller]
fn survives(fault: Fault) {
    let scene = Scene::new();
    scene.fake.script(once("/serviceaccounts/relay-dev-redis", fault));
    let report = scene.applied(&scene.build(&[]), &[]);
    let writes = scene.fake.writes();
    let attempts =
        writes.iter().filter(|write| write.ends_with("/serviceaccounts/relay-dev-redis"));
    assert_eq!((attempts.count(), &report["done"]["generation"]), (2, &json!(1)));
}

#[test]
fn write_is_repeated_after_cut_connection() {
    survives(Fault::Cut(When::Before));
}

#[test]
fn write_is_repeated_after_lost_answer() {
    survives(Fault::Cut(When::After));
}

#[test]
fn write_is_repeated_after_internal_error() {
    survives(Fault::Answer(500, "", "{}".to_owned()));
}

#[test]
fn write_is_repeated_after_unavailable_server() {
    survives(Fault::Answer(503, "", "<html>".to_owned()));
}

#[test]
fn write_is_retried_when_busy_server_asks_for_it() {
    let start = std::time::Instant::now();
    survives(Fault::Answer(429, "retry-after: 1", "{}".to_owned()));
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[test]
fn write_is_retried_after_race_over_object() {
    let race =
        json!({"kind": "Status", "code": 409, "reason": "Conflict", "message": "please try again"});
    survives(Fault::Answer(409, "", race.to_string()));
}

#[test]
fn slow_answer_is_awaited() {
    let scene = Scene::new();
    scene
        .fake
        .script(once("/serviceaccounts/relay-dev-redis", Fault::Stall(Duration::from_millis(300))));
    scene.applied(&scene.build(&[]), &[]);
    let writes = scene.fake.writes();
    assert_eq!(
        writes.iter().filter(|write| write.ends_with("/serviceaccounts/relay-dev-redis")).count(),
        1
    );
}

#[test]
fn denied_write_leaves_generation_pending_and_lock_free() {
    let scene = Scene::new();
    let denied = json!({"kind": "Status", "code": 403, "reason": "Forbidden", "message": "no"});
    scene
        .fake
        .script(once("/services/relay-dev-redis", Fault::Answer(403, "", denied.to_string())));
    let bundle = scene.build(&[]);
    assert_eq!(scene.apply_yes(&bundle, &[]).code, 4);
    assert_eq!((scene.states(), scene.head().get("lock")), (vec!["pending".to_owned()], None));
    scene.fake.recover();
    assert_eq!(scene.applied(&bundle, &[])["done"]["generation"], 1);
}
