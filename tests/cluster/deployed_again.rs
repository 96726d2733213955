//! Tests `apply` of deployed content: it is always accepted, even if newer content was accepted
//! after it, and does not change the state.

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Value, json};

use crate::site::{Site, build, write_trusted};

const FAILS: &str = "podAnnotations={\"relay-bundle.test/fail\"=\"ImagePullBackOff\"}";

/// Applies a bundle, and then a newer one that fails.
fn with_failed_upgrade(namespace: &str) -> Option<(Site, Utf8PathBuf)> {
    let site = Site::new(namespace)?;
    let (good, bad) = (site.build("dev", &[]), site.build("dev", &[FAILS]));
    site.applied(&good, &[]);
    assert_eq!(site.apply(&bad, &["--yes", "--timeout", "1"]).code, 4);
    Some((site, good))
}

fn roll_back(site: &Site) {
    site.called(&["rollback", "-n", &site.namespace, "--trust", "trust.toml"]);
}

/// Returns the accepted state, on this machine and in the cluster.
fn accepted(site: &Site) -> (String, Value) {
    let own =
        fs_err::read_to_string(site.path().join(".local/state/relay-bundle/state.json")).unwrap();
    let record = site.plane.get(&site.namespace, "configmap/relay-bundle.relay-dev");
    (own, record["data"]["state.json"].clone())
}

fn change_trust(site: &Site, change: impl Fn(&str) -> String) {
    let path = site.path().join("trust.toml");
    let policy = fs_err::read_to_string(&path).unwrap();
    write_trusted(&path, &change(&policy));
}

#[test]
fn deployed_content_is_applied_below_accepted_and_repairs() {
    let Some((site, good)) = with_failed_upgrade("again") else { return };
    roll_back(&site);
    let before = accepted(&site);

    let unchanged = site.apply(&good, &["--yes", "--json"]);
    site.plane.kubectl(&["-n", "again", "delete", "service/relay-dev-redis"]);
    let repaired = site.applied(&good, &[]);

    assert_eq!(unchanged.code, 0, "{}", unchanged.stderr);
    let excuse = "ROLLBACK: its serial 1 is below 2, which was accepted on";
    assert!(unchanged.stderr.contains(excuse), "{}", unchanged.stderr);
    assert!(unchanged.stderr.contains("the deployed generation 3"), "{}", unchanged.stderr);
    let unchanged: Value = serde_json::from_str(&unchanged.stdout).unwrap();
    assert_eq!(unchanged["done"], json!({"generation": 3, "written": 0, "pruned": []}));
    assert_eq!(repaired["done"], json!({"generation": 4, "written": 1, "pruned": []}));
    assert_eq!(accepted(&site), before);
}

