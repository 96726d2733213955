//! Tests generated Secrets and foreign Secrets in their place: none is taken over silently, and a
//! missing one is always noticed.

use std::sync::Mutex;

use relay_bundle::rollout::record::{Generation, Item};
use serde_json::{Value, json};

use crate::proxy::{Fault, Proxy};
use crate::site::{Ran, Site};
use crate::vault::{GENERATED, KEY, KEYS, Vault};

fn report(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}{}", ran.stdout, ran.stderr))
}

/// Creates a Secret as another user.
fn make(site: &Site, name: &str, keys: &[&str]) {
    let literals: Vec<String> = keys
        .iter()
        .map(|key| format!("--from-literal={key}={key}-of-somebody-else-0000000"))
        .collect();
    let create = ["-n", &site.namespace, "create", "secret", "generic", name];
    let all: Vec<&str> = create.into_iter().chain(literals.iter().map(String::as_str)).collect();
    site.plane.kubectl(&all);
}

const OTHERS: [&str; 3] = ["admin-password", "jwt-secret", "redis-password"];

#[test]
fn existing_secrets_are_used_with_warning_on_first_install() {
    let Some(vault) = Vault::new("premade") else { return };
    let bundle = vault.build();
    make(&vault.site, KEY, &["encryption-key"]);
    make(&vault.site, GENERATED, &OTHERS);
    let plan =
        |arguments: &[&str]| vault.site.apply(&bundle, &[&["--dry-run"], arguments].concat());

    let planned = report(&plan(&["--json"]));
    let warnings: Vec<&str> = planned["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|warning| warning.as_str().unwrap())
        .collect();
    let of = |name: &str| {
        warnings.iter().find(|warning| warning.starts_with(&format!("Secret/{name} "))).unwrap()
    };
    for part in [
        "is used unchanged",
        "made by kubectl-create at 20",
        "the label of this program",
        "not immutable",
    ] {
        assert!(of(KEY).contains(part), "{}", of(KEY));
    }
    assert!(
        of(GENERATED).contains("Its creator knows its values")
            && !of(GENERATED).contains("immutable")
    );
    let shown = plan(&[]);
    assert!(
        shown.stdout.contains(&format!("warning: Secret/{KEY} is used unchanged")),
        "{}",
        shown.stdout
    );
    // A Secret that is replaced after the plan changes the plan.
    vault.site.plane.kubectl(&["-n", "premade", "delete", "secret", KEY]);
    make(&vault.site, KEY, &["encryption-key"]);
    let ran = vault.site.apply(&bundle, &["--plan-hash", planned["planHash"].as_str().unwrap()]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);

    let ran = vault.apply(&bundle, &["--first-install"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stderr.contains(&format!("warning: Secret/{KEY} is used unchanged")),
        "{}",
        ran.stderr
    );
    // The record lists them now.
    assert_eq!(vault.applied(&bundle, &[])["warnings"], json!([]));
    assert_eq!(vault.call(&["status", "-n", "premade"]).code, 0);
}

#[test]
fn replaced_secret_is_reported_until_apply_accepts_it() {
    let Some(vault) = Vault::new("swapped") else { return };
    let bundle = vault.build();
    vault.applied(&bundle, &["--first-install"]);
    let status = || vault.call(&["status", "-n", "swapped", "--json"]);
    let verify =
        || vault.call(&["verify", "--live", "-n", "swapped", "--trust", "trust.toml", "--json"]);
    assert_eq!((status().code, verify().code), (0, 0), "{}", status().stderr);
    let secret = format!("secret/{GENERATED}");
    let uid =
        || vault.site.plane.get("swapped", &secret)["metadata"]["uid"].as_str().unwrap().to_owned();
    let first = uid();
    vault.site.takes_away_what_pods_name();
    vault.site.plane.kubectl(&["-n", "swapped", "delete", &secret]);
    make(&vault.site, GENERATED, &OTHERS);

    let said = format!(
        "Secret/{GENERATED} is not the one that generation 1 used (uid {first}, now {})",
        uid()
    );
    let (status_now, verify_now) = (status(), verify());
    assert_eq!((status_now.code, verify_now.code), (1, 1));
    let secrets = report(&status_now)["secrets"].clone();
    let standing = |index: usize| secrets[index]["standing"].as_str().unwrap().to_owned();
    assert_eq!([standing(0), standing(1)], ["ready", "replaced"], "{secrets}");
    let text = vault.call(&["status", "-n", "swapped"]).stdout;
    assert!(text.contains(&format!("  ! {said}")), "{text}");
    let replaced = report(&verify_now)["live"]["replaced"].clone();
    assert!(replaced[0].as_str().unwrap().starts_with(&said), "{replaced}");
    assert_eq!(report(&verify_now)["live"]["same"], false);
    let planned = report(&vault.site.apply(&bundle, &["--dry-run", "--json"]));
    assert!(planned["warnings"][0].as_str().unwrap().starts_with(&said), "{planned}");

    // Another apply accepts the Secret.
    let ran = vault.apply(&bundle, &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stderr.contains(&said) && ran.stdout.contains("is at generation 2"),
        "{}{}",
        ran.stdout,
        ran.stderr
    );
    assert_eq!((status().code, verify().code), (0, 0));
    assert_eq!(vault.applied(&bundle, &[])["warnings"], json!([]));
}

#[test]
fn status_fails_if_generated_secret_is_missing() {
    let Some(vault) = Vault::new("gone") else { return };
    let bundle = vault.build();
    vault.applied(&bundle, &["--first-install", "--recovery-file", "gone.age"]);
    vault.site.takes_away_what_pods_name();
    vault.site.plane.kubectl(&["-n", "gone", "delete", "secret", KEY]);

    let ran = vault.call(&["status", "-n", "gone"]);

    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stdout.contains(&format!("  ! Secret/{KEY}: missing: ")), "{}", ran.stdout);
    assert!(ran.stdout.contains("relay-bundle secrets restore"), "{}", ran.stdout);
    let found = report(&vault.call(&["status", "-n", "gone", "--json"]));
    assert_eq!(found["secrets"][0]["standing"], "missing");
    // The restored Secret is a new object with the same values.
    let restore = [
        "secrets",
        "restore",
        bundle.as_str(),
        "gone.age",
        "--trust",
        "trust.toml",
        "--identity",
        "key",
    ];
    let ran = vault.ok(vault.call(&[&restore[..], &["--yes"]].concat()));
    assert!(ran.stderr.contains("the record in the cluster has no copy of them"), "{}", ran.stderr);
    assert!(
        ran.stdout.contains("lacking    Secret/loki-credentials: not in the file"),
        "{}",
        ran.stdout
    );
    let ran = vault.call(&["status", "-n", "gone"]);
    assert!(ran.stdout.contains("If you restored it, no action is needed"), "{}", ran.stdout);
    vault.applied(&bundle, &[]);
    assert_eq!(vault.call(&["status", "-n", "gone"]).code, 0);
}

#[test]
fn apply_fails_if_secret_is_deleted_during_rollout() {
    let Some(vault) = Vault::new("on-the-way") else { return };
    let bundle = vault.build();
    vault.site.takes_away_what_pods_name();
    let plane = vault.site.plane;
    let act =
        Mutex::new(Some(|| drop(plane.kubectl(&["-n", "on-the-way", "delete", "secret", KEY]))));
    let proxy = Proxy::before(plane, move |seen| {
        let is_it = seen.is_write() && seen.path.contains("/deployments/");
        if let Some(act) = is_it.then(|| act.lock().unwrap().take()).flatten() {
            act();
        }
        Fault::None
    });

    let ended = vault.site.apply_through(
        &proxy,
        &bundle,
        &["--first-install", "--recovery-file", "kept.age"],
    );

    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    let said = format!(
        "Secret/{KEY} was deleted by another client during the rollout: it no longer exists"
    );
    assert!(ended.stderr.contains(&said), "{}", ended.stderr);
    assert_eq!(vault.site.head("relay-loki")["generations"][0]["state"], "pending");
    let restore = [
        "secrets",
        "restore",
        bundle.as_str(),
        "kept.age",
        "--trust",
        "trust.toml",
        "--identity",
        "key",
        "--yes",
    ];
    vault.ok(vault.call(&restore));
    vault.applied(&bundle, &[]);
    assert_eq!(vault.call(&["status", "-n", "on-the-way"]).code, 0);
}

#[test]
fn recovery_recipients_are_part_of_plan() {
    let Some(vault) = Vault::new("recipients") else { return };
    let bundle = vault.build();
    let plan = |bundle: &camino::Utf8Path, arguments: &[&str]| {
        let ran =
            vault.site.apply(bundle, &[&["--dry-run", "--first-install"], arguments].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        ran
    };
    let planned = |arguments: &[&str]| report(&plan(&bundle, &[&["--json"], arguments].concat()));
    let kept = planned(&["--recovery-file", "a.age"]);
    assert_eq!(kept["recovery"], json!({"recipients": [KEYS[0].1], "file": "a.age"}));
    let text = plan(&bundle, &["--recovery-file", "a.age"]).stdout;
    assert!(
        text.contains(&format!("keep      an encrypted copy in a.age, for {}\n", KEYS[0].1)),
        "{text}"
    );
    let unkept = planned(&["--no-recovery"]);
    assert_eq!(unkept["recovery"], json!({"recipients": []}));
    assert!(
        plan(&bundle, &["--no-recovery"]).stdout.contains("keep      no copy of generated values")
    );
    // The path of the file does not matter, but its presence does.
    assert_eq!(kept["planHash"], planned(&["--recovery-file", "b.age"])["planHash"]);
    assert_ne!(kept["planHash"], unkept["planHash"]);

    // A missing folder is not created, because it may be a typo or a medium that is not mounted.
    let before = vault.site.versions();
    let init =
        ["secrets", "init", bundle.as_str(), "--trust", "trust.toml", "--first-install", "--yes"];
    let backup = ["secrets", "backup", bundle.as_str(), "--trust", "trust.toml"];
    let nowhere = ["--recovery-file", "nowhere/a.age"];
    let refused = [
        vault.site.apply(&bundle, &[&["--dry-run", "--first-install"][..], &nowhere].concat()),
        vault.site.apply(&bundle, &[&["--yes", "--first-install"][..], &nowhere].concat()),
        vault.call(&[&init[..], &nowhere].concat()),
        vault.call(&[&backup[..], &nowhere].concat()),
    ];
    for ran in refused {
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        let said = "folder `nowhere` does not exist, for the recovery file `nowhere/a.age`";
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
    }
    assert!(!vault.site.path().join("nowhere").exists());
    assert_eq!(vault.site.versions(), before);
}

#[test]
fn published_example_key_keeps_nothing_that_is_generated() {
    let Some(vault) = Vault::new("example") else { return };
    let example = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
    let said = "a recipient is the example key of the shipped profiles (RB0418)";
    for recipients in [&[example][..], &[KEYS[0].1, example]] {
        vault.profile_for(recipients, &[]);
        let shipped = vault.build();
        let before = vault.site.versions();
        let init =
            ["secrets", "init", shipped.as_str(), "--trust", "trust.toml", "--first-install"];
        let refused = [
            vault.site.apply(&shipped, &["--dry-run", "--first-install"]),
            vault.apply(&shipped, &["--first-install"]),
            vault.call(&[&init[..], &["--dry-run"]].concat()),
            vault.call(&[&init[..], &["--yes"]].concat()),
        ];
        for ran in refused {
            assert_eq!(ran.code, 2, "{}", ran.stderr);
            assert!(
                ran.stderr.contains(said) && ran.stderr.contains("--no-recovery"),
                "{}",
                ran.stderr
            );
        }
        assert_eq!(vault.site.versions(), before);
    }
    let shipped = vault.build();
    vault.applied(&shipped, &["--first-install", "--no-recovery"]);
    let backup = [
        "secrets",
        "backup",
        shipped.as_str(),
        "--trust",
        "trust.toml",
        "--recovery-file",
        "b.age",
    ];
    let refused = vault.call(&backup);
    assert!(refused.code == 2 && refused.stderr.contains(said), "{}", refused.stderr);
    vault.ok(vault.call(&[&backup[..], &["--recipient", KEYS[0].1]].concat()));
}

#[test]
fn forged_record_does_not_make_foreign_encryption_key_ours() {
    let Some(vault) = Vault::new("neighbours") else { return };
    let bundle = vault.build();
    vault.applied(&bundle, &["--first-install"]);
    let plane = vault.site.plane;
    make(&vault.site, "next-door-encryption-key", &["encryption-key"]);
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "next-door", "namespace": "neighbours"},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": {
            "metadata": {"labels": {"a": "b"}},
            "spec": {"containers": [{"name": "claude-relay", "image": "a", "env": [{"name": "ENCRYPTION_KEY",
                "valueFrom": {"secretKeyRef": {"name": "next-door-encryption-key", "key": "encryption-key"}}}]}]}}}});
    plane.ensure(&deployment.to_string());
    // A user who may write ConfigMaps claims that the Deployment is ours.
    let name = "configmap/relay-bundle.relay-loki.1";
    let stored = plane.get("neighbours", name);
    let mut generation =
        Generation::parse(stored["data"]["generation.json"].as_str().unwrap()).unwrap();
    let mut key =
        generation.inventory.iter().find(|item| item.key.kind == "Deployment").unwrap().key.clone();
    key.name = "next-door".to_owned();
    let uid = plane.get("neighbours", "deployment/next-door")["metadata"]["uid"]
        .as_str()
        .unwrap()
        .to_owned();
    generation.retained.push(Item { key, uid: Some(uid) });
    let patch = json!({"data": {"generation.json": generation.to_text().unwrap()}}).to_string();
    plane.kubectl(&["-n", "neighbours", "patch", name, "--type=merge", "-p", &patch]);

    vault.profile(&["logLevel = \"debug\""]);
    let ran = vault.apply(&vault.build(), &[]);

    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(plane.has("neighbours", "deployment/next-door"));
    // If the key would really change, the message names only our own Secret for deletion.
    make(&vault.site, "own", &["encryption-key"]);
    vault.profile(&["encryptionKey = { existing = { name = \"own\", key = \"encryption-key\" } }"]);
    let ran = vault.apply(&vault.build(), &[]);
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(
        ran.stderr.contains(&format!("delete its Redis volume and Secret {KEY}")),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains("next-door"), "{}", ran.stderr);
    // The same holds if no relay runs.
    let labels =
        ["app.kubernetes.io/managed-by=relay-bundle", "app.kubernetes.io/instance=next-door"];
    plane.kubectl(
        &[&["-n", "neighbours", "label", "secret", "next-door-encryption-key"], &labels[..]]
            .concat(),
    );
    plane.kubectl(&["-n", "neighbours", "delete", "deployment", "next-door"]);
    vault.site.called(&["remove", "-n", "neighbours"]);
    vault.profile(&["logLevel = \"debug\""]);
    vault.applied(&vault.build(), &[]);
}
