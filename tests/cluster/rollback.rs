//! Tests rollbacks: from the record alone, verified again, and never to content that is no longer
//! trusted.

use camino::Utf8Path;
use serde_json::{Value, json};

use crate::site::Site;

/// Returns the command line of a rollback in the site's namespace.
fn to<'a>(site: &'a Site, more: &[&'a str]) -> Vec<&'a str> {
    let own = ["rollback", "-n", &site.namespace, "--trust", "trust.toml"];
    own.into_iter().chain(more.iter().copied()).collect()
}

fn states(head: &Value) -> Vec<(i64, &str, Option<i64>)> {
    let entries = head["generations"].as_array().unwrap().iter();
    let of = |entry: &Value| entry.get("contentOf").and_then(Value::as_i64);
    entries
        .map(|entry| {
            (entry["generation"].as_i64().unwrap(), entry["state"].as_str().unwrap(), of(entry))
        })
        .collect()
}

fn log_level(site: &Site) -> String {
    let deployment = site.plane.get(&site.namespace, "deployment/relay-dev-claude-relay");
    let name = deployment
        .pointer("/spec/template/spec/containers/0/envFrom/0/configMapRef/name")
        .and_then(Value::as_str)
        .unwrap();
    let config = site.plane.get(&site.namespace, &format!("configmap/{name}"));
    config["data"]["LOG_LEVEL"].as_str().unwrap().to_owned()
}

#[test]
fn rollback_works_repeatedly_on_machine_without_bundle() {
    let Some(site) = Site::new("back") else { return };
    site.applied(&site.build("dev", &[]), &[]);
    site.applied(&site.build("dev", &["config.logLevel=\"info\""]), &[]);
    assert_eq!(log_level(&site), "info");
    let floor =
        site.plane.get(&site.namespace, "configmap/relay-bundle.relay-dev")["data"]["state.json"]
            .clone();
    // The machine of another operator has neither the bundle nor a state.
    fs_err::remove_dir_all(site.path().join(".local")).unwrap();
    for file in site.path().read_dir_utf8().unwrap().map(Result::unwrap) {
        if file.path().extension() == Some("tar") {
            fs_err::remove_file(file.path()).unwrap();
        }
    }

    let shown = site.call(&to(&site, &["--dry-run"]));
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    assert_eq!(log_level(&site), "info");
    let report = site.called(&to(&site, &[]));

    assert_eq!((&report["contentOf"], &report["done"]["generation"]), (&json!(1), &json!(3)));
    assert_eq!(log_level(&site), "debug");
    let head = site.head("relay-dev");
    assert_eq!(
        states(&head),
        [(1, "superseded", None), (2, "superseded", None), (3, "deployed", Some(1))]
    );
    assert_eq!(head.get("lock"), None);
    assert!(!site.path().join(".local").exists(), "going back notes nothing on this machine");
    let record = site.plane.get(&site.namespace, "configmap/relay-bundle.relay-dev");
    assert_eq!(record["data"]["state.json"], floor, "the floor does not move");

    // Unchanged objects are not written again.
    let before = site.versions();
    assert_eq!(site.called(&to(&site, &["--to", "3"]))["done"]["written"], 0);
    assert_eq!(site.versions(), before);
    assert_eq!(site.called(&to(&site, &[]))["contentOf"], 2);
    assert_eq!(log_level(&site), "info");
}

#[test]
fn failed_apply_prints_rollback_command() {
    let Some(site) = Site::new("back-failed") else { return };
    site.applied(&site.build("dev", &[]), &[]);
    let bad =
        site.build("dev", &["podAnnotations={\"relay-bundle.test/fail\"=\"ImagePullBackOff\"}"]);

    let ran = site.apply(&bad, &["--yes", "--timeout", "3"]);
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    let line =
        ran.stderr.lines().find_map(|line| line.split_once("relay-bundle rollback ")).unwrap().1;
    let words: Vec<&str> = ["rollback"].into_iter().chain(line.split(' ')).collect();
    let wanted =
        format!("-n {} --name relay-dev --to 1 --trust trust.toml --kubeconfig ", site.namespace);
    assert!(line.starts_with(&wanted), "{line}");
    let ran = crate::site::run(site.path(), &[&words[..], &["--yes"]].concat());

    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let head = site.head("relay-dev");
    assert_eq!(
        states(&head),
        [(1, "superseded", None), (2, "abandoned", None), (3, "deployed", Some(1))]
    );
    let deployment = site.plane.get(&site.namespace, "deployment/relay-dev-claude-relay");
    assert_eq!(deployment["status"]["readyReplicas"], 1);
}

#[test]
fn failed_first_install_prints_remove_command() {
    let Some(site) = Site::new("back-first") else { return };
    let bad =
        site.build("dev", &["podAnnotations={\"relay-bundle.test/fail\"=\"ImagePullBackOff\"}"]);

    let ran = site.apply(&bad, &["--yes", "--timeout", "2"]);

    assert_eq!(ran.code, 4, "{}", ran.stderr);
    let wanted =
        format!("relay-bundle remove -n {} --name relay-dev --kubeconfig ", site.namespace);
    assert!(ran.stderr.contains(&wanted), "{}", ran.stderr);
}

#[test]
fn rollback_needs_generation_that_ran_and_lists_candidates() {
    let Some(site) = Site::new("back-which") else { return };
    let first = site.build("dev", &[]);
    site.applied(&first, &[]);
    let ran = site.call(&to(&site, &["--yes"]));
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("no generation with different content"), "{}", ran.stderr);
    assert!(
        !ran.stderr.contains("--to ")
            && ran.stderr.contains("only the running generation has ever run here"),
        "{}",
        ran.stderr
    );
    let bad =
        site.build("dev", &["podAnnotations={\"relay-bundle.test/fail\"=\"ImagePullBackOff\"}"]);
    assert_eq!(site.apply(&bad, &["--yes", "--timeout", "1"]).code, 4);
    let before = site.versions();

    for (number, why) in [("2", "generation 2 is pending"), ("7", "no generation 7")] {
        let ran = site.call(&to(&site, &["--to", number, "--yes"]));

        assert_eq!(ran.code, 2, "{}", ran.stderr);
        assert!(ran.stderr.contains(why), "{}", ran.stderr);
        assert!(ran.stderr.contains("--to 1: profile dev, deployed"), "{}", ran.stderr);
    }
    site.applied(&site.build("dev", &["config.logLevel=\"info\""]), &[]);
    let ran = site.call(&to(&site, &["--to", "2", "--yes"]));
    assert!(ran.stderr.contains("generation 2 is abandoned"), "{}", ran.stderr);
    assert_ne!(site.versions(), before);
}

