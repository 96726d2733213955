//! Generated Secrets: made once, with consent, and never replaced without it.

use camino::Utf8PathBuf;
use relay_bundle::cluster::Cluster;
use serde_json::{Value, json};

use crate::bundles::RECIPIENT;
use crate::fake::Fault;
use crate::scene::{Ran, Scene};

const NAMESPACE: &str = "claude-relay";
const KEY: &str = "relay-loki-claude-relay-encryption-key";
const GENERATED: &str = "relay-loki-claude-relay-generated";
const RECOVERY: &str = "relay-bundle.relay-loki.recovery";

/// An installation whose secrets are generated.
struct Vault {
    scene: Scene,
    bundle: Utf8PathBuf,
}

impl Vault {
    fn new() -> Self {
        let scene = Scene::new();
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
        scene.fake.put("platform", &namespace);
        scene.fake.put("platform", &secret("loki-credentials", &["password"]));
        let bundle = build(&scene, "warn");
        Self { scene, bundle }
    }

    fn installed() -> Self {
        let scene = Scene::after("vault".to_owned(), || {
            let vault = Self::new();
            assert_eq!(vault.apply(&["--first-install"]).code, 0);
            vault.scene
        });
        let bundle = scene.path().join("loki-logging-1.tar");
        Self { scene, bundle }
    }

    fn apply(&self, arguments: &[&str]) -> Ran {
        self.scene.apply_yes(&self.bundle, arguments)
    }

    /// Returns the values of a Secret.
    fn values(&self, name: &str) -> Option<Value> {
        self.find(name).map(|secret| secret["data"].clone())
    }

    fn find(&self, name: &str) -> Option<Value> {
        self.scene.fake.get("Secret", NAMESPACE, name)
    }

    #[track_caller]
    fn remove(&self, name: &str) {
        self.scene.fake.remove(&self.find(name).unwrap());
    }

    fn has_record(&self) -> bool {
        self.scene.fake.get("ConfigMap", NAMESPACE, "relay-bundle.relay-loki").is_some()
    }
}

fn build(scene: &Scene, level: &str) -> Utf8PathBuf {
    let recipients = format!("release.recoveryRecipients=[{RECIPIENT:?}]");
    scene.build_profile("loki-logging", &[&recipients, &format!("config.logLevel={level:?}")])
}

fn secret(name: &str, keys: &[&str]) -> Value {
    let data: serde_json::Map<String, Value> = keys
        .iter()
        .map(|key| ((*key).to_owned(), "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=".into()))
        .collect();
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": NAMESPACE}, "data": data})
}

#[test]
fn encryption_key_is_not_generated_without_consent() {
    let vault = Vault::new();
    assert_eq!(vault.apply(&[]).code, 2);
    assert_eq!((vault.find(KEY), vault.has_record()), (None, false));
}

#[test]
fn encryption_key_is_generated_immutable() {
    let vault = Vault::installed();
    assert_eq!(vault.find(KEY).unwrap()["immutable"], true);
}

#[test]
fn new_bundle_keeps_generated_values() {
    let vault = Vault::installed();
    let before = [KEY, GENERATED].map(|name| vault.values(name));
    vault.scene.applied(&build(&vault.scene, "info"), &[]);
    assert_eq!([KEY, GENERATED].map(|name| vault.values(name)), before);
}

#[test]
fn generated_values_differ_between_installations() {
    let keys = [Vault::new(), Vault::new()].map(|vault| {
        assert_eq!(vault.apply(&["--first-install"]).code, 0);
        vault.values(KEY)
    });
    assert_ne!(keys[0], keys[1]);
}

#[test]
fn dry_run_generates_nothing() {
    let vault = Vault::new();
    let report = vault.scene.planned(&vault.bundle, &["--first-install"]);
    assert_eq!(report["generated"].as_array().unwrap().len(), 2, "{report}");
    assert_eq!(vault.find(KEY), None);
}

#[test]
fn values_never_appear_in_output() {
    let vault = Vault::new();
    let ran = vault.apply(&["--first-install", "--json"]);
    let said = ran.stdout + &ran.stderr;
    for name in [KEY, GENERATED] {
        let values = vault.values(name).unwrap();
        let all = values.as_object().unwrap().values();
        assert!(all.into_iter().all(|value| !said.contains(value.as_str().unwrap())), "{name}");
    }
}

#[test]
fn encrypted_copy_is_in_record_and_file() {
    let vault = Vault::new();
    let report =
        vault.apply(&["--first-install", "--recovery-file", "copy.age", "--json"]).report();
    let copy = fs_err::read_to_string(vault.scene.path().join("copy.age")).unwrap();
    let record = vault.scene.fake.get("ConfigMap", NAMESPACE, RECOVERY).unwrap();
    assert!(
        record["data"].as_object().unwrap().values().any(|stored| *stored == json!(copy)),
        "{report}"
    );
}

#[test]
fn encrypted_copy_is_written_before_values() {
    let vault = Vault::new();
    assert_eq!(vault.apply(&["--first-install"]).code, 0);
    let seen = vault.scene.fake.seen();
    let first =
        |end: &str| seen.iter().position(|seen| seen.is_write() && seen.is("POST", end)).unwrap();
    let record = seen.iter().position(|seen| seen.path.contains(RECOVERY)).unwrap();
    assert!(record < first("/secrets"), "{seen:#?}");
}

#[test]
fn opting_out_of_recovery_keeps_no_copy() {
    let vault = Vault::new();
    assert_eq!(vault.apply(&["--first-install", "--no-recovery"]).code, 0);
    assert_eq!(vault.scene.fake.get("ConfigMap", NAMESPACE, RECOVERY), None);
}

