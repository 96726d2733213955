//! Tests that objects that do not become ready are reported with the reason, and so are objects
//! that are deleted during the run.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::proxy::{Fault, Proxy};
use crate::site::Site;

/// Applies a bundle whose relay does not become ready, until a line about its pod or ReplicaSet
/// states the reason.
///
/// On a busy machine, more than one run may be needed, because each has a timeout.
#[track_caller]
fn unready(site: &Site, settings: &[&str], wanted: &str) {
    let bundle = site.build("dev", settings);
    let start = Instant::now();
    loop {
        let ran = site.apply(&bundle, &["--yes", "--timeout", "3"]);
        assert_eq!(ran.code, 4, "{settings:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("not ready after 3 s: "), "{}", ran.stderr);
        let head = site.head("relay-dev");
        let last = head["generations"].as_array().unwrap().last().unwrap();
        assert_eq!((&last["state"], head.get("lock")), (&"pending".into(), None), "{settings:?}");
        let about = |line: &&str| line.starts_with("  relay-dev-claude-relay-");
        if ran.stderr.lines().filter(about).any(|line| line.contains(wanted)) {
            return;
        }
        assert!(start.elapsed() < Duration::from_mins(1), "{settings:?}: {}", ran.stderr);
    }
}

#[test]
fn unready_pod_is_reported_with_container_and_reason() {
    let Some(site) = Site::new("unready") else { return };
    let table = [
        ("ImagePullBackOff", "claude-relay: ImagePullBackOff: Back-off pulling image"),
        (
            "CreateContainerConfigError",
            "claude-relay: CreateContainerConfigError: secret \"missing\" not found",
        ),
        (
            "CrashLoopBackOff",
            "claude-relay: CrashLoopBackOff after Error (exit code 1): back-off 40s",
        ),
        (
            "OOMKilled",
            "claude-relay: CrashLoopBackOff after OOMKilled (exit code 137): back-off 40s",
        ),
        ("NeverReady", "claude-relay: running, but not ready"),
        ("InitCrashLoop", "prepare: CrashLoopBackOff after Error (exit code 1): back-off 40s"),
    ];
    for (reason, wanted) in table {
        let setting = format!("podAnnotations={{\"relay-bundle.test/fail\"=\"{reason}\"}}");
        unready(&site, &[&setting], &format!("/{wanted}"));
    }
    site.applied(&site.build("dev", &[]), &[]);
}

#[test]
fn unschedulable_pod_is_reported_with_scheduler_message() {
    let Some(site) = Site::new("unschedulable") else { return };

    unready(&site, &["nodeSelector={disk=\"none\"}"], ": Unschedulable: 0/3 nodes are available");
}

#[test]
fn problem_is_reported_once_early_and_restart_warns_of_pending() {
    let Some(site) = Site::new("told-early") else { return };
    site.applied(&site.build("dev", &[]), &[]);
    let bundle = site.build("dev", &["nodeSelector={disk=\"none\"}"]);

    // The cluster may need some time to report it.
    let ran = site.until_said("problem  relay-dev-claude-relay-", |site| {
        site.apply(&bundle, &["--yes", "--timeout", "8"])
    });

    let about = |line: &&str| line.starts_with("problem  relay-dev-claude-relay-");
    let told: Vec<&str> = ran.stderr.lines().filter(about).collect();
    assert!(
        told.len() == 1 && told[0].contains(": Unschedulable: 0/3 nodes are available"),
        "{told:#?}"
    );
    let at = |text: &str| ran.stderr.find(text).unwrap();
    assert!(at("problem  ") < at("not ready after 8 s"), "{}", ran.stderr);
    let restarted = site.call(&[
        "restart",
        "relay-dev-claude-relay",
        "-n",
        "told-early",
        "--yes",
        "--timeout",
        "1",
    ]);
    assert!(
        restarted.stderr.contains("warning: generation 2 is pending: "),
        "{}",
        restarted.stderr
    );
}

#[test]
fn timed_out_rollout_resumes_when_missing_node_appears() {
    let Some(site) = Site::new("given-up") else { return };
    let bundle = site.build("dev", &["nodeSelector={\"relay-bundle.test/late\"=\"yes\"}"]);
    assert_eq!(site.apply(&bundle, &["--yes", "--timeout", "1"]).code, 4);
    let deployment = "deployment/relay-dev-claude-relay";
    let kubectl =
        |arguments: &[&str]| site.plane.kubectl(&[&["-n", "given-up"], arguments].concat());
    let patch = |seconds: u32| format!(r#"{{"spec": {{"progressDeadlineSeconds": {seconds}}}}}"#);
    kubectl(&["patch", deployment, "-p", &patch(1)]);
    let given_up = r#"jsonpath={.status.conditions[?(@.type=="Progressing")].reason}=ProgressDeadlineExceeded"#;
    kubectl(&["wait", deployment, "--timeout=60s", "--for", given_up]);
    kubectl(&["patch", deployment, "-p", &patch(600)]);

    // The node appears during the wait.
    let node = kubectl(&["get", "nodes", "-o", "name"]).lines().next().unwrap().to_owned();
    let plane = site.plane;
    let looked = Mutex::new(0);
    let proxy = Proxy::before(site.plane, move |seen| {
        let mut looked = looked.lock().unwrap();
        *looked += i32::from(
            !seen.is_write() && seen.path.ends_with("/deployments/relay-dev-claude-relay"),
        );
        if *looked == 5 {
            plane.kubectl(&["label", &node, "relay-bundle.test/late=yes", "--overwrite"]);
        }
        Fault::None
    });
    let ended = site.apply_through(&proxy, &bundle, &["--timeout", "60"]);

    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[test]
fn quota_that_blocks_pods_is_reported_with_replica_set() {
    let Some(site) = Site::new("no-quota") else { return };
    let site = site.with_namespace();
    site.applied(&site.build("dev", &[]), &[]);
    // The quota allows one more pod, and the plan tests one.
    let used = site.plane.list("no-quota", "pods").len();
    site.limit(&json!({"pods": (used + 1).to_string()}));

    unready(&site, &["replicaCount=3"], ": FailedCreate: pods \"relay-dev-claude-relay-");
}

#[test]
fn terminating_namespace_is_refused_before_any_write() {
    let Some(site) = Site::new("going") else { return };
    let site = site.with_namespace();
    let bundle = site.build("dev", &[]);
    hold(&site);
    site.plane.kubectl(&["delete", "namespace", "going", "--wait=false"]);

    let ran = site.apply(&bundle, &["--yes"]);

    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("Namespace/going is being deleted; nothing was changed"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("kubectl wait --for=delete namespace/going"), "{}", ran.stderr);
    release(&site);
    site.plane.kubectl(&["wait", "--for=delete", "namespace/going", "--timeout=60s"]);
    assert_eq!(site.applied(&bundle, &[])["done"]["generation"], 1);
}

#[test]
fn namespace_deleted_during_run_is_reported_and_rerun_succeeds() {
    let Some(site) = Site::new("goes") else { return };
    let site = site.with_namespace();
    let bundle = site.build("dev", &[]);
    hold(&site);
    let plane = site.plane;
    let proxy = at_first_service(&site, move || {
        plane.kubectl(&["delete", "namespace", "goes", "--wait=false"]);
    });

    let ended = site.apply_through(&proxy, &bundle, &[]);

    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    assert!(ended.stderr.contains("because it is being terminated"), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("the namespace is being deleted: wait until it is gone"),
        "{}",
        ended.stderr
    );
    release(&site);
    plane.kubectl(&["wait", "--for=delete", "namespace/goes", "--timeout=60s"]);
    assert_eq!(site.applied(&bundle, &[])["done"]["generation"], 1);
}

#[test]
fn deleted_object_is_recreated_or_reported_and_fixed_by_rerun() {
    let Some(site) = Site::new("deleted") else { return };
    let plane = site.plane;
    let first = site.build("dev", &[]);
    site.applied(&first, &[]);
    let delete =
        |name: &'static str| move || drop(plane.kubectl(&["-n", "deleted", "delete", name]));
    let changed = site.build("dev", &["config.logLevel=\"info\"", "service.annotations={a=\"b\"}"]);

    // An object that is deleted before it is applied is created.
    let proxy = at_first_service(&site, delete("service/relay-dev-claude-relay"));
    let ended = site.apply_through(&proxy, &changed, &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(plane.has("deleted", "service/relay-dev-claude-relay"));

    // An object is deleted during the wait.
    let again = site.build("dev", &["config.logLevel=\"warn\"", "service.annotations={a=\"c\"}"]);
    let proxy = at_first_service(&site, delete("statefulset/relay-dev-redis"));
    let ended = site.apply_through(&proxy, &again, &[]);
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("StatefulSet/relay-dev-redis: it was deleted by another client"),
        "{}",
        ended.stderr
    );
    site.applied(&again, &[]);
    assert!(plane.has("deleted", "statefulset/relay-dev-redis"));

    // The record itself is deleted.
    let last = site.build("dev", &["config.logLevel=\"error\"", "service.annotations={a=\"d\"}"]);
    let proxy = at_first_service(&site, delete("configmap/relay-bundle.relay-dev"));
    let ended = site.apply_through(&proxy, &last, &[]);
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    assert!(
        ended.stderr.contains(
            "ConfigMap/relay-bundle.relay-dev was deleted by another client during this run"
        ),
        "{}",
        ended.stderr
    );
    site.applied(&last, &[]);
}

/// Keeps a deleted namespace until it is released.
fn hold(site: &Site) {
    let name = &site.namespace;
    site.plane.ensure(&format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: held, namespace: {name}, finalizers: [relay-bundle.test/held]}}\n"
    ));
}

fn release(site: &Site) {
    let patch = "{\"metadata\": {\"finalizers\": null}}";
    site.plane.kubectl(&[
        "-n",
        &site.namespace,
        "patch",
        "configmap",
        "held",
        "--type=merge",
        "-p",
        patch,
    ]);
}

/// Runs an action once, before the first Service is written.
fn at_first_service(site: &Site, act: impl FnOnce() + Send + 'static) -> Proxy {
    let act = Mutex::new(Some(act));
    Proxy::before(site.plane, move |seen| {
        if seen.is_write()
            && seen.path.contains("/services/")
            && let Some(act) = act.lock().unwrap().take()
        {
            act();
        }
        Fault::None
    })
}
