//! `explain`: every key is documented, every value has a place, and no secret is shown.

#[path = "support/profile_files.rs"]
mod profile_files;

use std::collections::BTreeSet;

use profile_files::Files;
use relay_bundle::profile::explain::{self, drives, explain_key, origin, reference, unknown_key};
use relay_bundle::profile::{self, Loaded, schema, variables};

fn load(profiles: &[(&'static str, &'static str)], sets: &[&str]) -> Loaded {
    let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
    let (name, _) = profiles[profiles.len() - 1];
    profile::load(name, &sets, &Files(profiles.iter().copied().collect()))
}

/// Returns `path = value (place)` for each value at `path`.
fn lines(loaded: &Loaded, path: &str) -> Vec<String> {
    let line = |setting: &explain::Setting| {
        format!(
            "{} = {} ({})",
            setting.path,
            setting.value.as_deref().unwrap_or("-"),
            setting.place
        )
    };
    origin(loaded, path).iter().map(line).collect()
}

fn page() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/profile.md")
}

#[test]
fn a_key_is_explained_with_type_default_constraints_and_fields() {
    let doc = explain_key("config.logLevel").unwrap();
    assert_eq!(doc.kind, "one of `error`, `warn`, `info`, `http`, `verbose`, `debug`, `silly`");
    assert_eq!(doc.default.as_deref(), Some("\"info\""));
    assert_eq!(doc.variable.as_deref(), Some("LOG_LEVEL"));
    assert_eq!(doc.drives, ["ConfigMap <fullname>-config-<hash>: LOG_LEVEL"]);

    let doc = explain_key("replicaCount").unwrap();
    assert_eq!((doc.kind.as_str(), doc.default.as_deref()), ("integer from 0 to 1000", Some("1")));
    assert_eq!(doc.drives, ["Deployment spec.replicas"]);

    let doc = explain_key("release.name").unwrap();
    assert!(
        doc.constraints[0].starts_with("write at most 45 lowercase letters"),
        "{:?}",
        doc.constraints
    );
}

#[test]
fn indices_may_stand_in_a_path_or_be_left_out() {
    for path in ["ingress.hosts[0].host", "ingress.hosts[].host", "ingress.hosts.host"] {
        assert_eq!(explain_key(path).unwrap().path, "ingress.hosts[].host", "{path}");
    }
    assert_eq!(
        explain_key("ingress.hosts").unwrap().children,
        ["ingress.hosts[].host", "ingress.hosts[].paths"]
    );
}

#[test]
fn a_table_names_its_keys_and_a_fragment_of_kubernetes_goes_on() {
    let doc = explain_key("redis.auth").unwrap();
    assert_eq!((doc.kind.as_str(), doc.children.len()), ("table", 2));
    let doc = explain_key("resources.limits.memory").unwrap();
    assert_eq!((doc.kind.as_str(), doc.drives.len()), ("quantity", 2));
    let doc = explain_key("affinity.nodeAffinity").unwrap();
    assert_eq!(doc.kind, "NodeAffinity of Kubernetes");
    assert_eq!(doc.drives, ["Deployment spec.template.spec.affinity"]);
    assert_eq!(explain_key("config.jwtSecret.existing.name").unwrap().kind, "string");
    assert_eq!(explain_key("podAnnotations.anything").unwrap().kind, "string");
}

#[test]
fn an_unknown_key_gets_the_nearest_one() {
    for (wrong, help) in [
        ("config.lgoLevel", "did you mean `config.logLevel`?"),
        ("replicacount", "did you mean `replicaCount`?"),
        ("logLevel", "it exists as `config.logLevel`"),
        ("storage.logs.fluentbit.outptu.type", "did you mean `storage.logs.fluentbit.output`?"),
        ("ingress.hosts[0].hots", "did you mean `ingress.hosts.host`?"),
        ("", "pass a key, such as `config.logLevel`"),
    ] {
        assert!(explain_key(wrong).is_none(), "{wrong}");
        assert_eq!(unknown_key(wrong), help, "{wrong}");
    }
}

#[test]
fn removed_key_gets_its_reason_and_remedy() {
    let help = unknown_key("config.httpsProxy");

    assert!(help.starts_with("the key was removed: ") && help.contains("each account"), "{help}");
}

#[test]
fn every_key_drives_something_and_no_line_of_the_tables_is_dead() {
    let paths = schema::key_paths();
    for path in paths {
        let doc = explain_key(path).unwrap_or_else(|| panic!("{path} is not explained"));
        assert_eq!(&doc.path, path);
        assert!(!doc.drives.is_empty(), "{path} drives nothing");
    }
    for key in drives::named_keys() {
        assert!(paths.iter().any(|path| path == key), "{key} is no key");
    }
}

