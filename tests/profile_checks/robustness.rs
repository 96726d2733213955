//! Loading any file ends with diagnostics: no panic, no overflow, no long wait.
//!
//! `PROPTEST_CASES=1000000 cargo test --release --test profile_checks robustness` runs a million
//! cases.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use relay_bundle::profile::diagnostic::Severity;
use relay_bundle::profile::{Loaded, schema};

use super::{findings, load_bytes, load_dev, words};

/// Every possible key of a profile, as a dotted TOML key.
static KEYS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let plain = schema::key_paths().iter().filter(|path| !path.contains("[]"));
    let inside = [
        "podLabels.\"a/b\"",
        "resources.limits.memory",
        "resources.requests.cpu",
        "affinity.podAffinity",
        "strategy.rollingUpdate.maxSurge",
        "securityContext.capabilities.drop",
        "storage.logs.fluentbit.output.config.host",
        "storage.logs.fluentbit.output.config.\"tls.verify\"",
        "config.jwtSecret.existing.name",
        "podDisruptionBudget.minAvailable",
    ];
    plain.cloned().chain(inside.map(str::to_owned)).collect()
});

/// Values that are valid for some key, and some that are not valid for any.
const VALUES: [&str; 48] = [
    "true",
    "false",
    "0",
    "1",
    "-1",
    "65536",
    "9007199254740991",
    "9223372036854775807",
    "1.5",
    "nan",
    "2026-11-22",
    "\"\"",
    "\"a\"",
    "\"1Gi\"",
    "\"250m\"",
    "\"50%\"",
    "\"-\"",
    "\"redis\"",
    "\"a.b\"",
    "\"10.0.0.0/8\"",
    "\"/app\"",
    "\"\\u0000\"",
    "\"é\\u202E\"",
    "\"\"\"a\n\"\"\"",
    "\"ReadWriteOncePod\"",
    "\"pvc\"",
    "\"forward\"",
    "\"kafka\"",
    "\"Recreate\"",
    "\"NodePort\"",
    "\"1.19\"",
    "\"1.37\"",
    "\"dev\"",
    "\"latest\"",
    "\"2.2.0\"",
    "[]",
    "[1]",
    "[\"a\", \"a\"]",
    "[{}]",
    "{}",
    "{ name = \"a\" }",
    "[{ name = \"a\", image = \"b\", ports = [{ containerPort = 3000, name = \"http\" }], env = [{ name = \"A\" }] }]",
    "[{ name = \"data\", hostPath = { path = \"/\" }, mountPath = \"/app\", value = \"b\" }]",
    "[{ to = [{ ipBlock = { cidr = \"0.0.0.0/0\", except = [\"::/0\"] } }], ports = [{ port = 6379, endPort = 1 }] }]",
    "[{ host = \"a\", paths = [{ path = \"/\" }, { path = \"/metrics\" }] }]",
    "[{ key = \"a\", operator = \"Exists\", tolerationSeconds = 1, maxSkew = 0, topologyKey = \"\" }]",
    "{ generate = { generation = 2 } }",
    "{ nodeAffinity = { requiredDuringSchedulingIgnoredDuringExecution = { nodeSelectorTerms = [{}] } } }",
];

fn profile_text() -> impl Strategy<Value = String> {
    let line = (select(KEYS.as_slice()), select(VALUES.as_slice()));
    let text = |(key, value): &(String, &str)| format!("{key} = {value}");
    vec(line, 0..8).prop_map(move |lines| lines.iter().map(text).collect::<Vec<_>>().join("\n"))
}

fn check(loaded: &Loaded) {
    assert_eq!(loaded.profile.is_none(), loaded.diagnostics.has_errors(), "{}", words(loaded));
    assert!(loaded.diagnostics.iter().all(|finding| finding.help.is_some()), "{}", words(loaded));
}

proptest! {
    #[test]
    fn any_values_of_known_keys_are_loaded_or_refused(text in profile_text()) {
        check(&load_bytes(text.as_bytes()));
    }

    #[test]
    fn any_bytes_are_loaded_or_refused(bytes in vec(any::<u8>(), 0..200)) {
        check(&load_bytes(&bytes));
    }

    #[test]
    fn any_text_of_toml_punctuation_is_loaded_or_refused(text in "[\\[\\]{}=.,'\"#\\\\\n a1é]{0,120}") {
        check(&load_bytes(text.as_bytes()));
    }
}

