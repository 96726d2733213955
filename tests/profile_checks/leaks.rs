//! Mistakes in a profile with secrets: no message shows a part of a secret.
//!
//! `PROPTEST_CASES=100000 cargo test --release --test profile_checks leaks` tries more mistakes.

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;
use proptest::sample::{Index, select};

use relay_bundle::profile::explain;
use relay_bundle::profile::variables::SECRET_VARIABLES;
use relay_bundle::profile::{self, Loaded};
use relay_bundle::ui::diagnostic::{to_json, to_text};

use super::Files;

/// The prefix of each part of every secret below.
pub(crate) const MARK: &str = "qvzk";

/// Lines with a secret, each with its table.
const SECRETS: [(&str, &str); 12] = [
    ("config", "jwtSecret = \"SECRET\""),
    ("config", "encryptionKey = { value = \"SECRET\", revision = 2 }"),
    ("config", "adminPassword = 'SECRET'"),
    ("config", "adminPassword = SECRET"),
    ("config", "httpsProxy = \"http://user:SECRET@proxy:3128\""),
    ("redis.auth", "enabled = true\npassword = \"SECRET\""),
    ("externalRedis", "host = \"redis\"\npassword = \"\"\"\nSECRET\"\"\""),
    ("", "extraEnv = [{ name = \"LDAP_PASSWORD\", value = \"SECRET\" }]"),
    (
        "",
        "extraEnv = [\n  { name = \"A\", value = \"b\" },\n  { name = \"API_TOKEN\", value = \"SECRET\" },\n]",
    ),
    ("", "extraContainers = [{ name = \"a\", image = \"a:1\", args = [\"--password=SECRET\"] }]"),
    (
        "storage.logs.fluentbit.output",
        "type = \"es\"\nconfig = { host = \"es\", http_passwd = \"SECRET\" }",
    ),
    ("", "[[extraEnv]]\nname = \"SMTP_PASSWORD\"\nvalue = \"SECRET\""),
];

/// Secrets that a mistake splits in different ways.
const VALUES: [&str; 4] =
    ["qvzk1", "qvzk1=qvzk2", "qvzk1 qvzk2#qvzk3", "qvzk1,qvzk2=qvzk3.qvzk4]qvzk5}qvzk6"];

fn shipped(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("profiles/{name}.toml"));
    fs_err::read_to_string(path).expect("the repository has the profile")
}

/// Returns a text with a secret in its table, and the secret's range of bytes.
fn with_secret(
    text: &str,
    table: &str,
    lines: &str,
    value: &str,
) -> (String, std::ops::Range<usize>) {
    let lines = lines.replace("SECRET", value);
    let header = format!("[{table}]\n");
    let at = match text.find(&header) {
        _ if table.is_empty() && lines.starts_with('[') => text.len(),
        _ if table.is_empty() => 0,
        Some(at) => at + header.len(),
        None => text.len(),
    };
    let is_new = at == text.len() && !table.is_empty();
    let lines = if is_new { format!("{header}{lines}") } else { lines };
    let start = at.saturating_sub(40);
    (format!("{}{lines}\n{}", &text[..at], &text[at..]), start..at + lines.len() + 20)
}

pub(crate) fn load(text: &str, sets: &[String]) -> Loaded {
    let base = ("base".to_owned(), shipped("base").into_bytes());
    let profiles = BTreeMap::from([base, ("p".to_owned(), text.as_bytes().to_vec())]);
    profile::load("p", sets, &Files { profiles, ..Files::default() })
}

/// Returns all output of commands about a profile.
pub(crate) fn said(loaded: &Loaded) -> String {
    let mut said = to_text(&loaded.diagnostics, &loaded.sources);
    said += &to_json(&loaded.diagnostics, &loaded.sources).to_string();
    for key in ["config", "redis", "externalRedis", "storage", "extraEnv", "extraEnv[0].value"] {
        // `explain` shows values of profiles that load.
        let settings = loaded.profile.iter().flat_map(|_| explain::origin(loaded, key));
        said.extend(settings.map(|setting| format!("{setting:?}")));
    }
    said
}

#[track_caller]
fn assert_silent(text: &str, sets: &[&str]) {
    let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
    let said = said(&load(text, &sets));
    let lines: Vec<&str> = said.lines().filter(|line| line.contains(MARK)).collect();
    assert!(lines.is_empty(), "of\n{text}\n{sets:?}\nis said\n{}", lines.join("\n"));
}

