//! The profile language: all mistakes are reported at once, each with its place and a remedy.

#[path = "support/profile_files.rs"]
mod profile_files;

use std::collections::BTreeMap;

use profile_files::Files;
use relay_bundle::profile::diagnostic::{Diagnostic, Severity};
use relay_bundle::profile::{self, Loaded};

fn load(text: &'static str) -> Loaded {
    profile::load("p", &[], &Files(BTreeMap::from([("p", text)])))
}

/// Returns `line:column code` of each finding.
fn places(loaded: &Loaded) -> Vec<String> {
    let place = |origin| loaded.sources.place(origin).replace("profiles/p.toml:", "");
    let findings = loaded.diagnostics.iter().filter(|finding| finding.severity == Severity::Error);
    findings
        .map(|finding| format!("{} {}", finding.origin.map_or("-".into(), place), finding.code))
        .collect()
}

fn messages(loaded: &Loaded) -> String {
    let line = |finding: &Diagnostic| {
        format!("{} ({})\n", finding.message, finding.help.as_deref().unwrap_or_default())
    };
    loaded.diagnostics.iter().map(line).collect::<Vec<_>>().concat()
}

#[test]
fn empty_profile_equals_defaults() {
    let loaded = load("");
    assert!(!loaded.diagnostics.has_errors(), "{}", messages(&loaded));
    let profile = loaded.profile.unwrap();
    assert_eq!(profile.names.full, "claude-relay");
    assert_eq!(profile.names.redis, "claude-relay-redis");
}

#[test]
fn ten_mistakes_give_ten_diagnostics_in_text_order() {
    let loaded = load(
        r#"replicaCuont = 2
replicaCount = "two"
logLevel = "debug"
[config]
port = 80
logLevel = "loud"
logMaxSize = "10 MB"
[ingress]
hosts = [{ host = "http://x", pahts = [] }]
tls = "none"
[[tolerations]]
key = "a"
operater = "Exists"
"#,
    );
    assert_eq!(
        places(&loaded),
        [
            "1:1 RB0002",
            "2:16 RB0003",
            "3:1 RB0002",
            "5:8 RB0004",
            "6:12 RB0004",
            "7:14 RB0004",
            "9:19 RB0004",
            "9:31 RB0002",
            "10:7 RB0003",
            "13:1 RB0002",
        ],
        "{}",
        messages(&loaded)
    );
    let text = messages(&loaded);
    assert!(
        text.contains("unknown key `replicaCuont` in a profile (did you mean `replicaCount`?)"),
        "{text}"
    );
    assert!(text.contains("it exists as `config.logLevel`"), "{text}");
    assert!(loaded.profile.is_none());
}

#[test]
fn secret_of_other_form_replaces_and_of_same_form_merges() {
    let files = Files(BTreeMap::from([
        (
            "base",
            "externalRedis.password = { existing = { name = \"a\", key = \"k\" } }\nconfig.jwtSecret = { existing = { name = \"a\", key = \"k\" } }",
        ),
        (
            "p",
            "extends = [\"base\"]\nexternalRedis.password.existing.revision = 2\nconfig.jwtSecret = { generate = {} }",
        ),
    ]));

    let loaded = profile::load("p", &[], &files);

    let config = serde_json::to_value(
        &loaded.profile.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics)).settings,
    )
    .unwrap();
    assert_eq!(
        config["externalRedis"]["password"]["existing"],
        serde_json::json!({"name": "a", "key": "k", "revision": 2})
    );
    assert_eq!(
        config["config"]["jwtSecret"],
        serde_json::json!({"generate": {"length": 32, "generation": 1}})
    );
}
