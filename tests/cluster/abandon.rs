//! Tests `remove --abandon`: it returns a partly adopted release to Helm, wherever the adoption was
//! interrupted.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use serde_json::{Value, json};

use crate::console;
use crate::helm::{ADMIN, Helm, RELEASE, SECRET, with_newer_key};
use crate::proxy::{Fault, Proxy, Seen, When};
use crate::site::Ran;
use crate::started::{spawn, spawn_as_it_is};
use crate::state::{State, objects, secrets, state, uids};

/// The state that must be equal before an adoption and after its abandonment.
struct Before {
    state: State,
    secrets: BTreeMap<String, Value>,
    uids: BTreeMap<String, String>,
    pods: Vec<(String, String)>,
}

impl Before {
    fn of(helm: &Helm) -> Self {
        let all = objects(helm.site.plane, &helm.site.namespace);
        let pods = helm.pods();
        Self { state: chart_of(&all, helm), secrets: secrets(&all), uids: uids(&all), pods }
    }
}

/// Returns the objects of the chart without `ReplicaSets` and `ControllerRevisions`, which count
/// generations.
fn chart_of(all: &[Value], helm: &Helm) -> State {
    let is_counted =
        |name: &str| name.starts_with("ReplicaSet/") || name.starts_with("ControllerRevision/");
    let mut state = state(all, &helm.site.namespace);
    state.retain(|name, _| !is_counted(name));
    state
}

/// Kills an adoption before a write.
fn killed_at(helm: &Helm, bundle: &Utf8PathBuf, more: &[&str], is_it: fn(&Seen) -> bool) {
    let proxy = Proxy::before(helm.site.plane, move |seen| {
        if seen.is_write() && is_it(seen) { Fault::Kill(When::Before) } else { Fault::None }
    });
    let arguments = ["adopt", "--from-helm", RELEASE, bundle.as_str(), "--recreate-redis"];
    let ended = spawn(helm.site.path(), &proxy, &[&arguments[..], more].concat()).end();
    assert_eq!(ended.code, None, "{}", ended.stderr);
}

fn remove(helm: &Helm, more: &[&str]) -> Ran {
    let own = ["remove", "-n", &helm.site.namespace, "--name", RELEASE];
    helm.site.call(&[&own[..], more].concat())
}