#[test]
fn profile_without_slip_shows_no_secret() {
    for (table, lines) in SECRETS {
        for value in VALUES {
            assert_silent(&with_secret("", table, lines, value).0, &[]);
        }
    }
}

#[test]
fn profile_with_known_slip_shows_no_secret() {
    for text in [
        // A comma is missing: the value becomes a key.
        "config.jwtSecret = { value \"qvzk1\" }",
        "config.jwtSecret = { revision = 1 value = \"qvzk1\" }",
        "config = { logLevel = \"info\" \"qvzk1\" }",
        "config = { logLevel = \"info\", qvzk1 }",
        "extraEnv = [{ name = \"LDAP_PASSWORD\" value = \"qvzk1\" }]",
        "extraEnv = [{ name = \"LDAP_PASSWORD\", value \"qvzk1\" }]",
        "podAnnotations = { \"a\" \"qvzk1\" }",
        // A misspelled name, of the key or of its pair.
        "config.jwtSecrt = \"qvzk1\"",
        "config.pasword = \"qvzk1\"",
        "config.adminPas.sword = \"qvzk1\"",
        "config.jwtSecrt = { value = \"qvzk1\" }",
        "extraEnv = [{ name = \"LDAP_PASSWORD\", vlaue = \"qvzk1\" }]",
        "extraEnv = [{ nmae = \"LDAP_PASSWORD\", value = \"qvzk1\" }]",
        "extraEnv = [{ n.ame = \"LDAP_PASSWORD\", value = \"qvzk1\" }]",
        "extraEnv = [{ value = \"qvzk1\" }]",
        "extraEnv = [{ name = \"A B\", value = \"qvzk1\" }]",
        "extraContainers = [{ name = \"a\", image = \"a\", command = [\"sh\", \"-c\", \"curl -u a:qvzk1 http://b\"] }]",
        "extraContainers = [{ name = \"a\", image = \"a\", command = [\"curl\", \"-ua:qvzk1\", \"http://b\"] }]",
        "extraContainers = [{ name = \"a\", image = \"a\", command = [\"curl\", \"--user\", \"a:qvzk1\"] }]",
        "extraEnv = [\"LDAP_PASSWORD=qvzk1\"]",
        "storage.logs.fluentbit.output = { type = \"es\", config = { host = \"h\", http_pass = \"qvzk1\" } }",
        "extraEnv = [{ name = \"DB_PASSWORD\", valueFrom = \"qvzk1\" }]",
        "extraEnv = [{ name = \"DB_PASSWORD\", valueFrom = { secretKeyRef = \"qvzk1\" } }]",
        "extraEnv = [{ name = \"DB_PASSWORD\", valueFrom = { secretKeyRef = { qvzk1 = 1 } } }]",
        "extraEnv = [{ name = \"DB_PASSWORD\", valueFrom.fieldRef = { fieldPath = \"qvzk1 !\" } }]",
        "extraEnv = [{ name = \"A\", valueFrom = { secretKeyRef = { name = \"a\", key = \"b\", password = \"qvzk1\" } } }]",
        "extraEnv = [{ name = \"A\", valueFrom = { secretKeyRef = { name = \"a\", key = \"b\", optional = \"qvzk1\" } } }]",
        "extraEnv = [{ name = \"DB_PASSWORD\", valueFrom = { secretKeyRef = { nmae = \"qvzk1\", key = \"b\" } } }]",
        "extraEnv = [{ name = \"DB_PASSWORD\", valueFrom = { secretKeyRef = { optional = \"qvzk1\" } } }]",
        "extraEnv = [{ name = \"DB_PASSWORD\", valueFrom = { qvzk1 = { name = \"qvzk2\" } } }]",
        "extraContainers = [{ name = \"a\", image = \"a:1\", env = [{ name = \"A\", valueFrom = { secretKeyRef = { apiToken = \"qvzk1\" } } }] }]",
        // A key that assigns a secret.
        "config.\"LDAP_PASSWORD=qvzk1\" = 1",
        "podLabels.\"LDAP_PASSWORD=qvzk1\" = 1",
        "\"LDAP_PASSWORD=qvzk1\" = 1",
        // The property takes another text.
        "storage.logs.fluentbit.output = { type = \"es\", config = { port = \"qvzk1\" } }",
        "storage.logs.fluentbit.output = { type = \"es\", config = { host = [\"qvzk1\"] } }",
        // On the next line.
        "config.jwtSecret =\n\"qvzk1\"",
        "config.jwtSecret =\nqvzk1",
        "config.jwtSecret =\n  { value = \"qvzk1\" }",
        "config.jwtSecrt\n= \"qvzk1\"",
        // An inline table in a text with a syntax error elsewhere.
        "redis.auth = { enabled = true, password = \"qvzk1\" }\nx = \nport = [",
        "config.jwtSecret = { existing = { name = \"a\", key = \"qvzk1\n",
        // An unclosed bracket makes an item of the following text.
        "release.recoveryRecipients = [\"a\"\nconfig.adminPassword = 'qvzk1 !'\n",
        "ingress.hosts = [{ host = \"a\", paths = [\"qvzk1 !\" ",
        // Numbers.
        "config.jwtSecret = 99999999999999999999qvzk1",
        // The value has the wrong form for its key.
        "config.jwtSecret = { age = \"qvzk1 !\" }",
        "config.jwtSecret = { existing = { name = \"qvzk1 !\", key = \"k\" } }",
        // A key with a control character is removed together with its value.
        "config.\"jwtSecret\\u0007\" = \"qvzk1\"",
        "config.jwtSecret = \"a\"\nconfig.jwtSecret = \"qvzk1\"",
        "-----BEGIN PRIVATE KEY-----\nqvzk1qvzk2==\n-----END PRIVATE KEY-----\n",
        "config.logLevel = \"\"\"-----BEGIN PRIVATE KEY-----\nqvzk1\"\"\"",
    ] {
        assert_silent(text, &[]);
        assert_silent(&format!("release.environment = \"dev\"\n{text}"), &[]);
    }
}

