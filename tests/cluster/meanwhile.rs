//! Tests concurrent writes by other managers during plan and apply, and fields that they added to
//! applied objects: none is merged silently.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::control_plane::ControlPlane;
use crate::platform;
use crate::proxy::{Fault, Proxy, Seen};
use crate::site::Site;

const RELAY: &str = "relay-dev-claude-relay";

/// Creates a Service with the bundle's name, once, as another manager.
fn intrude(plane: &ControlPlane, namespace: &str, done: &AtomicBool) {
    if !done.swap(true, Ordering::SeqCst) {
        let service = format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: {RELAY}, namespace: {namespace}}}\n\
             spec: {{ports: [{{port: 81, name: own}}]}}\n"
        );
        plane.feed(&["create", "--field-manager=intruder", "-f", "-"], &service);
    }
}

fn is_service_write(seen: &Seen) -> bool {
    seen.is_object_write() && seen.path.contains(&format!("/services/{RELAY}?"))
}

#[test]
fn object_created_by_others_after_plan_is_not_written() {
    let Some(site) = Site::new("meanwhile-plan") else { return };
    let (plane, namespace, done) = (site.plane, site.namespace.clone(), AtomicBool::new(false));
    let proxy = Proxy::before(plane, move |seen| {
        // The run takes the lock after it has made the plan.
        if seen.method == "POST" && seen.is_write() && seen.path.contains("/configmaps") {
            intrude(plane, &namespace, &done);
        }
        Fault::None
    });
    let bundle = site.build("dev", &[]);

    let ended = site.apply_through(&proxy, &bundle, &[]);

    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    let why = format!(
        "Service/{RELAY} was created by intruder after planning; nothing was written to it"
    );
    assert!(ended.stderr.contains(&why), "{}", ended.stderr);
    assert!(!proxy.seen().iter().any(is_service_write));
    let again = site.apply(&bundle, &["--yes"]);
    assert_eq!(again.code, 4, "{}", again.stderr);
    assert!(again.stderr.contains("its fields are owned by intruder"), "{}", again.stderr);
    site.plane.kubectl(&["-n", &site.namespace, "delete", "service", RELAY]);
    site.applied(&bundle, &[]);
}

#[test]
fn object_created_during_write_is_reported_and_ends_run() {
    let Some(site) = Site::new("meanwhile-moment") else { return };
    let (plane, namespace, done) = (site.plane, site.namespace.clone(), AtomicBool::new(false));
    let proxy = Proxy::before(plane, move |seen| {
        if is_service_write(seen) {
            intrude(plane, &namespace, &done);
        }
        Fault::None
    });
    let bundle = site.build("dev", &[]);

    let ended = site.apply_through(&proxy, &bundle, &[]);

    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    assert!(ended.stderr.contains("was created concurrently by intruder"), "{}", ended.stderr);
    assert!(ended.stderr.contains("our changes to it were rolled back"), "{}", ended.stderr);
    assert!(ended.stderr.contains("generation 1 stays pending"), "{}", ended.stderr);
    // The Service still belongs to the other manager, and is not taken over without consent.
    let again = site.apply(&bundle, &["--yes"]);
    assert_eq!(again.code, 4, "{}", again.stderr);
    assert!(again.stderr.contains("its fields are owned by intruder"), "{}", again.stderr);
    let taken = site.applied(&bundle, &["--adopt"]);
    assert!(taken["warnings"].to_string().contains("spec.ports[own]"), "{taken}");
}

