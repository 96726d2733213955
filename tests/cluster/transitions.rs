//! Upgrades every shipped profile to every other one in place: the upgrade works, or is rejected
//! before anything is written.

use std::collections::BTreeSet;
use std::sync::Mutex;

use camino::Utf8PathBuf;
use serde_json::Value;

use crate::happened::{forecast, happened, revisions};
use crate::platform;
use crate::proxy::{Fault, Proxy};
use crate::site::Site;

const CLASSES: &str = "
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: fast-ssd}
provisioner: relay-bundle.test/volumes
volumeBindingMode: WaitForFirstConsumer
allowVolumeExpansion: true
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: bulk}
provisioner: relay-bundle.test/volumes
volumeBindingMode: WaitForFirstConsumer
allowVolumeExpansion: true
";

/// The objects that the profiles need besides the platform's.
///
/// The values are those that `dev` contains in clear text, so that a change of a secret's form does
/// not change its value.
const SECRETS: &str = "
apiVersion: v1
kind: Secret
metadata: {name: loki-credentials, namespace: NAMESPACE}
stringData: {password: none}
---
apiVersion: v1
kind: Secret
metadata: {name: relay-claude-relay-encryption-key, namespace: NAMESPACE}
stringData: {encryption-key: 'development-only-32-characters!!'}
---
apiVersion: v1
kind: Secret
metadata: {name: relay-claude-relay-generated, namespace: NAMESPACE}
stringData: {jwt-secret: development-only, admin-password: change-me-in-dev, redis-password: none}
";

const NAME: &str = "release.name=\"relay\"";
const CONSENT: [&str; 2] = ["--first-install", "--no-recovery"];

/// Returns a site with all objects that any profile needs.
fn place(namespace: &str) -> Option<Site> {
    let site = Site::new(namespace)?.with_namespace();
    platform::ensure(site.plane, namespace);
    site.plane.ensure(CLASSES);
    site.plane.ensure(&SECRETS.replace("NAMESPACE", namespace));
    Some(site)
}

/// Builds a profile under the name that all transitions share.
#[track_caller]
fn build(site: &Site, profile: &str, settings: &[&str]) -> Utf8PathBuf {
    let monitoring = platform::own_monitoring(&site.namespace);
    let own = [NAME].into_iter().chain((profile == "production").then_some(monitoring.as_str()));
    site.build(profile, &own.chain(settings.iter().copied()).collect::<Vec<_>>())
}

/// Returns the objects of an installation that are neither in the plan nor kept on purpose.
fn orphans(site: &Site, plan: &Value) -> Vec<String> {
    let name = |object: &Value| {
        format!("{}/{}", object["kind"].as_str().unwrap(), object["name"].as_str().unwrap())
    };
    let known = ["steps", "pruneLater"].into_iter().flat_map(|list| plan[list].as_array().unwrap());
    let known: BTreeSet<String> = known.map(name).collect();
    let kinds = "networkpolicies,serviceaccounts,configmaps,secrets,services,statefulsets,deployments,\
                 horizontalpodautoscalers,poddisruptionbudgets,ingresses";
    let is_ours = |object: &&Value| {
        let labels = &object["metadata"]["labels"];
        let component = labels["app.kubernetes.io/component"].as_str().unwrap_or_default();
        labels["app.kubernetes.io/managed-by"] == "relay-bundle" && !component.starts_with("record")
    };
    let live = site.plane.list(&site.namespace, kinds);
    let named = |object: &Value| {
        format!(
            "{}/{}",
            object["kind"].as_str().unwrap(),
            object["metadata"]["name"].as_str().unwrap()
        )
    };
    live.iter().filter(is_ours).map(named).filter(|name| !known.contains(name)).collect()
}