#[test]
fn secret_of_wrong_form_shows_neither_key_nor_value() {
    const OTHERS: [&str; 2] =
        ["storage.logs.fluentbit.output.config.http_passwd", "config.jwtSecrt"];
    const FORMS: [&str; 22] = [
        "PLACE = { age = \"qvzk1\" }",
        "PLACE = { age = [\"qvzk1\"] }",
        "PLACE = { age = { qvzk1 = \"qvzk1\" } }",
        "PLACE = { generate = \"qvzk1\" }",
        "PLACE = { generate = { length = \"qvzk1\" } }",
        "PLACE = { generate = { generation = \"qvzk1\" } }",
        "PLACE = { generate = { qvzk1 = 1 } }",
        "PLACE = { existing = \"qvzk1\" }",
        "PLACE = { existing = [\"qvzk1\"] }",
        "PLACE = { existing = { name = \"QVZK-qvzk1-Q\", key = \"k\" } }",
        "PLACE = { existing = { name = \"a\", key = \"k\", qvzk1 = 1 } }",
        "PLACE = { existing = { name = \"a\", key = \"k\", revision = \"qvzk1\" } }",
        "PLACE = { value = { qvzk1 = \"qvzk1\" } }",
        "PLACE = { value = [\"qvzk1\"] }",
        "PLACE = { value = \"a\", revision = \"qvzk1\" }",
        "PLACE = { qvzk1 = \"x\" }",
        "PLACE = { valueFrom = { secretKeyRef = { name = \"qvzk1\", key = \"qvzk2\" } } }",
        "PLACE = [\"qvzk1\"]",
        "PLACE = [{ qvzk1 = 1 }]",
        "PLACE.qvzk1 = \"x\"",
        "PLACE.\"qvzk1 qvzk2\".a = 1\nPLACE.\"qvzk1 qvzk2\".qvzk3 = 2",
        "[PLACE.qvzk1]\nx = 1\n[PLACE.qvzk1.y]\nz = {}\n[[PLACE.qvzk1.u]]",
    ];
    for place in SECRET_VARIABLES.map(|(key, _)| key).into_iter().chain(OTHERS) {
        for form in FORMS {
            let text = form.replace("PLACE", place);
            assert!(load(&text, &[]).profile.is_none(), "{text}");
            assert_silent(&text, &[]);
            assert_silent(&format!("release.environment = \"dev\"\n{text}"), &[]);
        }
    }
}