#[test]
fn fields_added_by_others_are_reported_but_kept() {
    let Some(site) = Site::new("additions") else { return };
    let bundle = site.build("dev", &[]);
    site.applied(&bundle, &[]);
    let deployment = format!("deployment/{RELAY}");
    let set =
        ["-n", "additions", "set", "env", &deployment, "--containers=claude-relay", "EXTRA=1"];
    site.plane.kubectl(&set);
    let told = format!(
        "Deployment/{RELAY}: kubectl-set added spec.template.spec.containers[claude-relay].env[EXTRA]"
    );

    let ran = site.apply(&bundle, &["--yes"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stderr.contains(&told) && ran.stdout.contains("nothing was written"),
        "{}",
        ran.stderr
    );
    let ran = site.call(&["diff", bundle.as_str(), "--live"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains(&told) && ran.stdout.contains("no difference"), "{}", ran.stdout);
    let status = || site.call(&["status", "-n", "additions", "--name", "relay-dev"]).stdout;
    assert!(status().contains(&told), "{}", status());

    // A changed field of the bundle is not an addition.
    let (image, scale) = ("claude-relay=evil:1", "--replicas=4");
    site.plane.kubectl(&["-n", "additions", "set", "image", &deployment, image]);
    site.plane.kubectl(&["-n", "additions", "scale", &deployment, scale]);
    let changed = site.call(&["status", "-n", "additions", "--name", "relay-dev"]);
    assert_eq!(changed.code, 1, "{}", changed.stdout);
    let image = format!(
        "  ! Deployment/{RELAY}: spec.template.spec.containers[claude-relay].image: \"evil:1\", in the bundle "
    );
    for line in
        [image, format!("  ! Deployment/{RELAY}: spec.replicas: 4, in the bundle 1 (kubectl)")]
    {
        assert!(changed.stdout.contains(&line), "{line}: {}", changed.stdout);
    }
    assert!(
        !changed.stdout.contains("added spec.template.spec.containers[claude-relay].image"),
        "{}",
        changed.stdout
    );

    let unset =
        ["-n", "additions", "set", "env", &deployment, "--containers=claude-relay", "EXTRA-"];
    site.plane.kubectl(&unset);
    assert!(!status().contains("applying does not change that"), "{}", status());
}

#[test]
fn manual_port_change_is_explained_as_only_change() {
    let Some(site) = Site::new("port-by-hand") else { return };
    site.applied(&site.build("dev", &[]), &[]);
    let port = r#"[{"op": "replace", "path": "/spec/ports/0/port", "value": 8081}]"#;
    let service = format!("service/{RELAY}");
    site.plane.kubectl(&["-n", "port-by-hand", "patch", &service, "--type=json", "-p", port]);
    let bundle = site.build("dev", &["config.logLevel=\"info\""]);

    let ran = site.apply(&bundle, &["--dry-run", "--json"]);

    assert_eq!(ran.code, 4, "{}", ran.stderr);
    let way =
        format!("undo the change, `kubectl -n port-by-hand edit service {RELAY}`, and apply again");
    assert!(ran.stderr.contains("Duplicate value") && ran.stderr.contains(&way), "{}", ran.stderr);
    assert!(!ran.stdout.contains("clusterIP"), "{}", ran.stdout);
}

#[test]
fn plan_with_conflict_forecasts_restarts_from_live_objects() {
    let Some(site) = Site::new("conflict-forecast") else { return };
    site.applied(&site.build("dev", &[]), &[]);
    let theirs = format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {RELAY}, namespace: conflict-forecast}}\n\
         spec: {{revisionHistoryLimit: 3}}\n"
    );
    let arguments =
        ["apply", "--server-side", "--force-conflicts", "--field-manager=somebody", "-f", "-"];
    site.plane.feed(&arguments, &theirs);

    let ran = site.apply(&site.build("dev", &["replicaCount=1"]), &["--dry-run", "--json"]);

    let plan: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    for workload in plan["workloads"].as_array().unwrap() {
        assert_eq!(workload["restart"], "no", "{workload}");
    }
}

#[test]
fn kubectl_and_apply_can_alternate_with_empty_variable() {
    let Some(site) = Site::new("empty-variable") else { return };
    let site = site.with_namespace();
    platform::ensure(site.plane, &site.namespace);
    let bundle = site.build("production", &[&platform::own_monitoring(&site.namespace)]);
    site.applied(&bundle, &["--first-install", "--no-recovery"]);
    let emit = [
        "verify",
        bundle.as_str(),
        "--trust",
        "trust.toml",
        "--emit",
        "--secrets-exist",
        "--quiet",
    ];
    let emitted = site.run(&emit).stdout;
    assert!(emitted.contains("- name: NODE_EXTRA_CA_CERTS\n"), "{emitted}");

    site.plane.feed(&["apply", "--server-side", "-f", "-"], &emitted);

    assert_eq!(site.applied(&bundle, &[])["done"]["written"], 0);
    site.plane.feed(&["apply", "--server-side", "-f", "-"], &emitted);
}
