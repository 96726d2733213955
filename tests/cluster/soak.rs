//! Runs many upgrades and rollbacks of random changes: the live state must always equal the bundle,
//! generated secrets must never change, and no object may be left over.
//!
//! `RELAY_BUNDLE_SOAK=200` makes 200 changes, and `RELAY_BUNDLE_SOAK_SEED=7` chooses different
//! ones.

use std::collections::BTreeSet;

use relay_bundle::model::kind::Kind;
use relay_bundle::rollout::prune::referenced_names;
use serde_json::Value;

use crate::site::Site;

/// The default number of changes.
const CHANGES: u64 = 12;

/// The choices of each change: one item of every line, independently.
const CHOICES: [&[&[&str]]; 9] = [
    &[
        &[],
        &["config.logLevel=\"info\""],
        &["config.logLevel=\"warn\""],
        &["config.logLevel=\"error\""],
    ],
    &[&[], &["replicaCount=2"], &["replicaCount=3"]],
    &[
        &[],
        &[
            "podDisruptionBudget.enabled=true",
            "podDisruptionBudget.maxUnavailable=1",
            "replicaCount=2",
        ],
    ],
    &[&[], &["service.annotations={\"example.internal/x\"=\"1\"}"], &["service.port=8080"]],
    &[&[], &["serviceAccount.name=\"own\""], &["serviceAccount.name=\"other\""]],
    &[&[], &["podLabels={team=\"a\"}"], &["podLabels={team=\"b\"}"]],
    &[
        &[],
        &[
            "redis.resources={limits={cpu=\"500m\", memory=\"300Mi\"}, requests={cpu=\"50m\", memory=\"64Mi\"}}",
        ],
    ],
    &[
        &[],
        &["extraEnv=[{name=\"EXTRA\", value=\"1\"}]"],
        &["extraEnv=[{name=\"EXTRA\", value=\"2\"}]"],
    ],
    &[&[], &["config.requestTimeout=500000"], &["config.requestTimeout=700000"]],
];

#[expect(clippy::disallowed_methods, reason = "a person may ask for more, or for others")]
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// xorshift64*: the same seed yields the same changes.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let end = u64::try_from(end).unwrap();
        usize::try_from((self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % end).unwrap()
    }

    /// Chooses settings; a later choice for a key replaces an earlier one.
    fn settings(&mut self) -> Vec<&'static str> {
        let chosen = CHOICES.iter().flat_map(|choices| choices[self.below(choices.len())]);
        let mut settings: Vec<&'static str> = Vec::new();
        for setting in chosen {
            let key = setting.split('=').next();
            settings.retain(|other| other.split('=').next() != key);
            settings.push(setting);
        }
        settings
    }
}

fn name(object: &Value) -> String {
    format!("{}/{}", object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap())
}

/// Returns the objects of a plan, all of which must be unchanged.
#[track_caller]
fn all_kept(report: &Value) -> BTreeSet<String> {
    let steps = report["steps"].as_array().unwrap();
    let changed: Vec<&Value> = steps.iter().filter(|step| step["action"] != "keep").collect();
    let going = ["prune", "pruneFirst"].map(|list| report[list].clone());
    assert!(going.iter().all(|list| *list == Value::Array(Vec::new())), "{going:?}");
    assert!(changed.is_empty(), "{changed:#?}");
    let name = |step: &Value| {
        format!("{}/{}", step["kind"].as_str().unwrap(), step["name"].as_str().unwrap())
    };
    steps.iter().map(name).collect()
}

/// Returns the ConfigMaps that revisions and pods reference.
fn named(site: &Site) -> BTreeSet<String> {
    referenced_names(
        &site.plane.list(&site.namespace, "pods,replicasets,controllerrevisions"),
        Kind::ConfigMap,
    )
}