#[test]
fn number_of_wrong_form_in_secret_is_not_shown() {
    for text in [
        "config.jwtSecret = { generate = { length = 733137331 } }",
        "config.jwtSecret = { generate = { generation = 73313733137 } }",
        "config.jwtSecret = { existing = { name = \"a\", key = \"k\", revision = 73313733137 } }",
        "config.jwtSecret = { generate = { length = 73313.5 } }",
        "config.jwtSecret = { age = 7331-11-30 }",
        "config.jwtSecret = { 73313 = 1 }",
    ] {
        let loaded = load(text, &[]);
        assert!(loaded.profile.is_none(), "{text}");
        let said = said(&loaded);
        assert!(!said.contains("7331"), "{text}\n{said}");
    }
}

#[test]
fn number_of_secret_is_not_shown() {
    for text in [
        "config.jwtSecret = 733137331",
        "config.jwtSecret = 73313733173313733173313",
        "config.jwtSecrt = 733137331",
        "extraEnv = [{ name = \"LDAP_PASSWORD\", value = 733137331 }]",
        "config.jwtSecret =\n733137331",
    ] {
        let said = said(&load(text, &[]));
        assert!(!said.contains("73313"), "{text}\n{said}");
    }
}

#[test]
fn argument_with_slip_shows_no_secret() {
    for set in [
        "config.jwtSecret=\"qvzk1\"",
        "config.jwtSecrt=\"qvzk1\"",
        "config.jwtSecrt=qvzk1",
        "config.jwtSecrt.value=qvzk1",
        "config={jwtSecrt=\"qvzk1\"}",
        "config={jwtSecret=qvzk1}",
        "config={jwtSecret \"qvzk1\"}",
        "config.jwtSecret \"qvzk1=qvzk2\"",
        "config.\"jwtSecret\"=\"qvzk1\"",
        "confg.jwtSecret=\"qvzk1\"",
        "extraEnv=[{name=\"LDAP_PASSWORD\",vale=\"qvzk1\"}]",
        "extraEnv=[{name=\"LDAP_PASSWORD\" value=\"qvzk1\"}]",
        "storage.logs.fluentbit.output.config.http_pas=\"qvzk1\"",
        "config.logLevel=user:qvzk1@host",
        "jwtSecrt\n=\"qvzk1\"",
        "config.jwtSecret",
        "config.jwtSecret.qvzk1=1",
        "config.jwtSecret.\"qvzk1\"=\"x\"",
        "config.jwtSecrt.qvzk1=1",
        "config.jwtSecret.generate.qvzk1=1",
        "redis.auth.password.qvzk1=1",
        "externalRedis.password.qvzk1.a=1",
        "storage.logs.fluentbit.output.config.http_passwd.qvzk1=1",
        "config={jwtSecret={qvzk1=1}}",
        "redis.auth=qvzk1",
        "redis.auth.enabled=qvzk1",
        "redis.auth.qvzk1=qvzk2",
        "externalRedis=qvzk1",
        "externalRedis.port=qvzk1",
        "extraEnv=qvzk1",
        "config.port=80 # qvzk1",
    ] {
        assert_silent("", &[set]);
    }
}

#[test]
fn profile_with_any_letter_missing_shows_no_secret() {
    for (table, lines) in SECRETS {
        let (text, range) = with_secret("[config]\nport = 3000\n", table, lines, VALUES[3]);
        for at in range.start..range.end.min(text.len()) {
            let mut damaged = text.clone();
            damaged.remove(at);
            assert_silent(&damaged, &[]);
        }
    }
}

proptest! {
    #[test]
    fn shipped_profile_with_slip_shows_no_secret(
        name in select(vec!["dev", "production", "loki-logging", "pvc-logs"]),
        (table, lines) in select(SECRETS.to_vec()),
        value in select(VALUES.to_vec()),
        slips in prop::collection::vec((any::<Index>(), select("\"'=,{}[]#\n .x\\".chars().collect::<Vec<_>>()), 0..4), 1..2),
    ) {
        let (mut text, range) = with_secret(&shipped(name), table, lines, value);
        for (index, sign, kind) in slips {
            let at = text.floor_char_boundary(range.start + index.index(range.len()));
            match kind {
                _ if at >= text.len() => text.push(sign),
                0 => drop(text.remove(at)),
                1 => text.insert(at, sign),
                2 => text.replace_range(at..text.ceil_char_boundary(at + 1), &sign.to_string()),
                _ => {
                    let moved = text.remove(at);
                    text.insert(text.floor_char_boundary(at.saturating_sub(1)), moved);
                }
            }
        }
        assert_silent(&text, &[]);
    }
}
