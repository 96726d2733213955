//! Tests the second plan of an adoption, which is made after Helm's fields are taken over, and its
//! rejections.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::helm::{ADMIN, Helm, RELEASE};
use crate::proxy::{Fault, Proxy, Seen};
use crate::started::{Ended, spawn};

/// Adopts through a proxy that injects `fault` once Redis's StatefulSet is deleted, when the second
/// plan is made.
fn adopt_through(
    helm: &Helm,
    bundle: &camino::Utf8Path,
    more: &[&str],
    fault: impl Fn(&Seen) -> Fault + Send + Sync + 'static,
) -> Ended {
    let is_second = AtomicBool::new(false);
    let script = move |seen: &Seen| {
        if seen.method == "DELETE" && seen.path.contains("/statefulsets/") {
            is_second.store(true, Ordering::SeqCst);
        }
        if is_second.load(Ordering::SeqCst) { fault(seen) } else { Fault::None }
    };
    let proxy = Proxy::before(helm.site.plane, script);
    let arguments = ["adopt", "--from-helm", RELEASE, bundle.as_str(), "--recreate-redis"];
    spawn(helm.site.path(), &proxy, &[&arguments[..], more].concat()).end()
}

#[test]
fn late_refusal_does_not_claim_nothing_was_changed() {
    let Some(helm) = Helm::install("adopt-refused-late", &[ADMIN]) else { return };
    let bundle = helm.build(&[]);

    let ended = adopt_through(&helm, &bundle, &[], |seen| {
        let is_trial = seen.path.contains("/deployments/") && seen.path.contains("dryRun=All");
        let status = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","code":422,"reason":"Invalid","message":"not today"}"#;
        if is_trial {
            Fault::Answer(422, "content-type: application/json", status)
        } else {
            Fault::None
        }
    });

    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    assert!(ended.stderr.contains("Deployment/claude-relay: "), "{}", ended.stderr);
    assert!(!ended.stderr.contains("nothing was changed"), "{}", ended.stderr);
    let deleted = "StatefulSet/claude-relay-redis is deleted, and its pods keep running";
    assert!(ended.stderr.contains(deleted), "{}", ended.stderr);
    assert!(!helm.site.plane.has(&helm.site.namespace, "statefulset/claude-relay-redis"));
    helm.adopted(&bundle, &[]);
    assert_eq!(helm.traces(), [""; 0]);
}

#[test]
fn field_taken_by_other_manager_after_approval_is_not_retaken() {
    let Some(helm) = Helm::install("adopt-taken-late", &[ADMIN]) else { return };
    let bundle = helm.build(&[]);
    let plane = helm.site.plane;
    let replicas = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: claude-relay, namespace: adopt-taken-late}\n\
                    spec: {replicas: 2}\n";
    let arguments =
        ["apply", "--server-side", "--force-conflicts", "--field-manager=operator", "-f", "-"];
    let is_taken = AtomicBool::new(false);

    let ended =
        adopt_through(&helm, &bundle, &["--force-conflicts", ".spec.replicas"], move |_| {
            if !is_taken.swap(true, Ordering::SeqCst) {
                plane.feed(&arguments, replicas);
            }
            Fault::None
        });

    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    assert!(ended.stderr.contains("the plan differs from the approved one"), "{}", ended.stderr);
    assert!(
        ended
            .stderr
            .contains("Deployment/claude-relay: .spec.replicas is taken over from operator"),
        "{}",
        ended.stderr
    );
    let deployment = plane.get(&helm.site.namespace, "deployment/claude-relay");
    assert_eq!(deployment["spec"]["replicas"], 2);
}
