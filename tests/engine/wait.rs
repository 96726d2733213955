//! Waiting: when objects count as ready, and which problems a failure names.

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use relay_bundle::cluster::Cluster;
use relay_bundle::failure::Failure;
use relay_bundle::install::event::Event;
use relay_bundle::install::wait::wait;
use relay_bundle::model::object_key::ObjectKey;
use serde_json::{Value, json};

use crate::fake::{Controllers, Fault};
use crate::scene::{DEV, REDIS, RELAY, Scene, journal, namespace};

/// A scene without controllers, in which the relay and Redis have just been written.
fn scene() -> Scene {
    let scene = Scene::new();
    scene.fake.set_controllers(Controllers::Absent);
    scene.fake.put("platform", &namespace());
    for (kind, name) in [("Deployment", RELAY), ("StatefulSet", REDIS)] {
        scene.fake.put(
            "relay-bundle",
            &json!({"apiVersion": "apps/v1", "kind": kind,
            "metadata": {"name": name, "namespace": DEV}, "spec": {"replicas": 1}}),
        );
    }
    scene
}

fn waited(cluster: &Cluster, kinds: &[&str], timeout: u64) -> (Result<(), Failure>, Vec<String>) {
    let name = |kind: &str| if kind == "Deployment" { RELAY } else { REDIS };
    let keys: Vec<_> =
        kinds.iter().map(|kind| ObjectKey::of_named(kind, DEV, name(kind)).unwrap()).collect();
    let told = RefCell::new(Vec::new());
    let observe = |event: &Event<'_>| {
        // The seconds differ between runs.
        let is_end = matches!(event, Event::AllReady { .. });
        told.borrow_mut().push(if is_end { "all ready".to_owned() } else { event.to_string() });
    };
    let done = wait(&mut journal(cluster), &keys, Duration::from_millis(timeout), &observe);
    (done, told.into_inner())
}

/// Returns the failure of waiting for kinds without time.
#[track_caller]
fn failure(scene: &Scene, kinds: &[&str]) -> Failure {
    waited(&scene.cluster(), kinds, 0).0.unwrap_err()
}

#[track_caller]
fn reasons(scene: &Scene) -> Vec<String> {
    failure(scene, &["Deployment", "StatefulSet"]).reasons
}

fn status(ready: u32) -> Value {
    json!({"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": ready, "availableReplicas": ready})
}

#[test]
fn wait_for_unseen_deployment_fails_at_timeout() {
    let why = failure(&scene(), &["Deployment"]).message();
    assert!(why.contains("Deployment/relay-dev-claude-relay"), "{why}");
}

#[test]
fn wait_for_deployment_without_ready_pod_counts_pods() {
    let scene = scene();
    scene.fake.set_status(&scene.relay(), status(0));
    let why = failure(&scene, &["Deployment"]).message();
    assert!(why.contains("0 of 1"), "{why}");
}

#[test]
fn wait_for_ready_objects_tells_each_once() {
    let scene = scene();
    scene.fake.set_status(&scene.relay(), status(1));
    scene.fake.set_status(&scene.object("StatefulSet", REDIS), status(1));
    let (done, told) = waited(&scene.cluster(), &["Deployment", "StatefulSet"], 0);
    done.unwrap();
    assert_eq!(told.last().map(String::as_str), Some("all ready"), "{told:?}");
    assert_eq!(told.len(), 3, "{told:?}");
}

#[test]
fn wait_ends_once_object_becomes_ready() {
    let scene = scene();
    let reads = AtomicUsize::new(0);
    scene.fake.script(move |seen, store| {
        let is_it = seen.is("GET", "/deployments/relay-dev-claude-relay");
        if is_it && reads.fetch_add(1, Ordering::SeqCst) == 1 {
            let relay = store.get("Deployment", DEV, RELAY).unwrap();
            store.set_status(&relay, status(1));
        }
        Fault::None
    });
    waited(&scene.cluster(), &["Deployment"], 5_000).0.unwrap();
}

