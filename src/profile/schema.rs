//! The JSON Schema of a profile, and the list of its keys; made when somebody asks.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::settings::Settings;

/// Returns the JSON Schema (draft 2020-12) of a profile file.
pub fn schema() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    generator.into_root_schema_for::<Settings>().to_value()
}

/// Returns the path of every key of ours, sorted; not the keys inside Kubernetes' fragments.
pub fn key_paths() -> Vec<String> {
    let schema = schema();
    let mut paths = Vec::new();
    collect(&schema, &schema, "", &mut paths);
    paths.sort();
    paths
}

fn collect(root: &Value, schema: &Value, prefix: &str, paths: &mut Vec<String>) {
    let schema = resolve(root, schema);
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    for (key, child) in properties {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        let fragment = child.get("$ref").and_then(Value::as_str).is_some_and(|name| name.contains("io.k8s."));
        if !fragment {
            collect(root, child, &path, paths);
        }
        paths.push(path);
    }
}

/// Follows a `$ref` into `$defs`.
pub fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let target = schema.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix("#/$defs/"));
    target.and_then(|name| root.get("$defs")?.get(name)).unwrap_or(schema)
}
