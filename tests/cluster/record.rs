//! Tests `status`, `history`, and that no command trusts a damaged or forged record.

use relay_bundle::rollout::packed_bundle::pack;
use serde_json::{Value, json};

use crate::site::{Ran, Site};

fn report(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout)
        .unwrap_or_else(|error| panic!("{error}: {} {}", ran.stdout, ran.stderr))
}

fn generations(report: &Value) -> Vec<(u64, &str)> {
    let entries = report["generations"].as_array().unwrap().iter();
    entries
        .map(|entry| (entry["generation"].as_u64().unwrap(), entry["state"].as_str().unwrap()))
        .collect()
}

fn standing<'a>(report: &'a Value, kind: &str) -> &'a Value {
    let objects = report["objects"].as_array().unwrap();
    &objects.iter().find(|object| object["kind"] == kind).unwrap()["standing"]
}

#[test]
fn status_lists_objects_and_fails_if_any_is_missing_or_unready() {
    let Some(site) = Site::new("status") else { return };
    let bundle = site.build(
        "dev",
        &[
            "replicaCount=2",
            "podDisruptionBudget.enabled=true",
            "podDisruptionBudget.maxUnavailable=1",
        ],
    );
    let status = || site.call(&["status", "-n", "status", "--json"]);
    let ran = status();
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("nothing is installed in namespace status"), "{}", ran.stderr);
    site.applied(&bundle, &[]);

    // The installation is healthy.
    let ran = status();
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("nothing was verified"), "{}", ran.stderr);
    let found = report(&ran);
    assert_eq!((&found["ok"], &found["verified"]), (&json!(true), &json!(false)));
    assert_eq!(generations(&found), [(1, "deployed")]);
    assert_eq!(standing(&found, "Deployment"), "ready");
    let ran =
        site.call(&["status", "-n", "status", "--name", "relay-dev", "--trust", "trust.toml"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("verified    the deployed bundle\n"), "{}", ran.stdout);
    assert!(!ran.stderr.contains("nothing was verified"), "{}", ran.stderr);

    // One object is deleted, and another is deleted and recreated.
    site.plane.kubectl(&["-n", "status", "delete", "pdb/relay-dev-claude-relay"]);
    site.plane.kubectl(&["-n", "status", "delete", "service/relay-dev-redis"]);
    site.plane.kubectl(&[
        "-n",
        "status",
        "create",
        "service",
        "clusterip",
        "relay-dev-redis",
        "--tcp=6379",
    ]);
    let ran = status();
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let found = report(&ran);
    assert_eq!(standing(&found, "PodDisruptionBudget"), "missing");
    let replaced = found["objects"]
        .as_array()
        .unwrap()
        .iter()
        .find(|object| object["name"] == "relay-dev-redis" && object["kind"] == "Service");
    assert_eq!(replaced.unwrap()["standing"], "replaced");
}

#[test]
fn status_names_pending_generation_and_blocking_pods() {
    let Some(site) = Site::new("status-pending") else { return };
    site.applied(&site.build("dev", &[]), &[]);
    let bad =
        site.build("dev", &["podAnnotations={\"relay-bundle.test/fail\"=\"ImagePullBackOff\"}"]);
    assert_eq!(site.apply(&bad, &["--yes", "--timeout", "2"]).code, 4);

    // On a busy machine, it may take a moment until the pod reports the reason.
    let start = std::time::Instant::now();
    let found = loop {
        let ran = site.call(&["status", "-n", "status-pending", "--json"]);
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        let found = report(&ran);
        let is_said = found["troubles"].to_string().contains("ImagePullBackOff");
        if is_said || start.elapsed().as_secs() > 60 {
            break found;
        }
    };

    assert_eq!(generations(&found), [(2, "pending"), (1, "deployed")]);
    assert_eq!(found["objectsOf"], 2);
    assert_eq!(standing(&found, "Deployment"), "waiting");
    assert!(found["troubles"].to_string().contains("ImagePullBackOff"), "{}", found["troubles"]);
    let ran = site.call(&["status", "-n", "status-pending"]);
    assert!(ran.stdout.contains("pending     generation 2: dev, serial 2"), "{}", ran.stdout);
}

#[test]
fn status_refuses_untrusted_deployed_bundle() {
    let Some(site) = Site::new("status-revoked") else { return };
    site.applied(&site.build("dev", &[]), &[]);
    let status = || site.call(&["status", "-n", "status-revoked", "--trust", "trust.toml"]);
    assert_eq!(status().code, 0);
    let content =
        site.head("relay-dev")["generations"][0]["contentId"].as_str().unwrap().to_owned();
    let path = site.path().join("trust.toml");
    let policy = fs_err::read_to_string(&path).unwrap();
    fs_err::write(&path, format!("{policy}\n[[revokedContent]]\nsha256 = \"{content}\"\n"))
        .unwrap();

    let ran = status();

    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("REVOKED_CONTENT"), "{}", ran.stderr);
}

