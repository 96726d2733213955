//! Compares a bundle with the cluster: `diff --live` and `verify --live`.

use serde_json::{Value, json};

use crate::refused::kubeconfig;
use crate::site::{Ran, Site, build, key, prepare, run, write_trust, write_trusted};

const RELAY: &str = "relay-dev-claude-relay";

fn report(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout)
        .unwrap_or_else(|error| panic!("{error}: {} {}", ran.stdout, ran.stderr))
}

fn verify(site: &Site, bundle: &str) -> Ran {
    site.call(&["verify", bundle, "--trust", "trust.toml", "--live", "--json"])
}

/// Returns the kind of difference of each object with its fields.
///
/// The form of a field is `path: live, wanted (managers)`.
fn told(ran: &Ran) -> Vec<String> {
    let text = |value: Option<&Value>| value.map_or("-".to_owned(), ToString::to_string);
    let mut lines = Vec::new();
    for object in report(ran)["live"]["objects"].as_array().unwrap() {
        let name =
            format!("{}/{}", object["kind"].as_str().unwrap(), object["name"].as_str().unwrap());
        lines.push(format!("{} {name}", object["change"].as_str().unwrap()));
        for field in object["fields"].as_array().into_iter().flatten() {
            let managers = field["managers"].to_string();
            let (live, wanted) = (text(field.get("live")), text(field.get("wanted")));
            lines.push(format!(
                "  {}: {live}, wanted {wanted}, {managers}",
                field["path"].as_str().unwrap()
            ));
        }
    }
    lines
}

