//! Tests `remove`: it deletes everything that was installed, pods first; data, keys and the record
//! remain, and the next apply finds them.

use serde_json::Value;

use crate::site::Site;

const KINDS: &str = "deployments,replicasets,statefulsets,pods,services,configmaps,secrets,serviceaccounts,\
                     persistentvolumeclaims,networkpolicies,poddisruptionbudgets,ingresses,horizontalpodautoscalers";

/// Returns the objects of the namespace, except those that Kubernetes itself adds.
fn left(site: &Site) -> Vec<String> {
    let objects = site.plane.list(&site.namespace, KINDS);
    let name = |object: &Value| {
        format!(
            "{}/{}",
            object["kind"].as_str().unwrap(),
            object["metadata"]["name"].as_str().unwrap()
        )
    };
    let mut names: Vec<String> = objects.iter().map(name).collect();
    names.retain(|name| name != "ConfigMap/kube-root-ca.crt" && name != "ServiceAccount/default");
    names.sort();
    names
}

#[test]
fn removal_keeps_data_and_keys_for_reinstallation() {
    let Some(site) = Site::new("remove") else { return };
    let site = site.with_namespace();
    let loki = [
        "create",
        "secret",
        "generic",
        "loki-credentials",
        "--from-literal=password=x",
        "-n",
        "remove",
    ];
    site.plane.kubectl(&loki);
    let bundle = site.build("loki-logging", &[]);
    site.applied(&bundle, &["--first-install", "--no-recovery"]);
    site.applied(&site.build("loki-logging", &["config.logLevel=\"debug\""]), &[]);
    let get = |object: &str| site.plane.get(&site.namespace, object);
    let kept = [
        "secret/relay-loki-claude-relay-encryption-key",
        "secret/relay-loki-claude-relay-generated",
    ];
    let values = kept.map(|secret| get(secret)["data"].clone());
    let claims = site.plane.list(&site.namespace, "persistentvolumeclaims");
    assert!(!claims.is_empty());
    site.await_leaving_pods();
    let everything = left(&site);

    let remove = ["remove", "-n", "remove", "--name", "relay-loki"];
    let asked = site.call(&remove);
    assert_eq!(asked.code, 2, "{}", asked.stderr);
    let shown = site.call(&[&remove[..], &["--dry-run"]].concat());
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    assert_eq!(left(&site), everything);
    for said in [
        "delete    Deployment/",
        "stays     PersistentVolumeClaim/",
        "-encryption-key: without this key",
    ] {
        assert!(shown.stdout.contains(said), "{said}: {}", shown.stdout);
    }
    let report = site.called(&remove);

    let mut wanted: Vec<String> =
        kept.iter().map(|name| name.replace("secret/", "Secret/")).collect();
    wanted.extend(["", ".1", ".2"].map(|end| format!("ConfigMap/relay-bundle.relay-loki{end}")));
    wanted.extend(claims.iter().map(|claim| {
        format!("PersistentVolumeClaim/{}", claim["metadata"]["name"].as_str().unwrap())
    }));
    wanted.push("Secret/loki-credentials".to_owned());
    wanted.sort();
    assert_eq!(left(&site), wanted);
    assert_eq!(report["done"], true);
    let moments = site.references_hold();
    assert!(moments > 25, "{moments}");
    let head = site.head("relay-loki");
    assert_eq!((&head["generations"][1]["state"], head.get("lock")), (&"removed".into(), None));
    let status = site.call(&["status", "-n", "remove"]);
    assert_eq!(status.code, 1, "{}", status.stderr);
    assert!(status.stdout.contains("removed"), "{}", status.stdout);

    // Nothing is left to remove, and a rollback restores the installation with the same data and
    // keys.
    assert_eq!(site.called(&remove)["delete"], serde_json::json!([]));
    let report = site.called(&["rollback", "-n", "remove", "--trust", "trust.toml"]);
    assert_eq!(report["generated"], serde_json::json!([]));
    assert_eq!(kept.map(|secret| get(secret)["data"].clone()), values);
    let uids = |claims: &[Value]| {
        claims.iter().map(|claim| claim["metadata"]["uid"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(uids(&site.plane.list(&site.namespace, "persistentvolumeclaims")), uids(&claims));
    site.called(&remove);
    site.applied(&site.build("loki-logging", &["config.logLevel=\"error\""]), &[]);
    assert_eq!(kept.map(|secret| get(secret)["data"].clone()), values);
}

#[test]
fn killed_removal_can_be_rerun_and_keeps_foreign_objects() {
    let Some(site) = Site::new("remove-again") else { return };
    site.applied(&site.build("dev", &["serviceAccount.name=\"own\""]), &[]);
    // The object is deleted and recreated under the same name, and another manager has taken over
    // one of our objects.
    site.plane.kubectl(&["-n", "remove-again", "delete", "serviceaccount/own"]);
    site.plane.kubectl(&["-n", "remove-again", "create", "serviceaccount", "own"]);
    let service = "service/relay-dev-redis";
    let label = "app.kubernetes.io/managed-by=somebody";
    site.plane.kubectl(&["-n", "remove-again", "label", "--overwrite", service, label]);
    // The state after a run that is killed after its first objects: a Deployment is deleted after
    // its pods.
    let deployment = "deployment/relay-dev-claude-relay";
    site.plane.kubectl(&["-n", "remove-again", "delete", "--cascade=foreground", deployment]);
    let name = "configmap/relay-bundle.relay-dev";
    let mut record = site.plane.get(&site.namespace, name);
    let mut head = site.head("relay-dev");
    head["generations"][0]["state"] = "removing".into();
    head["lock"] = serde_json::json!({"heartbeat": 7, "holder": "process 1 (dead)"});
    record["data"]["head.json"] = head.to_string().into();
    site.plane.replace(&record);

    site.called(&["remove", "-n", "remove-again", "--break-lock"]);

    let wanted = [
        "ConfigMap/relay-bundle.relay-dev",
        "ConfigMap/relay-bundle.relay-dev.1",
        "Service/relay-dev-redis",
        "ServiceAccount/own",
    ];
    assert_eq!(left(&site), wanted);
    assert_eq!(site.head("relay-dev")["generations"][0]["state"], "removed");
}

#[test]
fn failed_first_install_can_be_removed() {
    let Some(site) = Site::new("remove-failed") else { return };
    let bad =
        site.build("dev", &["podAnnotations={\"relay-bundle.test/fail\"=\"ImagePullBackOff\"}"]);
    assert_eq!(site.apply(&bad, &["--yes", "--timeout", "1"]).code, 4);

    site.called(&["remove", "-n", "remove-failed"]);

    assert_eq!(
        left(&site),
        ["ConfigMap/relay-bundle.relay-dev", "ConfigMap/relay-bundle.relay-dev.1"]
    );
    assert_eq!(site.head("relay-dev")["generations"][0]["state"], "abandoned");
}