#[test]
fn lost_encryption_key_is_never_replaced() {
    let vault = Vault::installed();
    vault.remove(KEY);
    for flags in [&["--first-install"][..], &["--first-install", "--allow-regenerate"]] {
        assert_eq!(vault.apply(flags).code, 4);
    }
    assert_eq!(vault.find(KEY), None);
}

#[test]
fn lost_values_are_not_replaced_without_consent() {
    let vault = Vault::installed();
    vault.remove(GENERATED);
    vault.apply(&[]).says(4, &["redis-password", "--allow-regenerate"]);
    assert_eq!(vault.find(GENERATED), None);
}

#[test]
fn lost_values_are_replaced_with_consent() {
    let vault = Vault::installed();
    let before = vault.values(GENERATED);
    vault.remove(GENERATED);
    let ran = vault.apply(&["--allow-regenerate"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(vault.values(GENERATED).is_some_and(|values| Some(values) != before));
}

#[test]
fn encryption_key_is_not_generated_beside_old_volume() {
    let vault = Vault::new();
    vault.scene.fake.put(
        "platform",
        &json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "relay-loki-redis-data", "namespace": NAMESPACE}, "spec": {}}),
    );
    assert_eq!(vault.apply(&["--first-install"]).code, 4);
    assert_eq!(vault.find(KEY), None);
}

#[test]
fn foreign_secret_is_used_with_warning() {
    let vault = Vault::new();
    vault.scene.fake.put("platform", &secret(KEY, &["encryption-key"]));
    let report = vault.scene.applied(&vault.bundle, &[]);
    assert!(report["warnings"].to_string().contains(KEY), "{report}");
    assert_eq!(vault.values(KEY), Some(secret(KEY, &["encryption-key"])["data"].clone()));
}

#[test]
fn incomplete_secret_gets_missing_values_only() {
    let vault = Vault::new();
    vault.scene.fake.put("platform", &secret(GENERATED, &["jwt-secret"]));
    assert_eq!(vault.apply(&["--first-install"]).code, 0);
    let values = vault.values(GENERATED).unwrap();
    assert_eq!(values["jwt-secret"], secret(GENERATED, &["jwt-secret"])["data"]["jwt-secret"]);
    assert!(values["redis-password"].is_string());
}

/// Runs a first installation in which another client creates the Secret of a name just before.
fn raced(name: &'static str, keys: &'static [&'static str]) -> (Vault, Ran) {
    let vault = Vault::new();
    vault.scene.fake.script(move |seen, store| {
        if seen.is_write()
            && seen.is("POST", "/secrets")
            && store.get("Secret", NAMESPACE, name).is_none()
        {
            store.put("somebody", &secret(name, keys));
        }
        Fault::None
    });
    let ran = vault.apply(&["--first-install", "--recovery-file", "copy.age"]);
    (vault, ran)
}

#[test]
fn secret_created_concurrently_by_others_is_kept() {
    let (vault, ran) = raced(KEY, &["encryption-key"]);
    ran.says(4, &[KEY]);
    assert_eq!(vault.values(KEY), Some(secret(KEY, &["encryption-key"])["data"].clone()));
}

#[test]
fn copy_of_values_that_lost_race_is_discarded() {
    let (vault, _) = raced(KEY, &["encryption-key"]);
    let record = vault.scene.fake.get("ConfigMap", NAMESPACE, RECOVERY);
    let copies =
        record.map_or(0, |record| record["data"].as_object().map_or(0, serde_json::Map::len));
    assert!(
        copies <= 1 && !vault.scene.path().join("copy.age").exists() || copies == 1,
        "{copies}"
    );
}

#[test]
fn run_after_lost_race_uses_existing_secret() {
    let (vault, _) = raced(KEY, &["encryption-key"]);
    vault.scene.fake.recover();
    let ran = vault.apply(&["--first-install"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(vault.values(KEY), Some(secret(KEY, &["encryption-key"])["data"].clone()));
}

#[test]
fn secret_deleted_during_rollout_fails_it() {
    let vault = Vault::new();
    vault.scene.fake.script(|seen, store| {
        if seen.is_write() && seen.path.contains("/deployments/") {
            let secret = store.get("Secret", NAMESPACE, GENERATED).unwrap();
            store.remove(&secret);
        }
        Fault::None
    });
    vault.apply(&["--first-install"]).says(4, &[GENERATED]);
}

#[test]
fn denied_secret_stops_before_workloads() {
    let vault = Vault::new();
    vault.scene.fake.script(|seen, _| {
        let denied = json!({"kind": "Status", "code": 403, "reason": "Forbidden", "message": "no"});
        let is_it = seen.is_write() && seen.is("POST", "/secrets");
        if is_it { Fault::Answer(403, "", denied.to_string()) } else { Fault::None }
    });
    assert_eq!(vault.apply(&["--first-install"]).code, 4);
    assert!(vault.scene.fake.all("Deployment").is_empty());
}

#[test]
fn recorded_secret_is_known_by_its_uid() {
    let vault = Vault::installed();
    let uid = vault.find(GENERATED).unwrap()["metadata"]["uid"].clone();
    let cluster: Cluster = vault.scene.cluster();
    let name = "relay-loki".parse().unwrap();
    let journal = relay_bundle::install::record::Journal::open(&cluster, &name, NAMESPACE).unwrap();
    let recorded = journal.recorded(|_| true).unwrap();
    let item = recorded[0].noted.iter().find(|item| item.key.name == GENERATED).unwrap();
    assert_eq!(json!(item.uid), uid);
}
