//! The JSON Schema of a profile: complete and closed. It determines the committed files: its own
//! text, the reference, and the lists of keys that the library searches.

#[path = "../support/committed.rs"]
mod committed;
mod key_lists;

use std::process::{Command, Stdio};

use relay_bundle::profile::{explain, schema};
use serde_json::Value;

fn root(path: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Calls `visit` with the pointer and value of every object in `value`.
fn each_object(
    value: &Value,
    pointer: &str,
    visit: &mut dyn FnMut(&str, &serde_json::Map<String, Value>),
) {
    match value {
        Value::Object(fields) => {
            visit(pointer, fields);
            fields
                .iter()
                .for_each(|(key, value)| each_object(value, &format!("{pointer}/{key}"), visit));
        }
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(index, item)| each_object(item, &format!("{pointer}/{index}"), visit)),
        _ => {}
    }
}

/// Returns the schema of one of our keys.
fn at(path: &str) -> &'static Value {
    path.split('.').fold(schema::schema(), |schema, key| &schema["properties"][key])
}

#[test]
fn committed_schema_is_that_of_types() {
    committed::check("schema/profile.schema.json", &schema::text());
}

#[test]
fn committed_reference_is_that_of_schema() {
    committed::check("docs/reference/profile.md", &explain::reference());
}

#[test]
fn schema_is_sorted_and_identifies_itself() {
    let schema = schema::schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["title"], "A deployment profile of relay-bundle");
    let text = schema::text();
    let mut sorted: Value = serde_json::from_str(&text).unwrap();
    sorted.sort_all_objects();
    assert_eq!(text.trim_end(), serde_json::to_string_pretty(&sorted).unwrap());
}

#[test]
fn every_object_is_closed_without_null_or_unknown_format() {
    each_object(schema::schema(), "", &mut |pointer, fields| {
        // `properties` is itself a map of names.
        if pointer.ends_with("/properties") || pointer.ends_with("/default") {
            return;
        }
        if fields.get("properties").is_some_and(Value::is_object) {
            assert_eq!(fields.get("additionalProperties"), Some(&Value::Bool(false)), "{pointer}");
        }
        assert_ne!(fields.get("type"), Some(&"null".into()), "{pointer}");
        assert!(!fields.get("format").is_some_and(Value::is_string), "{pointer}");
    });
}

#[test]
fn every_reference_resolves_and_every_definition_is_used() {
    let text = schema::text();
    let definitions = schema::schema()["$defs"].as_object().unwrap();
    for name in definitions.keys() {
        assert!(text.contains(&format!("\"#/$defs/{name}\"")), "{name} is not used");
    }
    each_object(schema::schema(), "", &mut |pointer, fields| {
        if let Some(target) = fields.get("$ref").and_then(Value::as_str) {
            let name = target.strip_prefix("#/$defs/").unwrap();
            assert!(definitions.contains_key(name), "{pointer}: {name}");
        }
    });
}

#[test]
fn every_key_is_described_and_kubernetes_keys_briefly() {
    for path in schema::key_paths() {
        let schema =
            path.split('.').fold(schema::schema(), |schema, key| match key.strip_suffix("[]") {
                Some(key) => &schema["properties"][key]["items"],
                None => &schema["properties"][key],
            });
        assert!(schema["description"].as_str().is_some_and(|text| !text.is_empty()), "{path}");
    }
    for (name, definition) in schema::schema()["$defs"].as_object().unwrap() {
        if name.starts_with("io.k8s.") {
            each_object(definition, name, &mut |pointer, fields| {
                if let Some(text) = fields.get("description").and_then(Value::as_str) {
                    assert!(text.chars().count() <= 120, "{pointer}: {text}");
                }
            });
        }
    }
}