#[test]
fn wait_rechecks_all_objects_at_end() {
    let scene = scene();
    scene.fake.set_status(&scene.relay(), status(1));
    let reads = AtomicUsize::new(0);
    scene.fake.script(move |seen, store| {
        let is_it = seen.is("GET", "/statefulsets/relay-dev-redis");
        if is_it && reads.fetch_add(1, Ordering::SeqCst) == 1 {
            // The relay is no longer ready by the time that Redis is.
            let (relay, redis) =
                (store.get("Deployment", DEV, RELAY), store.get("StatefulSet", DEV, REDIS));
            store.set_status(&relay.unwrap(), status(0));
            store.set_status(&redis.unwrap(), status(1));
        }
        Fault::None
    });
    let why =
        waited(&scene.cluster(), &["Deployment", "StatefulSet"], 600).0.unwrap_err().message();
    assert!(why.contains("Deployment/relay-dev-claude-relay"), "{why}");
}

#[test]
fn wait_for_deleted_object_fails_at_once() {
    let scene = scene();
    scene.fake.remove(&scene.relay());
    let why = waited(&scene.cluster(), &["Deployment"], 60_000).0.unwrap_err().message();
    assert!(why.contains("Deployment/relay-dev-claude-relay"), "{why}");
}

fn given_up(time: &str) -> Value {
    let mut status = status(0);
    status["conditions"] = json!([{"type": "Progressing", "status": "False", "lastUpdateTime": time,
        "reason": "ProgressDeadlineExceeded", "message": "it has timed out progressing"}]);
    status
}

#[test]
fn wait_fails_at_once_when_controller_gives_up() {
    let scene = scene();
    let reads = AtomicUsize::new(0);
    scene.fake.script(move |seen, store| {
        let is_it = seen.is("GET", "/deployments/relay-dev-claude-relay");
        if is_it && reads.fetch_add(1, Ordering::SeqCst) == 1 {
            let relay = store.get("Deployment", DEV, RELAY).unwrap();
            store.set_status(&relay, given_up("2026-11-22T10:00:00Z"));
        }
        Fault::None
    });
    let why = waited(&scene.cluster(), &["Deployment"], 60_000).0.unwrap_err().message();
    assert!(why.contains("it has timed out progressing"), "{why}");
}

#[test]
fn controller_that_gave_up_before_may_still_succeed() {
    let scene = scene();
    scene.fake.set_status(&scene.relay(), given_up("2026-11-22T09:00:00Z"));
    let reads = AtomicUsize::new(0);
    scene.fake.script(move |seen, store| {
        let is_it = seen.is("GET", "/deployments/relay-dev-claude-relay");
        if is_it && reads.fetch_add(1, Ordering::SeqCst) == 1 {
            let relay = store.get("Deployment", DEV, RELAY).unwrap();
            store.set_status(&relay, status(1));
        }
        Fault::None
    });
    waited(&scene.cluster(), &["Deployment"], 5_000).0.unwrap();
}

/// Adds a pod of the installation with this status.
fn add_pod(scene: &Scene, name: &str, status: &Value) {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": DEV,
        "labels": {"app.kubernetes.io/instance": DEV}}, "status": status});
    scene.fake.put("kubelet", &pod);
}

fn waiting(reason: &str, message: &str) -> Value {
    json!({"containerStatuses": [{"name": "relay", "ready": false,
        "state": {"waiting": {"reason": reason, "message": message}}}]})
}

#[test]
fn failure_names_image_that_cannot_be_pulled() {
    let scene = scene();
    add_pod(&scene, "a", &waiting("ImagePullBackOff", "no such image"));
    assert_eq!(reasons(&scene), ["a/relay: ImagePullBackOff: no such image"]);
}

#[test]
fn failure_names_configuration_that_is_missing() {
    let scene = scene();
    add_pod(&scene, "a", &waiting("CreateContainerConfigError", "secret \"x\" not found"));
    assert_eq!(reasons(&scene), ["a/relay: CreateContainerConfigError: secret \"x\" not found"]);
}