/// Replaces the bundle in the record of a generation, as any user who can write ConfigMaps could.
fn replace_recorded(site: &Site, generation: u64, archive: &Utf8Path) {
    let packed =
        relay_bundle::rollout::packed_bundle::pack(&fs_err::read(archive).unwrap()).unwrap();
    let name = format!("configmap/relay-bundle.relay-dev.{generation}");
    let mut record = site.plane.get(&site.namespace, &name);
    record["binaryData"]["bundle.tar.gz"] = packed.into();
    record["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    site.plane.replace(&record);
}

#[test]
fn record_with_replaced_bundle_is_not_trusted() {
    let Some(site) = Site::new("back-forged") else { return };
    let first = site.build("dev", &[]);
    site.applied(&first, &[]);
    let second = site.build("dev", &["config.logLevel=\"info\""]);
    site.applied(&second, &[]);
    let before = site.versions();
    let namespace = format!("release.namespace=\"{}\"", site.namespace);
    let build = |name: &str, more: &[&str]| {
        let archive = site.path().join(name);
        let store = format!("store-{name}");
        let own =
            ["build", "dev", "--set", &namespace, "--store", &store, "--archive", archive.as_str()];
        let ran = crate::site::run(site.path(), &[&own[..], more].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        archive
    };
    let resealed = site.build("dev", &[]);
    let table = [
        (build("unsigned.tar", &[]), "UNSIGNED"),
        (build("other.tar", &["--key", "other.pem", "--keygen"]), "UNTRUSTED_KEY"),
        (second, "TAMPERED"),
        (resealed, "TAMPERED"),
    ];
    for (archive, code) in table {
        replace_recorded(&site, 1, &archive);

        let ran = site.call(&to(&site, &["--to", "1", "--yes"]));

        assert_eq!(ran.code, 3, "{archive}: {}", ran.stderr);
        assert!(ran.stderr.starts_with(&format!("error: {code}: ")), "{archive}: {}", ran.stderr);
    }
    // Even with a forged head, a bundle that was signed for another place is rejected.
    let elsewhere = crate::site::build(site.path(), "dev", "back-elsewhere", 99, &[]);
    let ran = crate::site::run(site.path(), &["inspect", elsewhere.as_str(), "--json"]);
    let content: Value = serde_json::from_str(&ran.stdout).unwrap();
    let content = content["contentId"].as_str().unwrap().trim_start_matches("sha256:").to_owned();
    let whole = site.plane.get(&site.namespace, "configmap/relay-bundle.relay-dev");
    let mut record = whole.clone();
    let mut head = site.head("relay-dev");
    head["generations"][0]["contentId"] = content.into();
    head["generations"][0]["serial"] = 99.into();
    record["data"]["head.json"] = head.to_string().into();
    site.plane.replace(&record);
    replace_recorded(&site, 1, &elsewhere);
    let ran = site.call(&to(&site, &["--to", "1", "--yes"]));
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.starts_with("error: WRONG_TARGET: "), "{}", ran.stderr);
    record["data"] = whole["data"].clone();
    record["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    site.plane.replace(&record);

    let recorded = |line: &String| line.contains("relay-bundle.relay-dev");
    let written: Vec<String> = site.versions().into_iter().filter(|line| !recorded(line)).collect();
    let before: Vec<String> = before.into_iter().filter(|line| !recorded(line)).collect();
    assert_eq!(written, before);
    replace_recorded(&site, 1, &first);
    site.called(&to(&site, &["--to", "1"]));
}

#[test]
fn rollback_allows_age_and_retired_key_but_not_revocation() {
    let Some(site) = Site::new("back-policy") else { return };
    site.applied(&site.build("dev", &[]), &[]);
    site.applied(&site.build("dev", &["config.logLevel=\"info\""]), &[]);
    let policy = fs_err::read_to_string(site.path().join("trust.toml")).unwrap();
    let write = |text: &str| fs_err::write(site.path().join("trust.toml"), text).unwrap();
    let content =
        site.head("relay-dev")["generations"][0]["contentId"].as_str().unwrap().to_owned();
    let before = site.versions();
    let table = [
        (
            policy.replace("holder = \"builder\"", "holder = \"builder\"\nstatus = \"revoked\""),
            "REVOKED_KEY",
        ),
        (policy.replace("threshold = 1", "threshold = 1\nminSerial = 2"), "BELOW_MIN_SERIAL"),
        (format!("{policy}[[revokedContent]]\nsha256 = \"{content}\"\n"), "REVOKED_CONTENT"),
    ];
    for (text, code) in table {
        write(&text);

        let ran = site.call(&to(&site, &["--yes"]));

        assert_eq!(ran.code, 3, "{code}: {}", ran.stderr);
        assert!(ran.stderr.starts_with(&format!("error: {code}: ")), "{}", ran.stderr);
        assert_eq!(site.versions(), before);
    }
    write(&policy.replace("holder = \"builder\"", "holder = \"builder\"\nstatus = \"retired\""));
    site.called(&to(&site, &[]));
    assert_eq!(log_level(&site), "debug");
}

#[test]
fn rollback_to_other_environment_needs_explicit_generation() {
    let Some(site) = Site::new("back-elsewhere") else { return };
    let site = site.with_namespace();
    let credentials =
        ["create", "secret", "generic", "loki-credentials", "--from-literal=password=example"];
    site.plane.kubectl(&[&["-n", "back-elsewhere"], &credentials[..]].concat());
    let install = ["--first-install", "--no-recovery"];
    site.applied(&site.build("loki-logging", &["release.environment=\"staging\""]), &install);
    site.applied(&site.build("loki-logging", &["config.logLevel=\"error\""]), &[]);
    let before = site.versions();

    let refused = site.call(&to(&site, &["--yes"]));

    assert_eq!(refused.code, 2, "{}", refused.stderr);
    let why =
        "generation 1 is for environment staging, but the running generation 2 is for production";
    assert!(
        refused.stderr.contains(why) && refused.stderr.contains("--to 1 --dry-run"),
        "{}",
        refused.stderr
    );
    assert_eq!(site.versions(), before);
    let report = site.called(&to(&site, &["--to", "1"]));
    assert_eq!(
        (&report["environment"], &report["done"]["generation"]),
        (&json!("staging"), &json!(3))
    );
}