#[test]
fn defaults_are_at_keys_even_where_type_is_shared() {
    assert_eq!(at("replicaCount")["default"], 1);
    assert_eq!(at("image.repository")["default"], "ghcr.io/wei-shaw/claude-relay-service");
    assert_eq!(at("redis.image.repository")["default"], "docker.io/redis");
    assert_eq!(at("config.tokenUsageRetention")["default"], 2_592_000_000_i64);
    assert_eq!(
        at("ingress.blockedPaths")["default"],
        serde_json::json!(["/metrics", "/prometheus"])
    );
    assert_eq!(at("resources")["default"]["limits"]["memory"], "1Gi");
}

#[test]
fn profile_may_omit_everything_except_host_of_ingress_host() {
    each_object(&schema::schema()["properties"], "", &mut |pointer, fields| {
        if !pointer.contains("/items") && !pointer.contains("/anyOf") {
            assert!(!fields.get("required").is_some_and(Value::is_array), "{pointer}");
        }
    });
    assert_eq!(at("ingress.hosts")["items"]["required"], serde_json::json!(["host"]));
    let container = &schema::schema()["$defs"]["io.k8s.api.core.v1.Container"];
    assert_eq!(container["required"], serde_json::json!(["name"]));
}

#[test]
fn enumerations_are_complete() {
    assert_eq!(
        at("config.logLevel")["enum"],
        serde_json::json!(["error", "warn", "info", "http", "verbose", "debug", "silly"])
    );
    assert_eq!(
        at("storage.logs.mode")["enum"],
        serde_json::json!(["fluentbit", "forward", "pvc", "emptyDir"])
    );
    assert_eq!(
        at("image.pullPolicy")["enum"],
        serde_json::json!(["Always", "IfNotPresent", "Never"])
    );
}

const VALIDATE: &str = r##"
import json, pathlib, sys, tomllib
import jsonschema
schema = json.load(open(sys.argv[1]))
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
def verdict(text): return [error.json_path for error in validator.iter_errors(tomllib.loads(text))]
for file in sorted(pathlib.Path(sys.argv[2]).glob("*.toml")):
    text = file.read_text()
    assert text.startswith("#:schema ../schema/profile.schema.json\n"), f"{file}: no #:schema line"
    assert not verdict(text), f"{file}: {verdict(text)}"
good = ["", "replicaCount = 3", "resources.limits = { cpu = 1, memory = '1Gi' }", "config.jwtSecret.age = 'secrets/x.age'",
    "podDisruptionBudget.minAvailable = '50%'", "[[extraEnv]]\nname = 'A'\nvalue = 'b'",
    "ingress.hosts = [{ host = 'relay.example.internal' }]"]
bad = ["replicaCuont = 3", "replicaCount = '3'", "replicaCount = -1", "config.logLevel = 'loud'", "[[extraEnv]]\nvalue = 'b'",
    "resources.limts = {}", "resources.limits.cpu = 'much'", "ingress.hosts = [{ paths = [] }]", "config.jwtSecret = {}",
    "release.name = '1x'", "podSecurityContext.runAsUser = 'root'", "config.jwtSecret = { age = 'x.age', value = 'y' }"]
for text in good: assert not verdict(text), (text, verdict(text))
for text in bad: assert verdict(text), text
"##;

/// An independent validator agrees; skipped where Python, or its `jsonschema`, is missing, except
/// in CI.
#[test]
fn independent_validator_takes_shipped_profiles_not_mistakes() {
    let python = |script: &str, arguments: &[std::path::PathBuf]| {
        let mut command = Command::new("python3");
        command.arg("-c").arg(script).args(arguments).stdin(Stdio::null()).output()
    };
    let usable = python("import jsonschema, tomllib; jsonschema.Draft202012Validator", &[])
        .is_ok_and(|output| output.status.success());
    if !usable {
        #[expect(clippy::disallowed_methods, reason = "in CI a missing tool is a failure")]
        let ci = std::env::var("CI");
        assert_ne!(ci.as_deref(), Ok("true"), "CI needs python3 with the package jsonschema");
        #[expect(clippy::print_stderr, reason = "a skipped test says so")]
        {
            eprintln!("skipped: python3 (3.11 or newer) with the package jsonschema is missing");
        }
        return;
    }
    let output = python(VALIDATE, &[root("schema/profile.schema.json"), root("profiles")]).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