#[test]
fn manual_edits_additions_and_deletions_are_named_with_manager() {
    let Some(site) = Site::new("drift") else { return };
    let settings = [
        "replicaCount=2",
        "podDisruptionBudget.enabled=true",
        "podDisruptionBudget.maxUnavailable=1",
    ];
    let bundle = site.build("dev", &settings);
    site.applied(&bundle, &[]);
    let ran = verify(&site, bundle.as_str());
    assert_eq!((ran.code, told(&ran)), (0, vec![]), "{}", ran.stderr);
    let kubectl =
        |arguments: &[&str]| drop(site.plane.kubectl(&[&["-n", "drift"], arguments].concat()));
    let service = format!("service/{RELAY}");
    let deployment = format!("deployment/{RELAY}");

    let port = r#"[{"op": "replace", "path": "/spec/ports/0/port", "value": 8081}]"#;
    kubectl(&["patch", &service, "--type=json", "-p", port, "--field-manager=kubectl-edit"]);
    kubectl(&["label", &service, "app.kubernetes.io/part-of-"]);
    kubectl(&["scale", &deployment, "--replicas=3"]);
    kubectl(&["set", "env", &deployment, "--containers=claude-relay", "EXTRA=1"]);
    kubectl(&["annotate", "statefulset/relay-dev-redis", "example.internal/note=mine"]);
    kubectl(&["delete", &format!("pdb/{RELAY}")]);
    let before = site.versions();
    let ran = verify(&site, bundle.as_str());

    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert_eq!(
        told(&ran),
        [
            format!("differs Service/{RELAY}"),
            r#"  metadata.labels["app.kubernetes.io/part-of"]: -, wanted "claude-relay", []"#.to_owned(),
            r#"  spec.ports[http].port: 8081, wanted 80, ["kubectl-edit"]"#.to_owned(),
            "differs StatefulSet/relay-dev-redis".to_owned(),
            r#"  metadata.annotations["example.internal/note"]: "mine", wanted -, ["kubectl-annotate"]"#.to_owned(),
            format!("differs Deployment/{RELAY}"),
            r#"  spec.replicas: 3, wanted 2, ["kubectl"]"#.to_owned(),
            r#"  spec.template.spec.containers[claude-relay].env[EXTRA]: {"name":"EXTRA","value":"1"}, wanted -, ["kubectl-set"]"#.to_owned(),
            format!("missing PodDisruptionBudget/{RELAY}"),
        ]
    );
    assert_eq!(site.versions(), before);
    let text = site.call(&["verify", bundle.as_str(), "--trust", "trust.toml", "--live"]).stdout;
    for line in [
        "4 objects do not match the bundle",
        "- PodDisruptionBudget/relay-dev-claude-relay: missing",
        "spec.replicas: 3, in the bundle 2 (kubectl)",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

#[test]
fn replaced_config_and_objects_beyond_bundle_are_drift() {
    let Some(site) = Site::new("drift-config") else { return };
    let (first, second) =
        (site.build("dev", &[]), site.build("dev", &["serviceAccount.name=\"own\""]));
    site.applied(&first, &[]);
    let maps = site.plane.list("drift-config", "configmaps");
    let mut config = maps
        .into_iter()
        .find(|map| {
            map["immutable"] == true
                && map["metadata"]["name"].as_str().unwrap().contains("claude-relay")
        })
        .unwrap();
    let name = config["metadata"]["name"].as_str().unwrap().to_owned();
    // The ConfigMap is immutable, but can be deleted and recreated.
    site.takes_away_what_pods_name();
    site.plane.kubectl(&["-n", "drift-config", "delete", "configmap", &name]);
    config["data"]["LOG_LEVEL"] = "silly".into();
    let metadata = config["metadata"].as_object_mut().unwrap();
    metadata.retain(|field, _| ["name", "namespace", "labels"].contains(&field.as_str()));
    site.plane.feed(&["create", "-f", "-"], &config.to_string());

    let ran = verify(&site, first.as_str());

    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let lines = told(&ran);
    assert_eq!(lines[0], format!("differs ConfigMap/{name}"), "{lines:#?}");
    assert!(lines[1].starts_with("  data.LOG_LEVEL: \"silly\", wanted "), "{lines:#?}");
    let objects = &report(&ran)["live"]["objects"];
    assert!(objects[0]["refused"].to_string().contains("immutable"), "{objects}");

    // The comparison with another bundle than the running one.
    let lines = told(&verify(&site, second.as_str()));
    assert!(lines.contains(&"missing ServiceAccount/own".to_owned()), "{lines:#?}");
    assert!(lines.contains(&format!("surplus ServiceAccount/{RELAY}")), "{lines:#?}");
}

#[test]
fn unverified_or_wrong_target_bundle_is_not_compared() {
    let Some(site) = Site::new("drift-refused") else { return };
    let bundle = site.build("dev", &[]);
    let ran = verify(&site, bundle.as_str());
    // Without an installation, every object is missing.
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let lines = told(&ran);
    assert!(lines.contains(&format!("missing Deployment/{RELAY}")), "{lines:#?}");
    assert!(lines.iter().all(|line| line.starts_with("missing ")), "{lines:#?}");

    site.trust("00000000-0000-0000-0000-000000000000");
    let ran = verify(&site, bundle.as_str());
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("WRONG_TARGET"), "{}", ran.stderr);
}

#[test]
fn rolled_back_installation_is_compared_only_by_its_record() {
    let Some(site) = Site::new("drift-back") else { return };
    let (first, second) =
        (site.build("dev", &[]), site.build("dev", &["config.logLevel=\"info\""]));
    site.applied(&first, &[]);
    site.applied(&second, &[]);
    site.called(&["rollback", "-n", "drift-back", "--trust", "trust.toml"]);
    let running = |more: &[&str]| {
        site.call(
            &[&["verify", "--live", "-n", "drift-back", "--trust", "trust.toml"], more].concat(),
        )
    };

    let ran = running(&["--json"]);

    assert_eq!((ran.code, told(&ran)), (0, vec![]), "{}", ran.stderr);
    let shown = report(&ran);
    assert_eq!((&shown["serial"], &shown["live"]["generation"]), (&json!(1), &json!(3)));
    assert_eq!(
        (&shown["contentId"], &shown["replay"]["checked"]),
        (&shown["live"]["contentId"], &json!(false))
    );
    let text = running(&[]).stdout;
    assert!(
        text.contains(
            "generation 3 of relay-dev in namespace drift-back, running according to the record"
        ),
        "{text}"
    );
    assert!(text.contains("not checked, it runs here according to the record"), "{text}");
    site.plane.kubectl(&[
        "-n",
        "drift-back",
        "scale",
        &format!("deployment/{RELAY}"),
        "--replicas=2",
    ]);
    let ran = running(&["--json"]);
    assert_eq!(
        (ran.code, told(&ran)[0].as_str()),
        (1, &*format!("differs Deployment/{RELAY}")),
        "{}",
        ran.stderr
    );

    // As a file, the same bundle is an older one that is brought in again.
    let ran = verify(&site, first.as_str());
    assert_eq!((ran.code, &report(&ran)["code"]), (3, &json!("ROLLBACK")), "{}", ran.stderr);
    assert!(
        report(&ran)["hints"].to_string().contains("relay-bundle verify --live, without BUNDLE"),
        "{}",
        ran.stdout
    );
    // Without a policy or a record the command fails, and running content does not make a revoked
    // bundle acceptable.
    write_trusted(&site.path().join("public.pem"), &key().public().to_pem());
    let ran = site.call(&["verify", "--live", "-n", "drift-back", "--key", "public.pem"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("needs a trust policy"), "{}", ran.stderr);
    let ran = site.call(&["verify", "--live", "-n", "default", "--trust", "trust.toml"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    let policy = fs_err::read_to_string(site.path().join("trust.toml")).unwrap();
    let content_id = shown["contentId"].as_str().unwrap().trim_start_matches("sha256:");
    let revoked = format!("{policy}[[revokedContent]]\nsha256 = \"{content_id}\"\n");
    write_trusted(&site.path().join("trust.toml"), &revoked);
    let ran = running(&[]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("REVOKED_CONTENT"), "{}", ran.stderr);
}

#[test]
fn missing_generated_secret_is_drift() {
    let Some(site) = Site::new("drift-secret") else { return };
    let site = site.with_namespace();
    let wanted = ["create", "secret", "generic", "loki-credentials", "--from-literal=password=x"];
    site.plane.kubectl(&[&["-n", "drift-secret"], &wanted[..]].concat());
    let bundle = site.build("loki-logging", &[]);
    site.applied(&bundle, &["--first-install", "--no-recovery"]);
    let ran = verify(&site, bundle.as_str());
    assert_eq!((ran.code, &report(&ran)["live"]["missing"]), (0, &json!([])), "{}", ran.stderr);
    site.takes_away_what_pods_name();
    site.plane.kubectl(&[
        "-n",
        "drift-secret",
        "delete",
        "secret/relay-loki-claude-relay-encryption-key",
    ]);

    let ran = verify(&site, bundle.as_str());

    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let missing = &report(&ran)["live"]["missing"];
    assert_eq!(missing.as_array().unwrap().len(), 1, "{missing}");
    assert!(
        missing[0]
            .as_str()
            .unwrap()
            .starts_with("Secret relay-loki-claude-relay-encryption-key in drift-secret")
    );
}

#[test]
fn fields_applied_by_kubectl_are_not_drift() {
    let Some(site) = Site::new("drift-kubectl") else { return };
    let bundle = site.build("dev", &[]);
    let emitted = site.run(&["verify", bundle.as_str(), "--trust", "trust.toml", "--emit"]);
    assert_eq!(emitted.code, 0, "{}", emitted.stderr);
    site.plane.feed(&["apply", "--server-side", "-f", "-"], &emitted.stdout);

    let ran = verify(&site, bundle.as_str());

    assert_eq!((ran.code, told(&ran)), (0, vec![]), "{}", ran.stderr);
    assert_eq!(report(&ran)["live"].get("generation"), None);
}

#[test]
fn cluster_is_not_contacted_before_bundle_is_verified() {
    let home = tempfile::tempdir().unwrap();
    let folder = camino::Utf8Path::from_path(home.path()).unwrap();
    prepare(folder);
    write_trust(folder, "00000000-0000-0000-0000-000000000000");
    let bundle = build(folder, "dev", "relay-dev", 1, &[]);
    let mut bytes = fs_err::read(&bundle).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let bad = folder.join("bad.tar");
    fs_err::write(&bad, bytes).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let config = kubeconfig(folder, &listener);

    for (arguments, code) in [
        (&["verify", "bad.tar", "--trust", "trust.toml", "--live"][..], 3),
        (&["diff", "./bad.tar", "--live"], 3),
        (&["status", "--trust", "none.toml"], 2),
    ] {
        let ran = run(folder, &[arguments, &["--kubeconfig", config.as_str()]].concat());
        assert_eq!(ran.code, code, "{arguments:?}: {}", ran.stderr);
        assert!(listener.accept().is_err(), "{arguments:?}: a connection was made");
    }
}

fn diff(site: &Site, bundle: &str) -> (i32, Value) {
    let ran = site.call(&["diff", bundle, "--live", "--json"]);
    (ran.code, report(&ran))
}

#[test]
fn live_diff_matches_what_apply_does() {
    let Some(site) = Site::new("diff-live") else { return };
    let first = site.build("dev", &[]);
    let (code, found) = diff(&site, first.as_str());
    assert_eq!((code, found.get("generation")), (1, None));
    let objects = found["objects"].as_array().unwrap();
    assert!(
        objects.len() > 5 && objects.iter().all(|object| object["change"] == "added"),
        "{found}"
    );
    assert!(!site.plane.has("default", "namespace/diff-live"));

    site.applied(&first, &[]);
    let (code, found) = diff(&site, first.as_str());
    assert_eq!(
        (code, &found["same"], &found["generation"]),
        (0, &json!(true), &json!(1)),
        "{found}"
    );
    assert_eq!((&found["objects"], &found["warnings"]), (&json!([]), &json!([])));

    let second = site.build("dev", &["config.logLevel=\"info\"", "service.type=\"NodePort\""]);
    let before = site.versions();
    let (code, found) = diff(&site, second.as_str());
    assert_eq!(site.versions(), before);
    assert_eq!((code, &found["same"]), (1, &json!(false)));
    let applied = site.applied(&second, &[]);
    assert_eq!(found["workloads"], applied["workloads"]);
    assert_eq!(found["workloads"][1]["reasons"], json!(["config LOG_LEVEL changed"]));
    assert_eq!(diff(&site, second.as_str()).0, 0);
    // Objects that an old ReplicaSet still references are neither part of this generation nor
    // missing.
    let ran = verify(&site, second.as_str());
    assert_eq!((ran.code, told(&ran)), (0, vec![]), "{}", ran.stderr);
}

#[test]
fn live_diff_shows_manual_changes_and_hides_secrets() {
    let Some(site) = Site::new("diff-hand") else { return };
    let bundle = site.build("dev", &[]);
    site.applied(&bundle, &[]);
    let secret = format!("secret/{RELAY}-literal");
    let keys = site.plane.get("diff-hand", &secret)["data"].as_object().unwrap().clone();
    let value = json!({"stringData": {keys.keys().next().unwrap(): "made-by-hand", "more": "made-by-hand"}});
    site.plane.kubectl(&["-n", "diff-hand", "patch", &secret, "-p", &value.to_string()]);
    site.plane.kubectl(&[
        "-n",
        "diff-hand",
        "scale",
        &format!("deployment/{RELAY}"),
        "--replicas=3",
    ]);

    for arguments in [
        &["diff", bundle.as_str(), "--live"][..],
        &["verify", bundle.as_str(), "--trust", "trust.toml", "--live"],
    ] {
        for json in [&[][..], &["--json"]] {
            let ran = site.call(&[arguments, json].concat());
            assert_eq!(ran.code, 1, "{}", ran.stderr);
            assert!(ran.stdout.contains("spec.replicas"), "{}", ran.stdout);
            assert!(ran.stdout.contains("redacted"), "{}", ran.stdout);
            // Both values, and their base64.
            for hidden in
                ["made-by-hand", "bWFkZS1ieS1oYW5k", "development-only", "ZGV2ZWxvcG1lbnQtb25seQ"]
            {
                assert!(
                    !ran.stdout.contains(hidden) && !ran.stderr.contains(hidden),
                    "{hidden}: {}",
                    ran.stdout
                );
            }
        }
    }
}
