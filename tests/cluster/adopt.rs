//! Adoption: what real Helm installed is taken over, with its keys and its data, and Helm is left with nothing.

use serde_json::{Value, json};

use crate::helm::{Helm, RELEASE};
use crate::watcher::Watcher;

/// With a password the chart makes up none at each start.
const ADMIN: &str = "config.adminUsername=admin,config.adminPassword=not-for-production";
const SECRET: &str = "claude-relay-secret";
const CLAIM: &str = "persistentvolumeclaim/data-claude-relay-redis-0";

/// What becomes of each object, by the report.
fn fates(report: &Value) -> Vec<String> {
    let objects = report["helm"]["objects"].as_array().unwrap().iter();
    let text = |of: &Value, field: &str| of[field].as_str().unwrap().to_owned();
    objects.map(|of| format!("{} {}/{}", text(of, "fate"), text(of, "kind"), text(of, "name"))).collect()
}

fn restarts(report: &Value) -> Vec<(String, String)> {
    let workloads = report["workloads"].as_array().unwrap().iter();
    let text = |of: &Value, field: &str| of[field].as_str().unwrap().to_owned();
    workloads.map(|of| (text(of, "kind"), text(of, "restart"))).collect()
}

fn uid(helm: &Helm, object: &str) -> String {
    helm.site.plane.get(&helm.site.namespace, object)["metadata"]["uid"].as_str().unwrap().to_owned()
}

#[test]
fn a_release_is_taken_over_with_its_keys_its_volume_and_nothing_left_for_helm() {
    let Some(helm) = Helm::install("adopt-whole", &[ADMIN, "storage.data.external.enabled=true"]) else {
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
    let watcher = Watcher::of(site.plane, &site.namespace);

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
        redis["spec"]["volumes"].to_string().contains("\"claimName\":\"data-claude-relay-redis-0\""),
        "{redis}"
    );
    assert_eq!(helm.traces(), [""; 0]);
    assert_eq!(helm.helm(&["list", "--all", "--short"]).stdout, "");
    let uninstall = helm.helm(&["uninstall", RELEASE]);
    assert!(uninstall.code != 0 && uninstall.stderr.contains("not found"), "{}", uninstall.stderr);
    assert_eq!(report["helm"]["archived"], json!(["relay-bundle.claude-relay.helm.v1"]));
    let deployment = site.plane.get(&site.namespace, "deployment/claude-relay");
    let spec = &deployment["spec"]["template"]["spec"];
    assert_eq!(
        spec["initContainers"].as_array().unwrap().iter().filter(|of| of["name"] == "wait-for-redis").count(),
        0
    );
    assert_eq!(deployment["metadata"]["labels"]["app.kubernetes.io/managed-by"], "relay-bundle");
    let (wrong, moments) = watcher.end();
    assert!(wrong.is_empty() && moments > 10, "{wrong:#?} in {moments}");

    let (before, pods) = (site.versions(), helm.pods());
    let again = site.applied(&bundle, &[]);
    assert_eq!(again["done"]["written"], 0, "{again:#}");
    assert_eq!(helm.adopted(&bundle, &[])["done"]["written"], 0);
    assert_eq!((site.versions(), helm.pods()), (before, pods));
}