#[test]
fn the_variables_are_those_that_the_relay_gets() {
    let profile = load(&[("p", "config.nodeExtraCaCerts = \"/ca.crt\"\n")], &[]).profile.unwrap();
    let set = relay_bundle::render::render(&profile);
    let config = set
        .iter()
        .find(|manifest| {
            manifest.key.kind == "ConfigMap"
                && manifest.key.name.starts_with("claude-relay-config-")
        })
        .unwrap();
    let rendered: BTreeSet<&str> =
        config.object["data"].as_object().unwrap().keys().map(String::as_str).collect();
    let documented: BTreeSet<&str> =
        variables::VARIABLES.iter().map(|(_, variable)| *variable).collect();
    assert_eq!(rendered, documented);
}

#[test]
fn a_value_has_the_place_of_the_layer_that_won() {
    let loaded = load(
        &[
            ("base", "[config]\nlogLevel = \"warn\"\nlogMaxFiles = 7\n"),
            ("p", "extends = [\"base\"]\n[config]\nlogLevel = \"debug\"\n"),
        ],
        &["replicaCount=3"],
    );
    assert_eq!(
        lines(&loaded, "config.logLevel"),
        ["config.logLevel = \"debug\" (profiles/p.toml:3:12)"]
    );
    assert_eq!(
        lines(&loaded, "config.logMaxFiles"),
        ["config.logMaxFiles = 7 (profiles/base.toml:3:15)"]
    );
    assert_eq!(lines(&loaded, "config.port"), ["config.port = 3000 (default)"]);
    assert_eq!(lines(&loaded, "replicaCount"), ["replicaCount = 3 (--set replicaCount=3)"]);
}

#[test]
fn a_table_lists_the_values_in_it() {
    let loaded = load(
        &[(
            "p",
            "[redis.auth]\nenabled = true\npassword = { existing = { name = \"s\", key = \"k\" } }\n",
        )],
        &[],
    );
    assert_eq!(
        lines(&loaded, "redis.auth"),
        [
            "redis.auth.enabled = true (profiles/p.toml:2:11)",
            "redis.auth.password = { existing = { key = \"k\", name = \"s\" } } (profiles/p.toml:3:12)"
        ]
    );
    assert_eq!(lines(&loaded, "redis.persistence").len(), 5);
}

#[test]
fn a_key_that_nobody_sets_is_what_its_type_says() {
    let loaded = load(&[("p", "")], &[]);
    assert_eq!(
        lines(&loaded, "config.jwtSecret"),
        ["config.jwtSecret = { generate = { generation = 1, length = 32 } } (default)"]
    );
    assert_eq!(lines(&loaded, "affinity"), ["affinity = - (default)"]);
    assert_eq!(lines(&loaded, "no.such.key"), [""; 0]);
}

#[test]
fn a_secret_is_never_shown() {
    let text = r#"
release.environment = "dev"
extraEnv = [{ name = "LDAP_PASSWORD", value = "s3cret" }, { name = "PLAIN", value = "seen" }]
[config]
jwtSecret = "s3cret"
encryptionKey = { value = "s3cret", revision = 2 }
adminPassword = { age = "secrets/admin.age" }
[storage.logs.fluentbit.output]
type = "http"
config = { Host = "seen", HTTP_Passwd = "s3cret", Header = ["Authorization s3cret"] }
"#;
    let loaded = load(&[("p", text)], &[]);
    let all: Vec<String> =
        schema::key_paths().iter().flat_map(|path| lines(&loaded, path)).collect();
    assert!(all.iter().all(|line| !line.contains("s3cret")), "{all:#?}");
    assert_eq!(
        lines(&loaded, "config.jwtSecret"),
        ["config.jwtSecret = \"<redacted>\" (profiles/p.toml:5:13)"]
    );
    assert!(lines(&loaded, "config.adminPassword")[0].contains("secrets/admin.age"));
    assert!(lines(&loaded, "extraEnv")[0].contains("seen"));
}

#[test]
fn the_committed_reference_is_what_the_schema_says() {
    let committed = fs_err::read_to_string(page()).unwrap_or_default();
    assert!(
        committed == reference(),
        "docs/reference/profile.md is stale; `cargo run -- schema --reference > docs/reference/profile.md` writes it"
    );
}

#[test]
fn the_reference_has_every_key() {
    let page = reference();
    for path in schema::key_paths() {
        assert!(
            page.contains(&format!("`{path}`")) || page.contains(&format!("`{path}[]`")),
            "{path}"
        );
    }
}

#[test]
fn secrets_that_nobody_sets_are_listed_as_generated() {
    let loaded =
        load(&[("p", "config.jwtSecret = { existing = { name = \"mine\", key = \"k\" } }\n")], &[]);
    let listed = lines(&loaded, "config");
    for key in ["config.encryptionKey", "config.adminPassword"] {
        let generated = |line: &&String| {
            line.starts_with(&format!("{key} = {{ generate")) && line.ends_with("(default)")
        };
        assert_eq!(listed.iter().filter(generated).count(), 1, "{listed:#?}");
    }
    assert_eq!(
        listed.iter().filter(|line| line.starts_with("config.jwtSecret")).count(),
        1,
        "{listed:#?}"
    );
    assert!(listed.is_sorted());
}