#[test]
fn name_is_required_only_with_several_installations() {
    let Some(site) = Site::new("several") else { return };
    site.applied(&site.build("dev", &[]), &[]);
    let history = |more: &[&str]| site.call(&[&["history", "-n", "several"], more].concat());
    assert_eq!(history(&[]).code, 0);
    let record = site.plane.get("several", "configmap/relay-bundle.relay-dev");
    let other = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": record["data"], "metadata": {
        "name": "relay-bundle.other", "namespace": "several", "labels": record["metadata"]["labels"]}});
    site.plane.ensure(&other.to_string());

    let ran = history(&[]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("--name other | relay-dev"), "{}", ran.stderr);
    assert_eq!(history(&["--name", "relay-dev"]).code, 0);
    let ran = history(&["--name", "nobody"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("nobody is not installed in namespace several"), "{}", ran.stderr);
}

#[test]
fn history_lists_generations_newest_first() {
    let Some(site) = Site::new("history") else { return };
    for level in ["info", "warn", "debug"] {
        site.applied(&site.build("dev", &[&format!("config.logLevel=\"{level}\"")]), &[]);
    }

    let ran = site.call(&["history", "-n", "history", "--json"]);

    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let found = report(&ran);
    assert_eq!(generations(&found), [(3, "deployed"), (2, "superseded"), (1, "superseded")]);
    let head = site.head("relay-dev");
    for (entry, recorded) in found["generations"]
        .as_array()
        .unwrap()
        .iter()
        .zip(head["generations"].as_array().unwrap().iter().rev())
    {
        let content = format!("sha256:{}", recorded["contentId"].as_str().unwrap());
        assert_eq!((&entry["contentId"], &entry["serial"]), (&content.into(), &recorded["serial"]));
        assert_eq!(entry["profile"], "dev");
    }
    let ran = site.call(&["history", "-n", "history"]);
    assert_eq!(ran.stdout.lines().count(), 3, "{}", ran.stdout);
    assert!(ran.stdout.starts_with("   3  deployed "), "{}", ran.stdout);
}

/// A way to damage a record: its description, the ConfigMap, and the change; `None` deletes the
/// ConfigMap.
type Damage<'a> = (&'static str, &'static str, Option<Box<dyn Fn(&mut Value) + 'a>>);

#[expect(clippy::too_many_lines, reason = "one table")]
fn damages(another: &str) -> Vec<Damage<'_>> {
    const HEAD: &str = "relay-bundle.relay-dev";
    const DEPLOYED: &str = "relay-bundle.relay-dev.2";
    fn edit(record: &mut Value, key: &str, change: impl Fn(&str) -> String) {
        let text = record["data"][key].as_str().unwrap();
        let changed = change(text);
        assert_ne!(text, changed);
        record["data"][key] = changed.into();
    }
    vec![
        (
            "head is no JSON",
            HEAD,
            Some(Box::new(|record| edit(record, "head.json", |_| "{".into()))),
        ),
        (
            "head is spelt otherwise",
            HEAD,
            Some(Box::new(|record| edit(record, "head.json", |text| text.replace(',', ", ")))),
        ),
        (
            "two are deployed",
            HEAD,
            Some(Box::new(|record| {
                edit(record, "head.json", |text| text.replace("superseded", "deployed"));
            })),
        ),
        (
            "head adopts another release",
            HEAD,
            Some(Box::new(|record| {
                edit(record, "head.json", |text| {
                    text.replacen('{', r#"{"adopting":"another","#, 1)
                });
            })),
        ),
        (
            "head is empty",
            HEAD,
            Some(Box::new(|record| {
                drop(record["data"].as_object_mut().unwrap().remove("head.json"));
            })),
        ),
        (
            "state is changed",
            HEAD,
            Some(Box::new(|record| {
                edit(record, "state.json", |text| text.replace("\"floors\"", "\"Floors\""));
            })),
        ),
        (
            "generation is no JSON",
            DEPLOYED,
            Some(Box::new(|record| edit(record, "generation.json", |_| "none".into()))),
        ),
        (
            "generation has another number",
            DEPLOYED,
            Some(Box::new(|record| {
                edit(record, "generation.json", |text| {
                    text.replace("\"generation\":2", "\"generation\":1")
                });
            })),
        ),
        (
            "generation names what no bundle has",
            DEPLOYED,
            Some(Box::new(|record| {
                edit(record, "generation.json", |text| {
                    text.replace("\"relay-dev-redis\"", "\"../../pods/x\"")
                });
            })),
        ),
        (
            "generation lists other objects",
            DEPLOYED,
            Some(Box::new(|record| {
                edit(record, "generation.json", |text| {
                    text.replace("\"relay-dev-redis\"", "\"relay-dev-other\"")
                });
            })),
        ),
        (
            "generation lists thousands of objects",
            DEPLOYED,
            Some(Box::new(|record| {
                let item = |number| {
                    json!({"apiVersion": "v1", "kind": "ConfigMap", "name": format!("c-{number:04}"),
                        "namespace": "forged", "uid": "0b5e-1"})
                };
                edit(record, "generation.json", |text| {
                    let mut generation: Value = serde_json::from_str(text).unwrap();
                    generation["retained"] = (0..8_000).map(item).collect();
                    generation.to_string()
                });
            })),
        ),
        (
            "bundle does not match the head",
            DEPLOYED,
            Some(Box::new(move |record| record["binaryData"]["bundle.tar.gz"] = another.into())),
        ),
        (
            "bundle is truncated",
            DEPLOYED,
            Some(Box::new(|record| {
                let text = record["binaryData"]["bundle.tar.gz"].as_str().unwrap();
                record["binaryData"]["bundle.tar.gz"] = text[..text.len() / 8 * 4].into();
            })),
        ),
        ("generation is gone", DEPLOYED, None),
    ]
}