/// Asserts that the only objects of the installation are the bundle's, and ConfigMaps that an old
/// revision or a pod references or referenced before the last run.
fn nothing_is_left_over(site: &Site, wanted: &BTreeSet<String>, before: &BTreeSet<String>) {
    let kinds = "configmaps,secrets,serviceaccounts,services,persistentvolumeclaims,deployments,statefulsets,\
                 poddisruptionbudgets,networkpolicies,ingresses,horizontalpodautoscalers";
    let named: BTreeSet<String> = named(site).union(before).cloned().collect();
    let deployed =
        site.head("relay-dev")["generations"].as_array().unwrap().last().unwrap()["generation"]
            .clone();
    let record =
        site.plane.get(&site.namespace, &format!("configmap/relay-bundle.relay-dev.{deployed}"));
    let record: Value =
        serde_json::from_str(record["data"]["generation.json"].as_str().unwrap()).unwrap();
    let retained = record.get("retained").and_then(Value::as_array).into_iter().flatten();
    let retained: BTreeSet<&str> = retained.map(|item| item["name"].as_str().unwrap()).collect();
    for object in site.plane.list(&site.namespace, kinds) {
        let labels = &object["metadata"]["labels"];
        let is_ours = labels["app.kubernetes.io/managed-by"] == "relay-bundle";
        let is_record = labels["app.kubernetes.io/component"]
            .as_str()
            .is_some_and(|of| of.starts_with("record"));
        let text = object["metadata"]["name"].as_str().unwrap();
        let is_made = text.ends_with("-generated") || text.ends_with("-encryption-key");
        if !is_ours || is_record || is_made || wanted.contains(&name(&object)) {
            continue;
        }
        let is_named = object["kind"] == "ConfigMap" && named.contains(text);
        // Its revision may have been deleted since the run; then the next run deletes the
        // ConfigMap.
        assert!(is_named, "{} is left over", name(&object));
        assert!(retained.contains(text), "{} is forgotten", name(&object));
    }
}

#[test]
fn cluster_equals_bundle_exactly_after_upgrade_or_rollback() {
    let Some(site) = Site::new("soak") else { return };
    let profile = site.path().join("profiles/dev.toml");
    let text = fs_err::read_to_string(&profile).unwrap();
    let is_secret = |line: &&str| {
        ["adminPassword", "jwtSecret", "encryptionKey"].iter().any(|key| line.starts_with(key))
    };
    let text: Vec<&str> = text.lines().filter(|line| !is_secret(line)).collect();
    fs_err::write(&profile, text.join("\n") + "\n\n[redis.auth]\nenabled = true\n").unwrap();
    let (changes, seed) =
        (number("RELAY_BUNDLE_SOAK", CHANGES), number("RELAY_BUNDLE_SOAK_SEED", 1));
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    site.applied(&site.build("dev", &[]), &["--first-install", "--no-recovery"]);
    let secrets =
        ["encryption-key", "generated"].map(|end| format!("secret/relay-dev-claude-relay-{end}"));
    let values =
        || secrets.each_ref().map(|secret| site.plane.get(&site.namespace, secret)["data"].clone());
    let made = values();
    let (mut upgrades, mut rollbacks) = (0, 0);
    for change in 1..=changes {
        let before = named(&site);
        let head = site.head("relay-dev");
        let ran: Vec<u64> = head["generations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|of| of["generation"].as_u64().unwrap())
            .collect();
        let back = (dice.below(3) == 0).then(|| ran[dice.below(ran.len())].to_string());

        let rollback = ["rollback", "-n", "soak", "--trust", "trust.toml"];
        let shown = if let Some(to) = &back {
            rollbacks += 1;
            site.called(&[&rollback[..], &["--to", to]].concat());
            let head = site.head("relay-dev");
            let last =
                head["generations"].as_array().unwrap().last().unwrap()["generation"].to_string();
            site.call(&[&rollback[..], &["--to", &last, "--dry-run", "--json"]].concat())
        } else {
            upgrades += 1;
            let bundle = site.build("dev", &dice.settings());
            site.applied(&bundle, &[]);
            site.apply(&bundle, &["--dry-run", "--json"])
        };

        assert_eq!(shown.code, 0, "change {change} of seed {seed}: {}", shown.stderr);
        let wanted = all_kept(&serde_json::from_str(&shown.stdout).unwrap());
        nothing_is_left_over(&site, &wanted, &before);
        assert_eq!(values(), made, "change {change} of seed {seed}");
    }
    assert!(
        changes < CHANGES || upgrades > 0 && rollbacks > 0,
        "{upgrades} upgrades, {rollbacks} rollbacks"
    );
    site.called(&["remove", "-n", "soak"]);
    nothing_is_left_over(&site, &BTreeSet::new(), &BTreeSet::new());
    assert_eq!(values(), made);
}
