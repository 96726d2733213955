//! Tests `gc --live`: it deletes unreferenced ConfigMaps.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::site::{Ran, Site};

/// Returns a pod with variables from a ConfigMap.
fn pod(namespace: &str, config_map: &str) -> Value {
    let container = json!({"name": "own", "image": "own", "envFrom": [{"configMapRef": {"name": config_map}}],
        "securityContext": {"allowPrivilegeEscalation": false, "runAsNonRoot": true,
            "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"}}});
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "own", "namespace": namespace},
        "spec": {"containers": [container]}})
}

fn names(ran: &Ran) -> Vec<String> {
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    let maps = report["configMaps"].as_array().unwrap().iter();
    maps.map(|map| map["name"].as_str().unwrap().to_owned()).collect()
}

/// Returns the ConfigMap with the variables of the relay's pods.
fn config(site: &Site) -> String {
    let deployment = site.plane.get(&site.namespace, "deployment/relay-dev-claude-relay");
    let from = &deployment["spec"]["template"]["spec"]["containers"][0]["envFrom"];
    from[0]["configMapRef"]["name"].as_str().unwrap().to_owned()
}

#[test]
fn config_is_removed_once_unreferenced_by_pods_and_revisions() {
    let Some(site) = Site::new("garbage") else { return };
    let gc =
        |more: &[&str]| site.call(&[&["gc", "--live", "-n", "garbage", "--json"], more].concat());
    site.applied(&site.build("dev", &[]), &[]);
    let old = config(&site);
    site.applied(&site.build("dev", &["config.logLevel=\"info\""]), &[]);
    let new = config(&site);
    assert_ne!(old, new);
    let others = json!({"apiVersion": "v1", "kind": "ConfigMap", "immutable": true, "data": {"a": "b"}, "metadata": {
        "name": "of-others-0123456789", "namespace": "garbage",
        "labels": {"app.kubernetes.io/managed-by": "relay-bundle", "app.kubernetes.io/instance": "relay-dev"}}});
    site.plane.ensure(&others.to_string());

    // First the old ReplicaSet still references the ConfigMap for a rollback, then a foreign pod
    // does.
    assert_eq!(names(&gc(&["--dry-run"])), [""; 0]);
    let sets = site.plane.list("garbage", "replicasets");
    let set = sets.iter().find(|set| set["spec"].to_string().contains(&old)).unwrap();
    site.plane.ensure(&pod("garbage", &old).to_string());
    site.plane.kubectl(&[
        "-n",
        "garbage",
        "delete",
        "replicaset",
        set["metadata"]["name"].as_str().unwrap(),
    ]);
    assert_eq!(names(&gc(&["--dry-run"])), [""; 0]);
    site.plane.kubectl(&["-n", "garbage", "delete", "pod/own", "--force", "--grace-period=0"]);

    site.await_leaving_pods();
    let before = site.versions();
    assert_eq!(names(&gc(&["--dry-run"])), std::slice::from_ref(&old));
    let ran = gc(&[]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("cannot ask for confirmation"), "{}", ran.stderr);
    assert_eq!(site.versions(), before);

    let ran = gc(&["--yes"]);
    assert_eq!((ran.code, names(&ran)), (0, vec![old.clone()]), "{}", ran.stderr);
    assert!(!site.plane.has("garbage", &format!("configmap/{old}")));
    for kept in
        [new.as_str(), "of-others-0123456789", "relay-bundle.relay-dev", "relay-bundle.relay-dev.2"]
    {
        assert!(site.plane.has("garbage", &format!("configmap/{kept}")), "{kept}");
    }
    assert_eq!(site.head("relay-dev").get("lock"), None);
    assert_eq!(names(&gc(&["--yes"])), [""; 0]);
    assert_eq!(site.call(&["status", "-n", "garbage"]).code, 0);
}

#[test]
fn nothing_is_removed_while_other_run_changes_installation() {
    let Some(site) = Site::new("garbage-locked") else { return };
    site.applied(&site.build("dev", &[]), &[]);
    let old = config(&site);
    site.applied(&site.build("dev", &["config.logLevel=\"info\""]), &[]);
    site.plane.kubectl(&["-n", "garbage-locked", "delete", "replicaset", "--all"]);
    let beat = |heartbeat: u64| {
        let mut record = site.plane.get("garbage-locked", "configmap/relay-bundle.relay-dev");
        let mut head = site.head("relay-dev");
        head["lock"] = json!({"heartbeat": heartbeat, "holder": "somebody"});
        record["data"]["head.json"] = head.to_string().into();
        site.plane.replace(&record);
    };
    beat(1);
    let is_done = AtomicBool::new(false);

    let ran = std::thread::scope(|scope| {
        let gc = scope.spawn(|| {
            let ran = site.call(&["gc", "--live", "-n", "garbage-locked", "--yes"]);
            is_done.store(true, Ordering::Relaxed);
            ran
        });
        // The lock's holder is alive: its heartbeat advances until the other run has seen it.
        for heartbeat in 2.. {
            if is_done.load(Ordering::Relaxed) {
                break;
            }
            beat(heartbeat);
        }
        gc.join().unwrap()
    });

    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(ran.stderr.contains("somebody holds the lock"), "{}", ran.stderr);
    assert!(site.plane.has("garbage-locked", &format!("configmap/{old}")));
}
