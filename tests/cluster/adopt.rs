//! Tests adoption: a release that real Helm installed is taken over with its keys and data, and
//! Helm retains nothing.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::helm::{ADMIN, Helm, RELEASE, SECRET, with_newer_key};
use crate::proxy::{Fault, Proxy, When};
use crate::replicas::Counts;
use crate::started::spawn;

const CLAIM: &str = "persistentvolumeclaim/data-claude-relay-redis-0";

/// Returns the fate of each object in the report.
fn fates(report: &Value) -> Vec<String> {
    let objects = report["helm"]["objects"].as_array().unwrap().iter();
    let text = |of: &Value, field: &str| of[field].as_str().unwrap().to_owned();
    objects
        .map(|of| format!("{} {}/{}", text(of, "fate"), text(of, "kind"), text(of, "name")))
        .collect()
}

fn restarts(report: &Value) -> Vec<(String, String)> {
    let workloads = report["workloads"].as_array().unwrap().iter();
    let text = |of: &Value, field: &str| of[field].as_str().unwrap().to_owned();
    workloads.map(|of| (text(of, "kind"), text(of, "restart"))).collect()
}

fn uid(helm: &Helm, object: &str) -> String {
    helm.site.plane.get(&helm.site.namespace, object)["metadata"]["uid"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn release_is_adopted_with_keys_and_volume_leaving_helm_nothing() {
    let Some(helm) = Helm::install("adopt-whole", &[ADMIN, "storage.data.external.enabled=true"])
    else {
        return;
    };
    let site = &helm.site;
    let bundle = helm.build(&[]);
    let keys = ["encryption-key", "jwt-secret"].map(|key| helm.value(SECRET, key));
    let (claim, external) = (uid(&helm, CLAIM), "persistentvolumeclaim/claude-relay-external-data");
    let (external_uid, service) = (uid(&helm, external), uid(&helm, "service/claude-relay"));
    let (before, pods) = (site.versions(), helm.pods());

    let ran = helm.adopt(&bundle, &["--dry-run", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let plan: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((site.versions(), helm.pods()), (before, pods.clone()), "a dry run wrote something");
    assert_eq!(
        fates(&plan),
        [
            "adopt Deployment/claude-relay",
            "recreate StatefulSet/claude-relay-redis",
            "prune ConfigMap/claude-relay-config",
            "prune ConfigMap/claude-relay-fluent-bit-config",
            "prune ConfigMap/claude-relay-redis-config",
            "adopt PersistentVolumeClaim/claude-relay-external-data",
            "keep Secret/claude-relay-secret",
            "adopt Service/claude-relay",
            "adopt Service/claude-relay-redis",
            "adopt ServiceAccount/claude-relay",
        ]
    );

    let report = helm.adopted(&bundle, &[]);

    assert_eq!(restarts(&report), restarts(&plan));
    let yes = |kind: &str| (kind.to_owned(), "yes".to_owned());
    assert_eq!(restarts(&report), [yes("StatefulSet"), yes("Deployment")]);
    assert_eq!(["encryption-key", "jwt-secret"].map(|key| helm.value(SECRET, key)), keys);
    assert_eq!(
        [uid(&helm, CLAIM), uid(&helm, external), uid(&helm, "service/claude-relay")],
        [claim, external_uid, service]
    );
    let redis = site.plane.get(&site.namespace, "pod/claude-relay-redis-0");
    assert!(
        redis["spec"]["volumes"]
            .to_string()
            .contains("\"claimName\":\"data-claude-relay-redis-0\""),
        "{redis}"
    );
    assert_eq!(helm.traces(), [""; 0]);
    let listed = helm.helm(&["list", "--short"]);
    assert_eq!((listed.code, listed.stdout.as_str()), (0, ""), "{}", listed.stderr);
    let uninstall = helm.helm(&["uninstall", RELEASE]);
    assert!(uninstall.code != 0 && uninstall.stderr.contains("not found"), "{}", uninstall.stderr);
    assert_eq!(report["helm"]["archived"], json!(["relay-bundle.claude-relay.helm.v1"]));
    let deployment = site.plane.get(&site.namespace, "deployment/claude-relay");
    let spec = &deployment["spec"]["template"]["spec"];
    assert_eq!(
        spec["initContainers"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|of| of["name"] == "wait-for-redis")
            .count(),
        0
    );
    assert_eq!(deployment["metadata"]["labels"]["app.kubernetes.io/managed-by"], "relay-bundle");
    assert_eq!(
        site.watcher().at_once(
            &site.namespace,
            "PersistentVolumeClaim",
            "data-claude-relay-redis-0"
        ),
        1
    );
    let moments = site.references_hold();
    assert!(moments > 30, "{moments}");
    // One rollout of each workload, as announced, not separate ones for removed and added fields.
    assert_eq!(site.plane.list(&site.namespace, "replicasets").len(), 2);
    assert_eq!(site.plane.list(&site.namespace, "controllerrevisions").len(), 2);

    let (before, pods) = (site.versions(), helm.pods());
    let again = site.applied(&bundle, &[]);
    assert_eq!(again["done"]["written"], 0, "{again:#}");
    assert!(!again["warnings"].to_string().contains("applying does not change that"), "{again:#}");
    assert_eq!(helm.adopted(&bundle, &[])["done"]["written"], 0);
    assert_eq!((site.versions(), helm.pods()), (before, pods));
}

#[test]
fn newer_stored_key_is_not_taken_without_operator_choice() {
    let Some((helm, running, stored)) = with_newer_key("adopt-newer") else { return };
    let site = &helm.site;
    let bundle = helm.build(&[]);
    let (before, pods) = (site.versions(), helm.pods());

    let refused = helm.adopt(&bundle, &["--yes", "--recreate-redis"]);
    assert_eq!(refused.code, 4, "{}", refused.stderr);
    assert!(
        refused.stderr.contains("does not run with the stored encryption key"),
        "{}",
        refused.stderr
    );
    assert!(refused.stderr.contains("hint: revision 1, of 20"), "{}", refused.stderr);
    assert!(refused.stderr.contains(": the stored one"), "{}", refused.stderr);
    let unknown = helm.adopt(&bundle, &["--yes", "--recreate-redis", "--key-from-revision", "7"]);
    assert_eq!(unknown.code, 2, "{}", unknown.stderr);
    assert_eq!((site.versions(), helm.pods()), (before, pods));

    // A run that is killed after it has written one key has written the other as well.
    let proxy = Proxy::before(site.plane, |seen| {
        let is_key = seen.is_write() && seen.path.contains("/secrets/claude-relay-secret");
        if is_key { Fault::Kill(When::After) } else { Fault::None }
    });
    let arguments = ["adopt", "--from-helm", RELEASE, bundle.as_str(), "--recreate-redis"];
    let choice = ["--key-from-revision", "1"];
    let killed = spawn(site.path(), &proxy, &[&arguments[..], &choice].concat()).end();
    assert_eq!(killed.code, None, "{}", killed.stderr);
    assert_eq!(["encryption-key", "jwt-secret"].map(|key| helm.value(SECRET, key)), running);

    let ran = helm
        .adopt(&bundle, &[&["--yes", "--recreate-redis", "--break-lock"][..], &choice].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(["encryption-key", "jwt-secret"].map(|key| helm.value(SECRET, key)), running);
    // The output contains neither the values nor parts of their base64.
    for text in [refused, unknown, ran].iter().flat_map(|ran| [&ran.stdout, &ran.stderr]) {
        assert!(
            running.iter().chain(&stored).all(|hidden| !text.contains(&hidden[..16])),
            "{text}"
        );
    }
    assert_eq!(helm.traces(), [""; 0]);
    assert_eq!(helm.adopted(&bundle, &[])["done"]["written"], 0);
}

#[test]
fn running_key_becomes_generated_key_of_bundle() {
    let Some((helm, running, _)) = with_newer_key("adopt-own-key") else { return };
    let site = &helm.site;
    helm.build_with_own_keys();
    let profile = site.path().join("profiles/production.toml");
    let text = fs_err::read_to_string(&profile).unwrap();
    let raised = "[config]\njwtSecret = { generate = { generation = 2 } }\n";
    fs_err::write(&profile, text.replacen("[config]\n", raised, 1)).unwrap();
    let bundle = site.build("production", &[]);
    let choice = ["--key-from-revision", "1"];
    let hash = || {
        let shown = helm.adopt(&bundle, &[&choice[..], &["--dry-run", "--json"]].concat());
        assert_eq!(shown.code, 0, "{}", shown.stderr);
        serde_json::from_str::<Value>(&shown.stdout).unwrap()["planHash"]
            .as_str()
            .unwrap()
            .to_owned()
    };

    // The source of the keys is part of the approved plan.
    let early = hash();
    let secret = format!("secret/{SECRET}");
    site.plane.kubectl(&["-n", &site.namespace, "annotate", &secret, "example.internal/note=x"]);
    let refused =
        helm.adopt(&bundle, &[&choice[..], &["--recreate-redis", "--plan-hash", &early]].concat());
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    let report = helm.adopted(&bundle, &[&choice[..], &["--plan-hash", &hash()]].concat());

    assert_eq!(report["generated"], json!([]));
    assert_eq!(report["helm"]["carried"].as_array().unwrap().len(), 2, "{report:#}");
    let secret = site.plane.get(&site.namespace, "secret/claude-relay-encryption-key");
    assert_eq!(
        (&secret["data"]["encryption-key"], &secret["immutable"]),
        (&json!(running[0]), &json!(true))
    );
    // The Secret looks as if the bundle had generated it.
    assert_eq!(helm.value("claude-relay-generated", "jwt-secret"), running[1]);
    let generated = site.plane.get(&site.namespace, "secret/claude-relay-generated");
    assert_eq!(
        generated["metadata"]["annotations"]["relay-bundle/generations"],
        r#"{"jwt-secret":2}"#
    );
    assert_eq!(site.applied(&bundle, &[])["done"]["written"], 0);
}

#[test]
fn redis_is_made_again_only_with_consent() {
    let Some(helm) = Helm::install("adopt-consent", &[ADMIN]) else { return };
    let bundle = helm.build(&[]);
    let before = helm.site.versions();
    for arguments in [&["--yes"][..], &["--recreate-redis"], &[]] {
        let ran = helm.adopt(&bundle, arguments);
        assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.stderr);
    }
    let ran = helm.adopt(&bundle, &["--yes"]);
    assert!(
        ran.stderr.contains("StatefulSet/claude-relay-redis is deleted and recreated"),
        "{}",
        ran.stderr
    );
    assert_eq!(helm.site.versions(), before);
}

#[test]
fn unadoptable_release_is_refused_with_remedy_before_write() {
    let Some(helm) = Helm::install("adopt-refused", &[ADMIN, "fullnameOverride=claude-relay"])
    else {
        return;
    };
    let site = &helm.site;
    let consent = ["--yes", "--recreate-redis"];
    let good = helm.build(&[]);
    let refused = |bundle: &camino::Utf8Path, code: i32, words: &[&str]| {
        let before = site.versions();
        let ran = helm.adopt(bundle, &consent);
        assert_eq!(ran.code, code, "{}", ran.stderr);
        assert!(words.iter().all(|word| ran.stderr.contains(word)), "{words:?}: {}", ran.stderr);
        assert_eq!(site.versions(), before, "{words:?}");
    };

    let other_app = helm.build(&["nameOverride=\"another\""]);
    refused(
        &other_app,
        4,
        &[
            "Deployment/claude-relay selects its pods by",
            "a selector cannot change",
            "nameOverride",
        ],
    );
    let other_name = helm.build(&["fullnameOverride=\"another\""]);
    refused(&other_name, 4, &["Deployment/claude-relay is not in the bundle", "fullnameOverride"]);
    let other_claim = helm.build(&["redis.persistence.existingClaim=\"\""]);
    refused(&other_claim, 4, &["does not use it", "existingClaim = \"data-claude-relay-redis-0\""]);
    let other_release = helm.build(&["release.name=\"relay-dev\""]);
    refused(&other_release, 2, &["the bundle is for release `relay-dev`"]);

    // A second release owns an object of the bundle.
    let annotation = "meta.helm.sh/release-name=second";
    let annotate = ["-n", &site.namespace, "annotate", "service/claude-relay", "--overwrite"];
    site.plane.kubectl(&[&annotate[..], &[annotation]].concat());
    refused(&good, 4, &["Service/claude-relay belongs to the Helm release `second`"]);
    site.plane.kubectl(&[&annotate[..], &["meta.helm.sh/release-name=claude-relay"]].concat());

    // Another manager has changed a field that the bundle sets differently.
    let replicas = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: claude-relay, namespace: adopt-refused}\n\
                    spec: {replicas: 2}\n";
    site.plane.feed(
        &["apply", "--server-side", "--force-conflicts", "--field-manager=operator", "-f", "-"],
        replicas,
    );
    refused(&good, 4, &["Deployment/claude-relay", ".spec.replicas", "operator"]);
}

#[test]
fn undeployed_or_missing_release_is_refused() {
    let Some(helm) = Helm::install("adopt-state", &[ADMIN]) else { return };
    let site = &helm.site;
    let bundle = helm.build(&[]);
    let stuck = [
        "upgrade",
        RELEASE,
        crate::helm::CHART,
        "--set",
        ADMIN,
        "--set",
        "image.tag=never",
        "--wait",
        "--timeout=1s",
    ];
    let fails = "podAnnotations.relay-bundle\\.test/fail=ImagePullBackOff";
    assert_ne!(helm.helm(&[&stuck[..], &["--set", fails]].concat()).code, 0);
    let before = site.versions();

    let ran = helm.adopt(&bundle, &["--yes", "--recreate-redis"]);
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("revision 2 of the Helm release `claude-relay` is `failed`"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("helm rollback"), "{}", ran.stderr);
    assert_eq!(site.versions(), before);

    site.takes_away_what_pods_name();
    assert_eq!(helm.helm(&["uninstall", RELEASE, "--wait"]).code, 0);
    assert_eq!(helm.helm(&["install", "another-release", crate::helm::CHART]).code, 0);
    site.plane.kubectl(&[
        "-n",
        &site.namespace,
        "create",
        "secret",
        "generic",
        SECRET,
        "--from-literal=encryption-key=x",
    ]);
    let ran = helm.adopt(&bundle, &["--yes", "--recreate-redis"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("Helm release `claude-relay` does not exist"), "{}", ran.stderr);
    assert!(ran.stderr.contains("releases in this namespace: another-release"), "{}", ran.stderr);
}

#[test]
fn unfinished_adoption_is_resumed() {
    // Older Helm versions did not use server-side apply.
    let Some(helm) = Helm::install("adopt-again", &[ADMIN]) else { return };
    let site = &helm.site;
    let upgrade = [
        "upgrade",
        RELEASE,
        crate::helm::CHART,
        "--reuse-values",
        "--server-side=false",
        "--set",
        "replicaCount=2",
    ];
    let key = helm.value(SECRET, "encryption-key");
    let keep = format!("config.encryptionKey={}", decoded(&key));
    assert_eq!(helm.helm(&[&upgrade[..], &["--set", &keep, "--wait"]].concat()).code, 0);
    assert_eq!(helm.value(SECRET, "encryption-key"), key);
    let bad = helm.build(&["podAnnotations={\"relay-bundle.test/fail\"=\"ImagePullBackOff\"}"]);
    let claim = uid(&helm, CLAIM);

    let arguments = ["--yes", "--recreate-redis", "--timeout", "3"];
    site.until_said("ImagePullBackOff", |_| helm.adopt(&bad, &arguments));
    assert_eq!(site.head(RELEASE).get("lock"), None);
    assert_eq!(helm.helm(&["list", "--short"]).stdout.trim(), RELEASE);

    // A record with a finalizer must not keep the run from finishing, or the next one from seeing
    // that the adoption is complete.
    let finalizers = |value: &str| {
        let patch = format!(r#"{{"metadata":{{"finalizers":{value}}}}}"#);
        let record = format!("secret/sh.helm.release.v1.{RELEASE}.v1");
        site.plane.kubectl(&[
            "-n",
            &site.namespace,
            "patch",
            &record,
            "--type=merge",
            "-p",
            &patch,
        ]);
    };
    finalizers(r#"["example.internal/hold"]"#);
    let good = helm.build(&[]);
    let report = helm.adopted(&good, &[]);
    assert_eq!(report["done"]["generation"], 2);
    assert_eq!(report["helm"]["archived"].as_array().unwrap().len(), 2, "{report:#}");
    assert_eq!(helm.adopted(&good, &[])["helm"].get("revision"), None);
    finalizers("null");
    assert_eq!((uid(&helm, CLAIM), helm.value(SECRET, "encryption-key")), (claim, key));
    assert_eq!(helm.traces(), [""; 0]);
    let listed = helm.helm(&["list", "--short"]);
    assert_eq!((listed.code, listed.stdout.as_str()), (0, ""), "{}", listed.stderr);
}

#[test]
fn redis_of_other_name_ends_before_bundle_redis_uses_volume() {
    let Some(helm) = Helm::install("adopt-renamed", &[ADMIN, "redis.fullnameOverride=store"])
    else {
        return;
    };
    let site = &helm.site;
    let bundle = helm.build(&[]);
    let claim = uid(&helm, "persistentvolumeclaim/data-store-0");

    let report = helm.adopted(&bundle, &[]);

    assert!(fates(&report).contains(&"replace StatefulSet/store".to_owned()), "{report:#}");
    assert!(!site.plane.has(&site.namespace, "statefulset/store"));
    let redis = site.plane.get(&site.namespace, "pod/claude-relay-redis-0");
    assert!(
        redis["spec"]["volumes"].to_string().contains("\"claimName\":\"data-store-0\""),
        "{redis}"
    );
    assert_eq!(uid(&helm, "persistentvolumeclaim/data-store-0"), claim);
    assert_eq!(site.watcher().at_once(&site.namespace, "PersistentVolumeClaim", "data-store-0"), 1);
    let moments = site.references_hold();
    assert!(moments > 25, "{moments}");
    assert_eq!(helm.traces(), [""; 0]);
}

#[test]
fn replicas_never_drop_when_bundle_adds_autoscaler() {
    let Some(helm) = Helm::install("adopt-scaled", &[ADMIN, "replicaCount=3"]) else { return };
    let site = &helm.site;
    let bundle = helm.build(&[
        "autoscaling.enabled=true",
        "autoscaling.minReplicas=2",
        "autoscaling.maxReplicas=5",
    ]);
    let counts = Counts::of(site.plane, &site.namespace);

    helm.adopted(&bundle, &[]);

    let last = site.plane.get(&site.namespace, "deployment/claude-relay");
    let (wanted, _, states) = counts.end(&last["metadata"]["resourceVersion"]);
    assert!(wanted == BTreeSet::from([3]) && states > 2, "{wanted:?} in {states} states");
    assert_eq!(helm.traces(), [""; 0]);
}

fn decoded(base64: &str) -> String {
    use base64::Engine as _;
    String::from_utf8(base64::engine::general_purpose::STANDARD.decode(base64).unwrap()).unwrap()
}
