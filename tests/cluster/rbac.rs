//! `rbac`: with the printed Roles everything can be done, and without any rule of them nothing is begun.

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Value, json};

use crate::platform;
use crate::site::{Ran, Site, apply, run};
use crate::versions::versions;

const ACCOUNT: &str = "deployer";

/// Applies what `rbac` prints for bundles, and returns a kubeconfig that has these rights alone.
fn deployer(site: &Site, bundles: &[&Utf8Path]) -> Utf8PathBuf {
    let (namespace, account) = (site.namespace.as_str(), format!("{}:{ACCOUNT}", site.namespace));
    let own = ["rbac", "--service-account", &account];
    let ran = run(
        site.path(),
        &own.into_iter().chain(bundles.iter().map(|path| path.as_str())).collect::<Vec<_>>(),
    );
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    site.plane.feed(&["apply", "-f", "-"], &ran.stdout);
    site.plane.kubectl(&["-n", namespace, "create", "serviceaccount", ACCOUNT]);
    for (name, namespace) in printed(site) {
        let role = site.plane.get(if namespace.is_empty() { "default" } else { &namespace }, &name);
        settle(site, ACCOUNT, &role["rules"][0], &namespace, true);
    }
    kubeconfig_of(site, ACCOUNT)
}

/// Returns the Roles that `rbac` prints for `production`, and the namespace of each.
fn printed(site: &Site) -> [(String, String); 3] {
    let (namespace, name) = (&site.namespace, format!("relay-bundle-{}-claude-relay", site.namespace));
    [
        ("role/relay-bundle-claude-relay".to_owned(), namespace.clone()),
        (format!("role/{name}"), format!("{namespace}-monitoring")),
        (format!("clusterrole/{name}"), String::new()),
    ]
}

/// Returns a kubeconfig with a token of a service account of the namespace.
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
fn with_the_printed_roles_and_nothing_more_every_command_succeeds() {
    let Some(site) = Site::new("rbac-all") else { return };
    let site = site.with_namespace();
    platform::ensure(site.plane, &site.namespace);
    let own = platform::own_monitoring(&site.namespace);
    let first = site.build("production", &[&own]);
    let second =
        site.build("production", &[&own, "config.logLevel=\"debug\"", "podDisruptionBudget.enabled=false"]);
    let kubeconfig = deployer(&site, &[&first, &second]);
    let may = |arguments: &[&str], code| may(&site, &kubeconfig, arguments, code);
    let trust = ["--trust", "trust.toml"];
    let place = ["-n", "rbac-all"];

    let consent = ["--yes", "--first-install", "--no-recovery"];
    may(&[&["apply", first.as_str()], &trust[..], &consent].concat(), 0);
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

/// Waits until the API server knows what a Role gives to a service account of the namespace.
pub(crate) fn settle(site: &Site, account: &str, rule: &Value, namespace: &str, is_given: bool) {
    let (group, resource) = (rule["apiGroups"][0].as_str().unwrap(), rule["resources"][0].as_str().unwrap());
    let verb = rule["verbs"][0].as_str().unwrap();
    let mut attributes = json!({"verb": verb, "group": group, "resource": resource, "namespace": namespace});
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

/// What is in the namespaces of the installation but for what its platform made.
fn written(site: &Site) -> Vec<String> {
    let monitoring = format!("{}-monitoring", site.namespace);
    let monitors = site.plane.list(&monitoring, "servicemonitors").into_iter().map(|of| of.to_string());
    let all = site.versions().into_iter().chain(versions(site.plane, &monitoring)).chain(monitors);
    all.filter(|line| !line.contains(ACCOUNT)).collect()
}

#[test]
fn without_any_rule_of_the_roles_nothing_is_begun() {
    let Some(site) = Site::new("rbac-each") else { return };
    let site = site.with_namespace();
    platform::ensure(site.plane, &site.namespace);
    let bundle = site.build("production", &[&platform::own_monitoring(&site.namespace)]);
    let kubeconfig = deployer(&site, &[&bundle]);
    let before = written(&site);
    let (mut refused, mut unseen) = (0, 0);
    for (name, namespace) in printed(&site) {
        let whole = site.plane.get(if namespace.is_empty() { "default" } else { &namespace }, &name);
        for at in 0..whole["rules"].as_array().unwrap().len() {
            let mut without = whole.clone();
            without["metadata"].as_object_mut().unwrap().remove("resourceVersion");
            let rule = without["rules"].as_array_mut().unwrap().remove(at);
            site.plane.replace(&without);
            settle(&site, ACCOUNT, &rule, &namespace, false);

            // What was there before can be looked at less: that is said, and no reason to refuse.
            let only_looks = rule["verbs"] == json!(["get"]) && rule["resources"][0] != "namespaces";
            let only_looks = only_looks && rule.get("resourceNames").is_some();
            let how = if only_looks { "--dry-run" } else { "--yes" };
            let arguments = [how, "--first-install", "--no-recovery"];
            let ran = apply(site.path(), &bundle, kubeconfig.as_str(), &arguments);

            if only_looks && ran.code == 0 {
                assert!(ran.stderr.contains("not checked: "), "without {rule}: {}", ran.stderr);
                unseen += 1;
            } else {
                assert_eq!(ran.code, 4, "without {rule}: {}", ran.stderr);
                let is_clear = ran.stderr.contains("right missing: ") || ran.stderr.contains("cannot ");
                assert!(is_clear, "without {rule}: {}", ran.stderr);
                refused += 1;
            }
            assert_eq!(written(&site), before, "without {rule}");
            without["rules"].as_array_mut().unwrap().push(rule.clone());
            site.plane.replace(&without);
            settle(&site, ACCOUNT, &rule, &namespace, true);
        }
    }
    assert!(refused >= 13 && refused > unseen, "{refused} refused, {unseen} not checked");
    let ran =
        apply(site.path(), &bundle, kubeconfig.as_str(), &["--dry-run", "--first-install", "--no-recovery"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}
