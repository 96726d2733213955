//! `explain`: every key is documented, every value has a place, and no secret is shown.

#[path = "support/profile_files.rs"]
mod profile_files;

use profile_files::Files;
use relay_bundle::profile::explain::{self, explain_key, origin, reference, unknown_key};
use relay_bundle::profile::{self, Loaded, schema};

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

#[test]
fn key_is_explained_with_type_default_constraints_and_fields() {
    let doc = explain_key("config.logLevel").unwrap();
    assert_eq!(doc.kind, "one of `error`, `warn`, `info`, `http`, `verbose`, `debug`, `silly`");
    assert_eq!(doc.default.as_deref(), Some("\"info\""));
    assert_eq!(doc.variable.as_deref(), Some("LOG_LEVEL"));
    assert_eq!(doc.drives, ["ConfigMap <fullname>-config-<hash>: data.LOG_LEVEL"]);

    let doc = explain_key("replicaCount").unwrap();
    assert_eq!((doc.kind.as_str(), doc.default.as_deref()), ("integer from 0 to 1000", Some("1")));
    // More than one pod of the relay also changes what the relay is told, and how pods are evicted.
    let wanted = [
        "ConfigMap <fullname>-config-<hash>: data.ACCOUNT_TEST_SCHEDULER_ENABLED",
        "ConfigMap <fullname>-config-<hash>: data.CLEAR_CONCURRENCY_QUEUES_ON_STARTUP",
        "Deployment <fullname>: spec.replicas",
        "PodDisruptionBudget <fullname>",
    ];
    assert_eq!(doc.drives, wanted);

    let doc = explain_key("release.name").unwrap();
    assert!(
        doc.constraints[0].starts_with("write at most 45 lowercase letters"),
        "{:?}",
        doc.constraints
    );
}

#[test]
fn indices_in_path_are_optional() {
    for path in ["ingress.hosts[0].host", "ingress.hosts[].host", "ingress.hosts.host"] {
        assert_eq!(explain_key(path).unwrap().path, "ingress.hosts[].host", "{path}");
    }
    assert_eq!(
        explain_key("ingress.hosts").unwrap().children,
        ["ingress.hosts[].host", "ingress.hosts[].paths"]
    );
}

#[test]
fn table_names_its_keys_and_kubernetes_fragment_is_followed() {
    let doc = explain_key("redis.auth").unwrap();
    assert_eq!((doc.kind.as_str(), doc.children.len()), ("table", 2));
    let doc = explain_key("resources.limits.memory").unwrap();
    assert_eq!((doc.kind.as_str(), doc.drives.len()), ("quantity or one of `none`", 3));
    let doc = explain_key("redis.persistence").unwrap();
    assert_eq!(doc.drives, ["PersistentVolumeClaim <redis>-data", "StatefulSet <redis>"]);
    let doc = explain_key("affinity.nodeAffinity").unwrap();
    assert_eq!(doc.kind, "NodeAffinity of Kubernetes");
    assert_eq!(doc.drives, ["Deployment <fullname>: spec.template.spec.affinity"]);
    assert_eq!(explain_key("config.jwtSecret.existing.name").unwrap().kind, "string");
    assert_eq!(explain_key("podAnnotations.anything").unwrap().kind, "string");
}

#[test]
fn unknown_key_suggests_nearest_key() {
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

/// The keys that reach no object: those that say how to read, build or sign a profile, and those
/// with one possible value.
const WITHOUT_FIELDS: [&str; 9] = [
    "config.rateLimitCleanupInterval",
    "extends",
    "release.environment",
    "release.recoveryRecipients",
    "release.sealRecipients",
    "schema",
    "serviceMonitor.port",
    "storage.data.type",
    "storage.logs.persistence.enabled",
];

#[test]
fn key_drives_field_or_is_known_not_to() {
    let doc_of = |path: &String| {
        let doc = explain_key(path).expect("a key");
        assert_eq!(doc.path, *path);
        doc
    };
    let docs = schema::key_paths().iter().map(doc_of);
    let without: Vec<String> =
        docs.filter(|doc| doc.drives.is_empty()).map(|doc| doc.path).collect();

    assert_eq!(without, WITHOUT_FIELDS);
}

#[test]
fn value_has_location_of_winning_layer() {
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
fn table_lists_its_values() {
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
fn unset_key_has_default_of_its_type() {
    let loaded = load(&[("p", "")], &[]);
    assert_eq!(
        lines(&loaded, "config.jwtSecret"),
        ["config.jwtSecret = { generate = { generation = 1, length = 32 } } (default)"]
    );
    assert_eq!(lines(&loaded, "affinity"), ["affinity = - (default)"]);
    assert_eq!(lines(&loaded, "no.such.key"), [""; 0]);
}

#[test]
fn secret_is_never_shown() {
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
fn reference_has_every_key() {
    let page = reference();
    for path in schema::key_paths() {
        assert!(
            page.contains(&format!("`{path}`")) || page.contains(&format!("`{path}[]`")),
            "{path}"
        );
    }
}

#[test]
fn unset_secrets_are_listed_as_generated() {
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
