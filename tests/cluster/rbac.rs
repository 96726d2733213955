//! Tests `rbac`: the printed Roles suffice for every command, and without any one of their rules no
//! command begins to write.

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Value, json};

use crate::helm::{ADMIN, Helm, adoption};
use crate::platform;
use crate::site::{Ran, Site, apply, run};

const ACCOUNT: &str = "deployer";

/// Applies the output of `rbac`, and waits until the API server enforces it.
fn grant(site: &Site, arguments: &[&str]) {
    let account = format!("{}:{ACCOUNT}", site.namespace);
    let all = [&["rbac", "--service-account", &account], arguments].concat();
    let [text, data] = [&[][..], &["--json"]].map(|form| {
        let ran = run(site.path(), &[&all, form].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        ran.stdout
    });
    site.plane.feed(&["apply", "-f", "-"], &text);
    let report: Value = serde_json::from_str(&data).unwrap();
    let roles =
        report["objects"].as_array().unwrap().iter().filter(|object| object["rules"].is_array());
    for role in roles {
        let namespace = role["metadata"]["namespace"].as_str().unwrap_or_default();
        settle(site, ACCOUNT, &role["rules"][0], namespace, true);
    }
}

/// Applies the output of `rbac` for bundles, and returns a kubeconfig with only these permissions.
pub(crate) fn deployer(site: &Site, bundles: &[&Utf8Path]) -> Utf8PathBuf {
    grant(site, &bundles.iter().map(|path| path.as_str()).collect::<Vec<_>>());
    let namespace = site.namespace.as_str();
    site.plane.kubectl(&["-n", namespace, "create", "serviceaccount", ACCOUNT]);
    kubeconfig_of(site, ACCOUNT)
}

/// Returns a kubeconfig with a token of a ServiceAccount in the namespace.
pub(crate) fn kubeconfig_of(site: &Site, account: &str) -> Utf8PathBuf {
    let token = site.plane.kubectl(&["-n", &site.namespace, "create", "token", account]);
    let config = site.plane.kubectl(&["config", "view", "--raw", "--minify", "-o", "json"]);
    let mut config: Value = serde_json::from_str(&config).unwrap();
    config["users"][0]["user"] = json!({"token": token.trim()});
    let path = site.path().join(format!("{account}.kubeconfig"));
    fs_err::write(&path, config.to_string()).unwrap();
    path
}

/// Runs a command as the deployer, which must succeed.
#[track_caller]
fn may(site: &Site, kubeconfig: &Utf8Path, arguments: &[&str], code: i32) -> Ran {
    let ran = run(site.path(), &[arguments, &["--kubeconfig", kubeconfig.as_str()]].concat());
    assert_eq!(ran.code, code, "{arguments:?}: {}", ran.stderr);
    ran
}

#[test]
fn printed_roles_suffice_for_every_command() {
    let Some(site) = Site::new("rbac-all") else { return };
    let site = site.with_namespace();
    platform::ensure(site.plane, &site.namespace);
    let own = platform::own_monitoring(&site.namespace);
    let first = site.build("production", &[&own]);
    let second = site.build(
        "production",
        &[&own, "config.logLevel=\"debug\"", "podDisruptionBudget.enabled=false"],
    );
    let kubeconfig = deployer(&site, &[&first, &second]);
    let may = |arguments: &[&str], code| may(&site, &kubeconfig, arguments, code);
    let trust = ["--trust", "trust.toml"];
    let place = ["-n", "rbac-all"];

    let consent = ["--yes", "--first-install", "--no-recovery"];
    let installed = may(&[&["apply", first.as_str()], &trust[..], &consent].concat(), 0).stderr;
    // The bundle uses an external Redis.
    assert!(!installed.contains("volumes were not checked"), "{installed}");
    let shown = may(&[&["apply", second.as_str(), "--dry-run"], &trust[..]].concat(), 0);
    assert!(!shown.stderr.contains("not checked: "), "{}", shown.stderr);
    may(&[&["apply", second.as_str(), "--yes"], &trust[..]].concat(), 0);
    may(&["diff", second.as_str(), "--live"], 0);
    may(&[&["verify", second.as_str(), "--live"], &trust[..]].concat(), 0);
    may(&[&["gc", "--live", "--yes"], &place[..]].concat(), 0);
    may(&[&["status"], &place[..]].concat(), 0);
    may(&[&["history"], &place[..]].concat(), 0);
    may(&[&["rollback", "--yes"], &place[..], &trust].concat(), 0);
    may(&[&["restart", "relay", "--yes"], &place[..]].concat(), 0);
    may(&[&["remove", "--yes"], &place[..]].concat(), 0);
    assert!(!site.plane.has("rbac-all", "deployment/claude-relay"));
    assert!(!site.plane.has("rbac-all-monitoring", "servicemonitor/claude-relay"));
}

#[test]
fn unchecked_volumes_are_reported_once_and_only_for_new_key() {
    let Some(site) = Site::new("rbac-volumes") else { return };
    let site = site.with_namespace();
    let first = site.build("loki-logging", &[]);
    let second = site.build("loki-logging", &["config.logLevel=\"debug\""]);
    let kubeconfig = deployer(&site, &[&first, &second]);
    let apply = |bundle: &Utf8Path, more: &[&str]| {
        let own = ["apply", bundle.as_str(), "--trust", "trust.toml", "--no-recovery"];
        let ran = may(&site, &kubeconfig, &[&own[..], more].concat(), 0);
        ran.stdout + &ran.stderr
    };
    let secret = ["create", "secret", "generic", "loki-credentials", "--from-literal=password=x"];
    site.plane.kubectl(&[&["-n", "rbac-volumes"], &secret[..]].concat());

    for how in ["--dry-run", "--yes"] {
        let told = apply(&first, &[how, "--first-install"]);
        assert_eq!(told.matches("volumes were not checked: ").count(), 1, "{told}");
        assert!(
            told.contains("for the PVC data-relay-loki-redis-0 or relay-loki-redis-data with `kubectl get pv`\n"),
            "{told}"
        );
    }
    let told = apply(&second, &["--yes"]);
    assert!(!told.contains("volumes were not checked"), "{told}");
}

#[test]
fn helm_release_is_adopted_only_with_roles_printed_for_it() {
    let values = [ADMIN, "storage.data.external.enabled=true"];
    let Some(helm) = Helm::install("rbac-adopt", &values) else { return };
    let site = &helm.site;
    let bundle = helm.build(&[]);
    let kubeconfig = deployer(site, &[&bundle]);
    let adopt = [&adoption(&bundle)[..], &["--yes", "--recreate-redis"]].concat();
    let before = written(site);

    let refused = may(site, &kubeconfig, &adopt, 4);
    assert!(refused.stderr.contains("cannot list resource \"secrets\""), "{}", refused.stderr);
    assert!(refused.stderr.contains("relay-bundle rbac --from-helm"), "{}", refused.stderr);
    assert_eq!(written(site), before);
    grant(site, &["--from-helm", bundle.as_str()]);
    let namespace = site.namespace.as_str();
    let given = json!({"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]});
    settle(site, ACCOUNT, &given, namespace, true);
    may(site, &kubeconfig, &adopt, 0);

    assert_eq!(helm.traces(), [""; 0]);
    // The permissions for the adoption are revoked, and later commands work without them.
    grant(site, &[bundle.as_str()]);
    settle(site, ACCOUNT, &given, namespace, false);
    let trust = ["apply", bundle.as_str(), "--trust", "trust.toml", "--yes", "--json"];
    let again: Value = serde_json::from_str(&may(site, &kubeconfig, &trust, 0).stdout).unwrap();
    assert_eq!(again["done"]["written"], 0, "{again:#}");
}

/// Waits until the API server enforces a change of a ServiceAccount's permissions.
pub(crate) fn settle(site: &Site, account: &str, rule: &Value, namespace: &str, is_given: bool) {
    let (group, resource) =
        (rule["apiGroups"][0].as_str().unwrap(), rule["resources"][0].as_str().unwrap());
    let verb = rule["verbs"][0].as_str().unwrap();
    let mut attributes =
        json!({"verb": verb, "group": group, "resource": resource, "namespace": namespace});
    attributes["name"] = rule.pointer("/resourceNames/0").cloned().unwrap_or("".into());
    let user = format!("system:serviceaccount:{}:{account}", site.namespace);
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {"user": user, "groups": ["system:authenticated"], "resourceAttributes": attributes}});
    let start = std::time::Instant::now();
    loop {
        let answer = site.plane.fed(&["create", "-f", "-", "-o", "json"], &review.to_string());
        let answer: Value = serde_json::from_str(&answer.stdout).unwrap();
        if answer["status"]["allowed"] == is_given {
            return;
        }
        assert!(start.elapsed().as_secs() < 30, "{rule} of {namespace}: still not {is_given}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// Returns the objects of the namespace, except those of the platform.
fn written(site: &Site) -> Vec<String> {
    site.versions().into_iter().filter(|line| !line.contains(ACCOUNT)).collect()
}

#[test]
fn roles_without_any_one_rule_prevent_all_writes() {
    let Some(site) = Site::new("rbac-each") else { return };
    let site = site.with_namespace();
    platform::ensure(site.plane, &site.namespace);
    let bundle = site.build("production", &[&platform::own_monitoring(&site.namespace)]);
    let kubeconfig = deployer(&site, &[&bundle]);
    // The bundle's ServiceMonitor is in another namespace.
    let written = || (written(&site), site.plane.list("rbac-each-monitoring", "servicemonitors"));
    let before = written();
    let printed = [
        ("role/relay-bundle-claude-relay", site.namespace.as_str()),
        ("role/relay-bundle-rbac-each-claude-relay", "rbac-each-monitoring"),
        ("clusterrole/relay-bundle-rbac-each-claude-relay", ""),
    ];
    let (mut refused, mut unseen) = (0, 0);
    for (name, namespace) in printed {
        let whole = site.plane.get(if namespace.is_empty() { "default" } else { namespace }, name);
        for at in 0..whole["rules"].as_array().unwrap().len() {
            let mut without = whole.clone();
            without["metadata"].as_object_mut().unwrap().remove("resourceVersion");
            let rule = without["rules"].as_array_mut().unwrap().remove(at);
            site.plane.replace(&without);
            settle(&site, ACCOUNT, &rule, namespace, false);

            // Without a rule that only reads, the plan may skip checks: it says so, and succeeds.
            let only_looks =
                rule["verbs"] == json!(["get"]) && rule["resources"][0] != "namespaces";
            let only_looks = only_looks && rule.get("resourceNames").is_some();
            let how = if only_looks { "--dry-run" } else { "--yes" };
            let arguments = [how, "--first-install", "--no-recovery"];
            let ran = apply(site.path(), &bundle, kubeconfig.as_str(), &arguments);

            if only_looks && ran.code == 0 {
                assert!(ran.stderr.contains("not checked: "), "without {rule}: {}", ran.stderr);
                unseen += 1;
            } else {
                assert_eq!(ran.code, 4, "without {rule}: {}", ran.stderr);
                let is_clear =
                    ran.stderr.contains("missing permissions") || ran.stderr.contains("cannot ");
                assert!(is_clear, "without {rule}: {}", ran.stderr);
                refused += 1;
            }
            assert_eq!(written(), before, "without {rule}");
            without["rules"].as_array_mut().unwrap().push(rule.clone());
            site.plane.replace(&without);
            settle(&site, ACCOUNT, &rule, namespace, true);
        }
    }
    assert!(refused >= 13 && refused > unseen, "{refused} refused, {unseen} not checked");
    let ran = apply(
        site.path(),
        &bundle,
        kubeconfig.as_str(),
        &["--dry-run", "--first-install", "--no-recovery"],
    );
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}