#[track_caller]
fn abandoned(helm: &Helm) -> Value {
    let ran = remove(helm, &["--abandon", "--break-lock", "--yes", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap()
}

/// Asserts that the release is unchanged, has all its pods, and that the report names all other
/// objects.
#[track_caller]
fn is_helms(helm: &Helm, before: &Before, report: &Value) {
    let site = &helm.site;
    site.await_leaving_pods();
    let all = objects(site.plane, &site.namespace);
    let now = chart_of(&all, helm);
    for (name, object) in &before.state {
        assert_eq!(now.get(name), Some(object), "{name}");
    }
    let (values, ids) = (secrets(&all), uids(&all));
    assert!(before.secrets.iter().all(|(name, value)| values.get(name) == Some(value)));
    let claim = "PersistentVolumeClaim/data-claude-relay-redis-0";
    assert_eq!(before.uids.get(claim), ids.get(claim));
    let told = report.to_string();
    for name in now.keys().filter(|name| !before.state.contains_key(*name)) {
        let is_record = name.starts_with("ConfigMap/relay-bundle.claude-relay");
        assert!(is_record || told.contains(name), "{name} is left and not told: {report:#}");
    }
    for pod in site.plane.list(&site.namespace, "pods") {
        assert!(pod["metadata"]["ownerReferences"].is_array(), "{}", pod["metadata"]["name"]);
    }
    assert_eq!(site.head(RELEASE).get("adopting"), None);
    assert_eq!(site.head(RELEASE).get("lock"), None);
    site.references_hold();
}

/// Returns a release whose adoption was killed, and the state before it.
fn interrupted(namespace: &str, is_it: fn(&Seen) -> bool) -> Option<(Helm, Utf8PathBuf, Before)> {
    let helm = Helm::install(namespace, &[ADMIN])?;
    let bundle = helm.build(&[]);
    let before = Before::of(&helm);
    killed_at(&helm, &bundle, &[], is_it);
    Some((helm, bundle, before))
}

fn of(seen: &Seen, method: &str, part: &str) -> bool {
    seen.method == method && seen.path.contains(part)
}

#[test]
fn remove_is_refused_while_adoption_is_unfinished() {
    let is_it = |seen: &Seen| of(seen, "PATCH", "/deployments/");
    let Some((helm, _, _)) = interrupted("abandon-refused", is_it) else { return };
    let before = helm.site.versions();

    for more in [&["--yes"][..], &["--dry-run"]] {
        let refused = remove(&helm, &[more, &["--break-lock"]].concat());
        assert_eq!(refused.code, 4, "{}", refused.stderr);
        let line = "remove --abandon -n abandon-refused --name claude-relay";
        assert!(refused.stderr.contains(line), "{}", refused.stderr);
        assert!(
            refused.stderr.contains("is not finished: run `relay-bundle adopt"),
            "{}",
            refused.stderr
        );
    }
    let shown = remove(&helm, &["--abandon", "--dry-run"]);

    assert_eq!(shown.code, 0, "{}", shown.stderr);
    assert!(
        shown.stdout.contains("replace   StatefulSet/claude-relay-redis: "),
        "{}",
        shown.stdout
    );
    assert!(
        shown.stdout.contains("return    Service/claude-relay: Helm's again"),
        "{}",
        shown.stdout
    );
    assert_eq!(helm.site.versions(), before);
}

#[test]
fn abandon_without_adoption_is_refused() {
    let Some(site) = crate::site::Site::new("abandon-nothing") else { return };
    site.applied(&site.build("dev", &[]), &[]);

    let refused = site.call(&["remove", "-n", "abandon-nothing", "--abandon", "--yes"]);

    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("nothing to abandon"), "{}", refused.stderr);
}

#[test]
fn abandon_of_just_begun_adoption_lets_helm_upgrade() {
    let is_it = |seen: &Seen| of(seen, "PUT", "/services/");
    let Some((helm, _, before)) = interrupted("abandon-begun", is_it) else { return };

    let report = abandoned(&helm);

    is_helms(&helm, &before, &report);
    assert_eq!(helm.pods(), before.pods);
    helm.chart("upgrade", &[ADMIN, "config.logLevel=debug"]);
}

#[test]
fn abandon_without_statefulset_keeps_pod_and_lets_helm_upgrade() {
    let is_it = |seen: &Seen| of(seen, "PATCH", "/statefulsets/");
    let Some((helm, _, before)) = interrupted("abandon-orphan", is_it) else { return };
    assert!(!helm.site.plane.has("abandon-orphan", "statefulset/claude-relay-redis"));

    let report = abandoned(&helm);

    is_helms(&helm, &before, &report);
    assert_eq!(helm.pods(), before.pods, "no pod restarts");
    helm.chart("upgrade", &[ADMIN, "config.logLevel=debug"]);
}

#[test]
fn abandon_with_redis_of_bundle_lets_helm_uninstall() {
    let is_it = |seen: &Seen| of(seen, "PATCH", "/deployments/");
    let Some((helm, _, before)) = interrupted("abandon-redis", is_it) else { return };

    let report = abandoned(&helm);

    is_helms(&helm, &before, &report);
    helm.site.takes_away_what_pods_name();
    let ran = helm.helm(&["uninstall", RELEASE, "--wait"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    helm.site.await_leaving_pods();
    assert_eq!(helm.pods(), []);
    assert!(
        helm.site.plane.has("abandon-redis", "persistentvolumeclaim/data-claude-relay-redis-0")
    );
}

#[test]
fn adoption_that_prunes_is_abandoned_and_begun_again() {
    let is_it = |seen: &Seen| of(seen, "DELETE", "/configmaps/claude-relay");
    let Some((helm, bundle, before)) = interrupted("abandon-prune", is_it) else { return };

    let report = abandoned(&helm);

    is_helms(&helm, &before, &report);
    helm.adopted(&bundle, &[]);
    assert_eq!(helm.traces(), [""; 0]);
    assert_eq!(helm.site.applied(&bundle, &[])["done"]["written"], 0);
}

#[test]
fn abandon_of_adoption_lacking_only_records_lets_helm_upgrade() {
    let is_it = |seen: &Seen| of(seen, "POST", "/secrets");
    let Some((helm, _, before)) = interrupted("abandon-records", is_it) else { return };

    let report = abandoned(&helm);

    is_helms(&helm, &before, &report);
    assert_eq!(report["helm"]["revision"], 1);
    helm.chart("upgrade", &[ADMIN, "config.logLevel=debug"]);
}

#[test]
fn abandoning_that_is_killed_is_run_again() {
    let is_it = |seen: &Seen| of(seen, "PATCH", "/deployments/");
    let Some((helm, _, before)) = interrupted("abandon-killed", is_it) else { return };
    for at in [2, 5, 8, 11] {
        let writes = std::sync::atomic::AtomicUsize::new(0);
        let proxy = Proxy::before(helm.site.plane, move |seen| {
            let count = || writes.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
            if seen.is_write() && count() == at { Fault::Kill(When::After) } else { Fault::None }
        });
        let own = ["remove", "--abandon", "-n", "abandon-killed", "--yes", "--break-lock"];
        spawn_as_it_is(helm.site.path(), &proxy, &own).end();
        let refused = remove(&helm, &["--yes", "--break-lock"]);
        assert!(refused.stderr.contains("remove --abandon"), "{at}: {}", refused.stderr);
    }

    let report = abandoned(&helm);

    is_helms(&helm, &before, &report);
}

#[test]
fn release_that_would_start_with_another_key_is_not_given_back() {
    let Some((helm, running, stored)) = with_newer_key("abandon-key") else { return };
    let site = &helm.site;
    let bundle = helm.build_with_own_keys();
    let is_it = |seen: &Seen| of(seen, "DELETE", "/configmaps/claude-relay");
    killed_at(&helm, &bundle, &["--key-from-revision", "1"], is_it);
    assert_eq!(helm.value(SECRET, "encryption-key"), stored[0]);
    let before = site.versions();

    let refused = remove(&helm, &["--abandon", "--break-lock", "--yes"]);

    assert_eq!(refused.code, 4, "{}", refused.stderr);
    assert!(refused.stderr.contains("would start with a different one"), "{}", refused.stderr);
    assert_eq!(site.versions(), before);
    // The command of the hint, run in a shell.
    let (_, line) =
        refused.stderr.split_once("or copy the key to the release first: kubectl ").unwrap();
    let line = line.lines().next().unwrap();
    let config = site.plane.kubeconfig.to_str().unwrap();
    console::run(
        site.path().as_std_path(),
        &[site.plane.tools()],
        config,
        &format!("kubectl {line}"),
    );
    assert_eq!(helm.value(SECRET, "encryption-key"), running[0]);
    let report = abandoned(&helm);
    assert_eq!(report["done"], json!(true));
    assert_eq!(helm.value(SECRET, "encryption-key"), running[0]);
    assert_eq!(helm.value("claude-relay-encryption-key", "encryption-key"), running[0]);
}

#[test]
fn remnants_of_release_without_records_are_listed() {
    let is_it = |seen: &Seen| of(seen, "PATCH", "/statefulsets/");
    let Some((helm, _, _)) = interrupted("abandon-unrecorded", is_it) else { return };
    helm.site.plane.kubectl(&["-n", "abandon-unrecorded", "delete", "secret", "-l", "owner=helm"]);
    helm.site.takes_away_what_pods_name();

    let report = abandoned(&helm);

    let stays = report["stays"].to_string();
    for left in
        ["Deployment/claude-relay", "Pod/claude-relay-redis-0", "Secret/claude-relay-secret"]
    {
        assert!(stays.contains(left), "{left}: {report:#}");
    }
}

#[test]
fn abandon_of_archived_records_is_refused() {
    let Some(helm) = Helm::install("abandon-archived", &[ADMIN]) else { return };
    let (site, bundle) = (&helm.site, helm.build(&[]));
    // Helm's records are gone, and the head still says that the adoption is in progress.
    let proxy = Proxy::before(site.plane, |seen| {
        if of(seen, "DELETE", "/secrets/sh.helm.release") {
            Fault::Kill(When::After)
        } else {
            Fault::None
        }
    });
    let arguments = ["adopt", "--from-helm", RELEASE, bundle.as_str(), "--recreate-redis"];
    spawn(site.path(), &proxy, &arguments).end();
    assert_eq!(site.head(RELEASE)["adopting"], RELEASE);
    let before = site.versions();

    for more in [&["--yes"][..], &["--dry-run"]] {
        let refused = remove(&helm, &[more, &["--abandon", "--break-lock"]].concat());
        assert_eq!(refused.code, 4, "{}", refused.stderr);
        assert!(refused.stderr.contains("it cannot be given back"), "{}", refused.stderr);
        assert!(refused.stderr.contains("adopt --from-helm claude-relay"), "{}", refused.stderr);
    }

    assert_eq!(site.versions(), before);
    helm.adopted(&bundle, &[]);
    assert_eq!(site.head(RELEASE).get("adopting"), None);
}