#[test]
fn every_reader_refuses_damaged_or_forged_record_with_remedy() {
    let Some(site) = Site::new("forged") else { return };
    let first = site.build("dev", &[]);
    site.applied(&first, &[]);
    let second = site.build("dev", &["config.logLevel=\"info\""]);
    site.applied(&second, &[]);
    let bundle = second.as_str();
    let readers: [&[&str]; 6] = [
        &["status", "-n", "forged", "--name", "relay-dev"],
        &["history", "-n", "forged", "--name", "relay-dev"],
        &["apply", bundle, "--trust", "trust.toml", "--yes"],
        &["diff", bundle, "--live"],
        &["verify", bundle, "--trust", "trust.toml", "--live"],
        &["gc", "--live", "-n", "forged", "--name", "relay-dev", "--yes"],
    ];
    let another = pack(&fs_err::read(&first).unwrap()).unwrap();
    let installed = || -> Vec<String> {
        // The test itself writes the record.
        site.versions().into_iter().filter(|line| !line.contains("relay-bundle.")).collect()
    };
    let before = installed();
    let [head, deployed] = ["", ".2"].map(|end| {
        let mut whole = site.plane.get("forged", &format!("configmap/relay-bundle.relay-dev{end}"));
        whole["metadata"]
            .as_object_mut()
            .unwrap()
            .retain(|field, _| ["name", "namespace", "labels"].contains(&field.as_str()));
        whole
    });
    for (number, (what, name, damage)) in damages(&another).into_iter().enumerate() {
        let whole = if head["metadata"]["name"] == name { &head } else { &deployed };
        let restored = if let Some(damage) = damage {
            let mut record = whole.clone();
            damage(&mut record);
            site.plane.replace(&record);
            "replace"
        } else {
            site.plane.kubectl(&["-n", "forged", "delete", "configmap", name]);
            "create"
        };

        // All commands share one reader: each damage is tested with two commands, and each command
        // with some damages.
        for reader in [readers[number % 6], readers[(number + 3) % 6]] {
            let ran = site.call(reader);
            assert_eq!(ran.code, 4, "{what}: {}: {}", reader[0], ran.stderr);
            let wanted = format!("ConfigMap {name} in namespace forged, is damaged");
            assert!(ran.stderr.contains(&wanted), "{what}: {}", ran.stderr);
            let says_why =
                !what.contains("thousands") || ran.stderr.contains("exceeds 2000 objects");
            assert!(says_why, "{what}: {}", ran.stderr);
            assert!(ran.stderr.contains("restore that ConfigMap"), "{what}: {}", ran.stderr);
        }
        site.plane.feed(&[restored, "-f", "-"], &whole.to_string());
    }
    assert_eq!(installed(), before);

    // The remedy that the message names.
    let labels = "app.kubernetes.io/instance=relay-dev,app.kubernetes.io/component in (record, record-generation)";
    site.plane.kubectl(&["-n", "forged", "delete", "configmap", "-l", labels]);
    assert!(!site.plane.has("forged", "configmap/relay-bundle.relay-dev.2"));
    assert_eq!(site.applied(&second, &[])["done"]["generation"], 1);
    assert_eq!(site.call(&["status", "-n", "forged"]).code, 0);
}