#[test]
fn deployed_content_is_applied_over_failed_upgrade() {
    let Some((site, good)) = with_failed_upgrade("again-pending") else { return };
    let before = accepted(&site);

    let report = site.applied(&good, &[]);

    assert_eq!(report["done"]["generation"], 3);
    let states: Vec<Value> = site.head("relay-dev")["generations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["state"].clone())
        .collect();
    assert_eq!(states, ["superseded", "abandoned", "deployed"]);
    assert_eq!(accepted(&site), before);
}

#[test]
fn record_alone_refuses_other_but_not_deployed_content() {
    let Some((site, good)) = with_failed_upgrade("again-record") else { return };
    let kept = site.path().join("good.tar");
    fs_err::rename(&good, &kept).unwrap();
    // A new store, because a store never gives a used serial to other content.
    fs_err::remove_dir_all(site.path().join("store-1")).unwrap();
    let other = build(site.path(), "dev", "again-record", 1, &["config.logLevel=\"warn\""]);
    roll_back(&site);
    fs_err::remove_dir_all(site.path().join(".local")).unwrap();

    let refused = site.apply(&other, &["--yes"]);
    site.applied(&kept, &[]);

    assert_eq!(refused.code, 3, "{}", refused.stderr);
    assert!(refused.stderr.starts_with("error: ROLLBACK: "), "{}", refused.stderr);
}

#[test]
fn deployed_content_is_applied_when_it_has_expired() {
    let Some(site) = Site::new("again-expired") else { return };
    let archive = site.path().join("short.tar");
    let build = |expires: &str| {
        let namespace = "release.namespace=\"again-expired\"";
        let own =
            ["build", "dev", "--key", "key.pem", "--serial", "7", "--archive", archive.as_str()];
        let terms = ["--store", expires, "--issued", "2020-01-01T00:00:00Z", "--expires", expires];
        let ran = site.run(&[&own[..], &terms, &["--set", namespace]].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    };
    build("2120-01-01T00:00:00Z");
    site.applied(&archive, &[]);
    build("2020-01-02T00:00:00Z");

    site.applied(&archive, &[]);
}

#[test]
fn deployed_content_revoked_or_below_minimum_is_refused() {
    let Some((site, good)) = with_failed_upgrade("again-revoked") else { return };
    roll_back(&site);
    let plain = fs_err::read_to_string(site.path().join("trust.toml")).unwrap();
    let content =
        site.head("relay-dev")["generations"][0]["contentId"].as_str().unwrap().to_owned();
    let refused = |code: &str| {
        let ran = site.apply(&good, &["--yes"]);
        assert_eq!(ran.code, 3, "{}", ran.stderr);
        assert!(ran.stderr.starts_with(&format!("error: {code}: ")), "{}", ran.stderr);
    };

    change_trust(&site, |policy| format!("{policy}[[revokedContent]]\nsha256 = \"{content}\"\n"));
    refused("REVOKED_CONTENT");
    write_trusted(&site.path().join("trust.toml"), &plain);
    change_trust(&site, |policy| {
        policy.replace("threshold = 1\n", "threshold = 1\nminSerial = 2\n")
    });
    refused("BELOW_MIN_SERIAL");
    write_trusted(&site.path().join("trust.toml"), &plain);
    change_trust(&site, |policy| {
        policy.replace("holder = \"builder\"", "holder = \"builder\"\nstatus = \"revoked\"")
    });
    refused("REVOKED_KEY");
}

/// Returns the command in a hint, after these words.
fn printed<'a>(text: &'a str, words: &str) -> &'a str {
    let (_, rest) = text.split_once(words).unwrap_or_else(|| panic!("{words}: {text}"));
    rest.lines().next().unwrap()
}

#[test]
fn lost_installation_is_restored_with_printed_reset_command() {
    let Some((site, good)) = with_failed_upgrade("again-lost") else { return };
    site.takes_away_what_pods_name();
    site.plane.kubectl(&["delete", "namespace", "again-lost"]);
    let state = site.path().join("my state.json");
    fs_err::rename(site.path().join(".local/state/relay-bundle/state.json"), &state).unwrap();
    let state = ["--yes", "--state", "my state.json"];

    let refused = site.apply(&good, &state);
    assert_eq!(refused.code, 3, "{}", refused.stderr);
    let line = printed(&refused.stderr, "after resetting the accepted serial: relay-bundle ");
    shell(site.path(), &format!("{line} --yes"));

    let ran = site.apply(&good, &state);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

/// Runs a command line in a shell.
fn shell(folder: &Utf8Path, line: &str) {
    let binary = env!("CARGO_BIN_EXE_relay-bundle");
    let mut command = assert_cmd::Command::new("sh");
    let command = command.args(["-c", &format!("'{binary}' {line}")]).current_dir(folder);
    command.env_clear().env("HOME", folder).assert().success();
}

#[test]
fn reset_is_not_advised_where_it_would_not_help() {
    let Some((site, good)) = with_failed_upgrade("again-no-reset") else { return };
    site.takes_away_what_pods_name();
    site.plane.kubectl(&["delete", "namespace", "again-no-reset"]);
    let kept = site.path().join("good.tar");
    fs_err::rename(&good, &kept).unwrap();
    fs_err::remove_dir_all(site.path().join("store-2")).unwrap();
    let twin = build(site.path(), "dev", "again-no-reset", 2, &["config.logLevel=\"warn\""]);
    let refused = |bundle: &Utf8Path, code: &str| {
        let ran = site.apply(bundle, &["--yes"]);
        assert_eq!(ran.code, 3, "{}", ran.stderr);
        assert!(ran.stderr.starts_with(&format!("error: {code}: ")), "{}", ran.stderr);
        assert!(!ran.stderr.contains("nothing is installed here"), "{}", ran.stderr);
    };

    refused(&twin, "EQUIVOCATION");
    change_trust(&site, |policy| {
        policy.replace("holder = \"builder\"", "holder = \"builder\"\nstatus = \"retired\"")
    });
    refused(&kept, "RETIRED_KEY");
}