#[test]
fn failure_names_cause_of_container_crash() {
    let scene = scene();
    let mut status = waiting("CrashLoopBackOff", "back-off");
    let ended = json!({"terminated": {"reason": "OOMKilled", "exitCode": 137}});
    status["containerStatuses"][0]["lastState"] = ended;
    add_pod(&scene, "a", &status);
    assert_eq!(
        reasons(&scene),
        ["a/relay: CrashLoopBackOff after OOMKilled (exit code 137): back-off"]
    );
}

#[test]
fn failure_names_pod_that_no_node_takes() {
    let scene = scene();
    add_pod(
        &scene,
        "a",
        &json!({"conditions": [{"type": "PodScheduled", "status": "False",
        "reason": "Unschedulable", "message": "0/3 nodes are available"}]}),
    );
    assert_eq!(reasons(&scene), ["a: Unschedulable: 0/3 nodes are available"]);
}

#[test]
fn failure_ignores_pod_that_is_being_deleted() {
    let scene = scene();
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": DEV,
        "finalizers": ["x/y"], "deletionTimestamp": "2026-11-22T10:00:00Z",
        "labels": {"app.kubernetes.io/instance": DEV}}, "status": waiting("ImagePullBackOff", "")});
    scene.fake.put("kubelet", &pod);
    assert_eq!(reasons(&scene), [""; 0]);
}

#[test]
fn failure_ignores_pods_of_other_installations() {
    let scene = scene();
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": DEV,
        "labels": {"app.kubernetes.io/instance": "other"}}, "status": waiting("ImagePullBackOff", "")});
    scene.fake.put("kubelet", &pod);
    assert_eq!(reasons(&scene), [""; 0]);
}

#[test]
fn failure_names_why_replica_set_creates_no_pods() {
    let scene = scene();
    scene.fake.put("kube-controller-manager", &json!({"apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {"name": "set", "namespace": DEV, "labels": {"app.kubernetes.io/instance": DEV}},
        "status": {"conditions": [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
            "message": "exceeded quota: small"}]}}));
    assert_eq!(reasons(&scene), ["set: FailedCreate: exceeded quota: small"]);
}

/// Adds an event about Redis.
fn add_event(scene: &Scene, name: &str, reason: &str, minute: u8) {
    let uid = &scene.object("StatefulSet", REDIS)["metadata"]["uid"];
    scene.fake.put("kube-controller-manager", &json!({"apiVersion": "v1", "kind": "Event",
        "metadata": {"name": name, "namespace": DEV}, "involvedObject": {"uid": uid}, "reason": reason,
        "message": "exceeded quota: small", "lastTimestamp": format!("2026-11-22T10:{minute:02}:00Z")}));
}

#[test]
fn failure_names_why_stateful_set_creates_no_pods() {
    let scene = scene();
    add_event(&scene, "a", "FailedCreate", 1);
    assert_eq!(reasons(&scene), ["relay-dev-redis: FailedCreate: exceeded quota: small"]);
}

#[test]
fn failure_ignores_events_before_success() {
    let scene = scene();
    add_event(&scene, "a", "FailedCreate", 1);
    add_event(&scene, "b", "SuccessfulCreate", 2);
    assert_eq!(reasons(&scene), [""; 0]);
}

#[test]
fn failure_without_permission_for_events_says_so() {
    let scene = scene();
    scene.fake.deny("list", "events");
    let reasons = reasons(&scene);
    assert!(reasons.len() == 1 && reasons[0].starts_with("relay-dev-redis: "), "{reasons:?}");
}

#[test]
fn failure_names_ten_problems_at_most() {
    let scene = scene();
    for number in 10..25 {
        add_pod(&scene, &format!("pod-{number}"), &waiting("ErrImagePull", ""));
    }
    assert_eq!(reasons(&scene).len(), 10);
}