/// Applies one profile and then another; the second must work, and leave only its own objects.
#[track_caller]
fn becomes(from: &str, to: &str, settings: &[&str]) {
    let Some(site) = place(&format!("{from}-{to}-{}", settings.len())) else { return };
    site.applied(&build(&site, from, settings), &CONSENT);
    let before = revisions(&site);
    let bundle = build(&site, to, settings);

    let report = site.applied(&bundle, &CONSENT);

    assert_eq!(forecast(&report), happened(&before, &revisions(&site)), "{from} to {to}");
    let ran = site.apply(&bundle, &["--dry-run", "--json"]);
    let plan: Value = serde_json::from_str(&ran.stdout).unwrap();
    let changed = plan["steps"].as_array().unwrap().iter().filter(|step| step["action"] != "keep");
    assert_eq!(changed.collect::<Vec<_>>(), Vec::<&Value>::new(), "{from} to {to}");
    assert_eq!(
        (&plan["prune"], &plan["pruneFirst"]),
        (&Value::Array(vec![]), &Value::Array(vec![]))
    );
    assert_eq!(orphans(&site, &plan), Vec::<String>::new(), "{from} to {to}");
}

/// Applies one profile and then another; the second must be rejected because of Redis's volume, and
/// write nothing.
#[track_caller]
fn is_refused(from: &str, to: &str) {
    let Some(site) = place(&format!("{from}-{to}")) else { return };
    site.applied(&build(&site, from, &[]), &CONSENT);
    let before = site.versions();

    let ran = site.apply(&build(&site, to, &[]), &["--yes", CONSENT[0], CONSENT[1]]);

    assert_eq!(ran.code, 4, "{from} to {to}: {}", ran.stderr);
    let reason = "PersistentVolumeClaim/relay-redis-data: its storage class is";
    assert!(ran.stderr.contains(reason), "{from} to {to}: {}", ran.stderr);
    assert_eq!(site.versions(), before);
}

#[test]
fn late_write_of_removed_autoscaler_is_overridden() {
    let Some(site) = place("last-word") else { return };
    site.applied(&build(&site, "production", &[]), &CONSENT);
    let bundle = build(&site, "dev", &[]);
    // The autoscaler's controller writes once more after the Deployment is applied.
    let (plane, namespace) = (site.plane, site.namespace.clone());
    let stage = Mutex::new(0);
    let proxy = Proxy::before(site.plane, move |seen| {
        let mut stage = stage.lock().unwrap();
        let is_deployment = seen.path.contains("/deployments/relay-claude-relay");
        *stage = match *stage {
            0 if seen.is_write()
                && seen.path.contains("/horizontalpodautoscalers/")
                && !seen.path.contains("dryRun") =>
            {
                1
            }
            1 if seen.is_write() && is_deployment && !seen.path.contains("dryRun") => 2,
            2 if !seen.is_write() && is_deployment => {
                let scale = [
                    "patch",
                    "deployment/relay-claude-relay",
                    "--subresource=scale",
                    "--type=merge",
                ];
                let by = [
                    "--field-manager=kube-controller-manager",
                    "-p",
                    r#"{"spec": {"replicas": 3}}"#,
                ];
                plane.kubectl(&[&["-n", &namespace], &scale[..], &by].concat());
                3
            }
            other => other,
        };
        Fault::None
    });

    let ended = site.apply_through(&proxy, &bundle, &CONSENT);

    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let replicas =
        &site.plane.get(&site.namespace, "deployment/relay-claude-relay")["spec"]["replicas"];
    assert_eq!(*replicas, 1, "{}", ended.stderr);
}

#[test]
fn dev_becomes_every_other_profile() {
    for to in ["production", "loki-logging", "pvc-logs"] {
        becomes("dev", to, &[]);
    }
}

#[test]
fn production_becomes_every_other_profile() {
    for to in ["dev", "loki-logging", "pvc-logs"] {
        becomes("production", to, &[]);
    }
}

#[test]
fn loki_logging_becomes_any_profile_except_for_storage_class() {
    for to in ["dev", "production"] {
        becomes("loki-logging", to, &[]);
    }
    is_refused("loki-logging", "pvc-logs");
    becomes("loki-logging", "pvc-logs", &["redis.persistence.storageClass=\"fast-ssd\""]);
}

#[test]
fn pvc_logs_becomes_any_profile_except_for_storage_class() {
    for to in ["dev", "production"] {
        becomes("pvc-logs", to, &[]);
    }
    is_refused("pvc-logs", "loki-logging");
    becomes("pvc-logs", "loki-logging", &["redis.persistence.storageClass=\"fast-ssd\""]);
}
