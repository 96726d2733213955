//! Tests an unfinished adoption: only `adopt` continues it, and all other commands report it.

use camino::Utf8Path;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::helm::{ADMIN, Helm, RELEASE};
use crate::proxy::{Fault, Proxy, Seen, When};
use crate::started::{Ended, spawn};

/// Injects a fault into a write of an adoption, and returns the result.
fn disturbed(
    helm: &Helm,
    bundle: &Utf8Path,
    fault: Fault,
    is_it: impl Fn(&Seen) -> bool + Send + Sync + 'static,
) -> Ended {
    let proxy = Proxy::before(helm.site.plane, move |seen| {
        if seen.is_write() && is_it(seen) { fault.clone() } else { Fault::None }
    });
    let arguments = ["adopt", "--from-helm", RELEASE, bundle.as_str(), "--recreate-redis"];
    spawn(helm.site.path(), &proxy, &arguments).end()
}

#[test]
fn apply_waits_for_adoption_and_recreated_objects_are_owned() {
    let Some(helm) = Helm::install("adopt-unfinished", &[ADMIN]) else { return };
    let site = &helm.site;
    let bundle = helm.build(&[]);
    // The adoption has already replaced Redis's StatefulSet.
    let fault = Fault::Signal(Signal::TERM, When::Before);
    let is_it = |seen: &Seen| seen.method == "PATCH" && seen.path.contains("/deployments/");
    let ended = disturbed(&helm, &bundle, fault, is_it);
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    let place = ["-n", site.namespace.as_str()];
    let before = site.versions();

    for arguments in [&["--yes"][..], &["--dry-run"]] {
        let refused = site.apply(&bundle, arguments);
        assert_eq!(refused.code, 4, "{}", refused.stderr);
        let why = "the adoption of the Helm release `claude-relay` is not finished: run `relay-bundle adopt";
        assert!(refused.stderr.contains(why), "{}", refused.stderr);
    }
    let back = site.call(&[&["rollback", "--yes", "--trust", "trust.toml"][..], &place].concat());
    assert_eq!(back.code, 4, "{}", back.stderr);
    assert!(
        back.stderr.contains("the adoption of the Helm release `claude-relay` is not finished"),
        "{}",
        back.stderr
    );
    assert!(!back.stderr.contains("nothing has ever run"), "{}", back.stderr);
    let status = site.call(&[&["status", "--json"][..], &place].concat());
    let shown = site.call(&[&["status"][..], &place].concat());
    let removal = site.call(&[&["remove", "--dry-run"][..], &place].concat());
    assert_eq!(site.versions(), before);

    assert_eq!(
        (status.code, shown.code, removal.code),
        (1, 1, 4),
        "{}{}",
        status.stderr,
        removal.stderr
    );
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!(status["adopting"], RELEASE);
    let redis = status["objects"]
        .as_array()
        .unwrap()
        .iter()
        .find(|of| of["kind"] == "StatefulSet")
        .unwrap();
    assert_ne!(redis["standing"], "replaced", "{redis}");
    assert!(
        shown
            .stdout
            .contains("adopting    the Helm release claude-relay: in progress, or interrupted"),
        "{}",
        shown.stdout
    );
    assert!(
        shown.stderr.contains("adopt --from-helm claude-relay` with its bundle again"),
        "{}",
        shown.stderr
    );
    assert!(removal.stderr.contains("remove --abandon"), "{}", removal.stderr);

    helm.adopted(&bundle, &[]);
    assert_eq!(site.head(RELEASE).get("adopting"), None);
    assert_eq!(helm.traces(), [""; 0]);
    assert_eq!(
        site.applied(&bundle, &[])["done"],
        json!({"generation": 1, "written": 0, "pruned": []})
    );
    assert_eq!(site.call(&[&["status"][..], &place].concat()).code, 0);
}

#[test]
fn adoption_is_unfinished_until_it_sees_helm_records_gone() {
    let Some(helm) = Helm::install("adopt-records-left", &[ADMIN]) else { return };
    let site = &helm.site;
    let bundle = helm.build(&[]);
    let is_it = |seen: &Seen| seen.method == "POST" && seen.path.contains("/secrets");
    let ended = disturbed(&helm, &bundle, Fault::Kill(When::Before), is_it);
    assert_eq!(ended.code, None, "{}", ended.stderr);
    assert_eq!(site.head(RELEASE)["generations"][0]["state"], "deployed");

    let refused = site.apply(&bundle, &["--yes"]);
    assert!(refused.code == 4 && refused.stderr.contains("is not finished"), "{}", refused.stderr);
    // A user deletes Helm's records, as if nothing else were left to do.
    site.plane.kubectl(&["-n", &site.namespace, "delete", "secret", "-l", "owner=helm"]);
    helm.adopted(&bundle, &[]);

    assert_eq!(site.head(RELEASE).get("adopting"), None);
    assert_eq!(site.applied(&bundle, &[])["done"]["written"], 0);
}
