//! Tests an installation of an earlier release: its record stays readable, and its bundles can be
//! opened.

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

use crate::site::Site;

const NAMESPACE: &str = "compat";

fn file(name: &str) -> Utf8PathBuf {
    Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compat/0.1-abi2/record").join(name)
}

/// Restores the cluster as the earlier release left it: the objects of its first bundle under its
/// field manager, and its record with the UIDs of this cluster.
fn left_behind() -> Option<Site> {
    let site = Site::new(NAMESPACE)?;
    let emitted =
        site.run(&["verify", file("dev-1.tar").as_str(), "--trust", "trust.toml", "--emit"]);
    assert_eq!(emitted.code, 0, "{}", emitted.stderr);
    let apply =
        ["apply", "--server-side", "--force-conflicts", "--field-manager=relay-bundle", "-f", "-"];
    site.plane.feed(&apply, &emitted.stdout);
    for name in ["relay-dev.1", "relay-dev.2", "relay-dev.3", "relay-dev"] {
        let text = fs_err::read_to_string(file(&format!("relay-bundle.{name}.json"))).unwrap();
        let mut object: Value = serde_json::from_str(&text).unwrap();
        if let Some(Value::String(generation)) = object["data"].get_mut("generation.json") {
            *generation = with_live_uids(&site, generation);
        }
        site.plane
            .feed(&["create", "--field-manager=relay-bundle", "-f", "-"], &object.to_string());
    }
    for workload in ["deployment/relay-dev-claude-relay", "statefulset/relay-dev-redis"] {
        site.plane.kubectl(&["-n", NAMESPACE, "rollout", "status", "--timeout=60s", workload]);
    }
    Some(site)
}

fn with_live_uids(site: &Site, generation: &str) -> String {
    let mut document: Value = serde_json::from_str(generation).unwrap();
    for item in document["inventory"].as_array_mut().unwrap() {
        let object =
            format!("{}/{}", item["kind"].as_str().unwrap(), item["name"].as_str().unwrap());
        if site.plane.has(NAMESPACE, &object) {
            item["uid"] = site.plane.get(NAMESPACE, &object)["metadata"]["uid"].clone();
        }
    }
    document.to_string()
}

#[test]
fn old_installation_is_read_upgraded_rolled_back_and_removed() {
    let Some(site) = left_behind() else { return };
    let call = |arguments: &[&str]| site.call(&[arguments, &["-n", NAMESPACE]].concat());
    let trusted = ["--trust", "trust.toml"];

    let history = call(&["history", "--json"]);
    let history: Value = serde_json::from_str(&history.stdout).unwrap();
    assert_eq!(history["generations"].as_array().unwrap().len(), 3, "{history}");
    let status = call(&[&["status"], &trusted[..]].concat());
    assert_eq!(status.code, 0, "{}{}", status.stdout, status.stderr);
    let live = call(&[&["verify", "--live"], &trusted[..]].concat());
    assert_eq!(live.code, 0, "{}{}", live.stdout, live.stderr);

    // Its bundles can be opened: one that ran is compared, and restored from the record alone.
    let diff = site.call(&["diff", file("dev-2.tar").as_str(), "--live"]);
    assert_eq!(diff.code, 1, "{}{}", diff.stdout, diff.stderr);
    assert!(diff.stdout.contains("LOG_LEVEL: debug -> info"), "{}", diff.stdout);
    let back = site.called(&["rollback", "-n", NAMESPACE, "--to", "2", "--trust", "trust.toml"]);
    assert_eq!(back["done"]["generation"], 4, "{back}");

    // A bundle of the current release follows, and a rollback restores the earlier one.
    for _ in 0..2 {
        site.build("dev", &["config.defaultTokenLimit=7"]);
    }
    let today = site.build("dev", &["config.defaultTokenLimit=7"]);
    assert_eq!(site.applied(&today, &[])["done"]["generation"], 5);
    let back = site.called(&["rollback", "-n", NAMESPACE, "--trust", "trust.toml"]);
    assert_eq!(back["done"]["generation"], 6, "{back}");

    let removed = call(&["remove", "--yes"]);
    assert_eq!(removed.code, 0, "{}{}", removed.stdout, removed.stderr);
    assert!(!site.plane.has(NAMESPACE, "deployment/relay-dev-claude-relay"));
}