/// Loads invalid input on a test's small stack; a quadratic algorithm would take hours.
#[track_caller]
fn refused(bytes: &[u8]) -> Vec<&'static str> {
    let start = Instant::now();
    let loaded = load_bytes(bytes);
    assert!(loaded.profile.is_none());
    assert!(start.elapsed() < Duration::from_mins(2), "took {:?}", start.elapsed());
    let errors = loaded.diagnostics.iter().filter(|finding| finding.severity == Severity::Error);
    errors.map(|finding| finding.code).collect::<BTreeSet<_>>().into_iter().collect()
}

#[test]
fn ten_megabyte_file_is_refused_by_size() {
    assert_eq!(refused(&b"a = 1\n".repeat((10 << 20) / 6)), ["RB0001"]);
}

#[test]
fn deep_nesting_is_refused_before_anything_recurses() {
    let deep = [
        format!("a = {}", "[".repeat(100_000)),
        format!("a = {}{}", "[".repeat(500_000), "]".repeat(500_000)),
        format!("a = {}", "{ a = ".repeat(100_000)),
        format!("a{} = 1", ".a".repeat(100_000)),
        format!("[a{}]\nb = 1", ".a".repeat(100_000)),
        format!("a = {}", format!("{{ a{} = ", ".a".repeat(70)).repeat(70)),
        format!("a = {}", "[{ a.a.a = ".repeat(70)),
        format!("a{} = 1", ". a".repeat(79)),
    ];
    for text in deep {
        assert_eq!(refused(text.as_bytes()), ["RB0001"]);
    }
}

#[test]
fn megabyte_of_mistakes_is_refused_in_time() {
    let lines = |line: &str| line.repeat((1 << 20) / line.len());
    assert_eq!(refused(lines("= \n").as_bytes()), ["RB0001"]);
    assert_eq!(refused(lines("a = 1\n").as_bytes()), ["RB0006"]);
    let unknown: Vec<String> = (0..80_000).map(|number| format!("key{number} = 1")).collect();
    assert_eq!(refused(unknown.join("\n").as_bytes()), ["RB0002"]);
    let wrong = format!("extraEnv = [{}]", "{ name = 1 },".repeat(70_000));
    assert_eq!(refused(wrong.as_bytes()), ["RB0003"]);
    let many = format!("extraEnv = [{}]", "{ name = \"1\" },".repeat(60_000));
    assert_eq!(refused(many.as_bytes()), ["RB0130", "RB0131"]);
    assert_eq!(refused(format!("{} = 1", "a".repeat(1_000_000)).as_bytes()), ["RB0001"]);
    assert_eq!(
        refused(format!("config.logLevel = \"{}\"", "a".repeat(1_000_000)).as_bytes()),
        ["RB0004"]
    );
}

#[test]
fn bytes_that_are_not_text_are_refused() {
    assert_eq!(refused(b"a = \"\xff\""), ["RB0007"]);
    assert!(refused(b"a = \"\x00\"").contains(&"RB0001"));
    assert_eq!(refused(&[0xff, 0xfe, b'a', 0]), ["RB0007"]);
}

#[test]
fn bom_and_windows_line_endings_have_no_effect() {
    let loaded = load_bytes("\u{feff}[release]\r\nenvironment = \"dev\"\r\n".as_bytes());
    assert_eq!(findings(&loaded), Vec::<String>::new());
    assert_eq!(loaded.profile.unwrap().settings.release.environment.as_str(), "dev");
}

#[test]
fn key_with_control_character_is_refused() {
    assert_eq!(findings(&load_dev("\"a\\nb\" = 1")), ["RB0101 "]);
}

#[test]
fn non_utf8_error_names_file_but_not_other_profiles() {
    let loaded = load_bytes(b"a = \"\xff\"");
    let said = super::words(&loaded);
    assert!(
        said.contains("RB0007") && said.contains("`profiles/p.toml` is not UTF-8 (byte 5)"),
        "{said}"
    );
    assert!(!said.contains("available profiles"), "{said}");
}

#[test]
fn set_with_invalid_toml_gets_remedy_for_intended_value() {
    for (set, remedy) in [
        ("redis.enabled=True", "--set redis.enabled=true"),
        ("redis.enabled=FALSE", "--set redis.enabled=false"),
        ("redis.enabled=", "a value is missing"),
        ("redis.enabled= ", "a value is missing"),
        ("config.logLevel=info", "--set 'config.logLevel=\"info\"'"),
    ] {
        let files = super::Files {
            profiles: [("p".to_owned(), Vec::new())].into(),
            ..super::Files::default()
        };
        let said = super::words(&relay_bundle::profile::load("p", &[set.to_owned()], &files));
        assert!(said.contains("RB0009") && said.contains(remedy), "{set}: {said}");
    }
}
