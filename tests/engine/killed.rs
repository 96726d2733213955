//! Runs that are killed at one of their writes, and run again.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::fake::{Fault, When};
use crate::scene::{KILLED, Ran, Scene, TERMS};

/// Fields that differ between equal installations.
const CHOSEN: [&str; 5] =
    ["creationTimestamp", "managedFields", "resourceVersion", "uid", "generation"];

/// Returns the objects of all namespaces without what differs between equal installations.
fn state(scene: &Scene) -> BTreeMap<String, Value> {
    let kinds = [
        "ConfigMap",
        "Deployment",
        "Namespace",
        "PersistentVolumeClaim",
        "Secret",
        "Service",
        "ServiceAccount",
        "StatefulSet",
        "PodDisruptionBudget",
    ];
    let all = kinds.iter().flat_map(|kind| scene.fake.all(kind));
    let plain = all.map(|mut object| {
        for field in CHOSEN {
            object["metadata"].as_object_mut().unwrap().remove(field);
        }
        object.as_object_mut().unwrap().remove("status");
        if object["kind"] == "Service" {
            object["spec"].as_object_mut().unwrap().remove("clusterIP");
        }
        let name = format!("{}/{}", object["kind"], object["metadata"]["name"]);
        if name.contains("relay-bundle.") {
            object = record(&object);
        }
        (name, object)
    });
    plain.collect()
}

/// Returns a ConfigMap of the record without uids and times.
fn record(object: &Value) -> Value {
    let text = object["data"].get("generation.json").or_else(|| object["data"].get("head.json"));
    let mut document: Value = serde_json::from_str(text.unwrap().as_str().unwrap()).unwrap();
    for list in ["inventory", "retained", "secrets", "generations"] {
        for item in document.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let item = item.as_object_mut().unwrap();
            item.remove("recorded");
            if let Some(uid) = item.get_mut("uid") {
                *uid = "known".into();
            }
        }
    }
    document
}

fn run(scene: &Scene, arguments: &[&str], more: &[&str]) -> Ran {
    scene.run(&[arguments, more].concat())
}

/// Kills a command after each of its writes in turn; the next run must reach the same state as one
/// that nothing disturbed.
#[track_caller]
fn survives_kill_at_each_write(before: &Scene, arguments: &[&str]) {
    let undisturbed = before.copy();
    assert_eq!(run(&undisturbed, arguments, &[]).code, 0);
    let (wanted, writes) = (state(&undisturbed), undisturbed.fake.writes().len());
    assert!(writes > 3, "{writes}");
    for last in 1..=writes {
        let scene = before.copy();
        scene.kill_after_write(last);
        let killed = run(&scene, arguments, &[]);
        assert_eq!(killed.code, KILLED, "write {last}: {}", killed.stderr);
        scene.fake.recover();
        let again = run(&scene, arguments, &["--break-lock"]);
        assert_eq!(again.code, 0, "write {last}: {}", again.stderr);
        assert_eq!(state(&scene), wanted, "write {last}");
    }
}

#[test]
fn first_installation_that_is_killed_at_any_write_is_completed() {
    let scene = Scene::new();
    scene.build(&[]);
    survives_kill_at_each_write(&scene, &[&["apply", "dev-1.tar", "--yes"], &TERMS[..]].concat());
}

#[test]
fn upgrade_with_prune_that_is_killed_at_any_write_is_completed() {
    let old = [
        "podDisruptionBudget.enabled=true",
        "podDisruptionBudget.maxUnavailable=1",
        "replicaCount=2",
    ];
    let scene = Scene::installed(&old);
    scene.build(&["config.logLevel=\"info\""]);
    survives_kill_at_each_write(&scene, &[&["apply", "dev-2.tar", "--yes"], &TERMS[..]].concat());
}

#[test]
fn removal_that_is_killed_at_any_write_is_completed() {
    survives_kill_at_each_write(&Scene::installed(&[]), &["remove", "-n", "relay-dev", "--yes"]);
}

#[test]
fn run_that_is_killed_before_its_first_write_leaves_nothing() {
    let scene = Scene::installed(&[]);
    let before = scene.fake.versions();
    scene
        .fake
        .script(|seen, _| if seen.is_write() { Fault::Kill(When::Before) } else { Fault::None });
    assert_eq!(scene.apply_yes(&scene.build(&["config.logLevel=\"info\""]), &[]).code, KILLED);
    assert_eq!(scene.fake.versions(), before);
}

#[test]
fn lock_of_killed_run_is_found_by_next_run() {
    let scene = Scene::new();
    scene.fake.script(|seen, _| {
        let is_it = seen.is_write() && seen.path.contains("/services/");
        if is_it { Fault::Kill(When::After) } else { Fault::None }
    });
    let bundle = scene.build(&[]);
    assert_eq!(scene.apply_yes(&bundle, &[]).code, KILLED);
    scene.fake.recover();
    let status = scene.call(&["status", "--json"]).report();
    assert_eq!(status["lock"]["by"]["command"], json!("apply"));
    assert_eq!(status["ok"], false);
}

#[test]
fn killed_run_leaves_no_process() {
    let scene = Scene::new();
    scene.kill_after_write(3);
    let killed = scene.apply_yes(&scene.build(&[]), &[]);
    assert_eq!(killed.code, KILLED);
    assert!(!Path::new(&format!("/proc/{}", killed.process)).exists());
}

#[test]
fn killed_run_sends_no_late_request() {
    let scene = Scene::new();
    scene.kill_after_write(3);
    assert_eq!(scene.apply_yes(&scene.build(&[]), &[]).code, KILLED);
    assert_eq!(scene.fake.writes().len(), 3);
}
