//! The reference of all keys as Markdown.

use serde_json::Value;

use super::words;
use crate::profile::schema;

const INTRODUCTION: &str = "\
# Profile reference

Every key of a profile, with its type and default. This page is generated from the types that profiles are read into;
`relay-bundle explain KEY` shows the same for one key, with its constraints and the manifest fields that it sets.

A key in the first column is written as a path: `config.logLevel = \"debug\"`, or `logLevel = \"debug\"` below `[config]`.
`[]` stands for the tables of an array. A *secret* is a string (only where `release.environment` is `dev`) or one of
`{ generate = { length, generation } }`, `{ existing = { name, key, revision } }`, `{ age = \"secrets/x.age\" }`,
`{ value, revision }`. A type *of Kubernetes* is what Kubernetes' own reference says, and is checked as strictly.
";

/// Returns the reference of all keys, with one table for each table of a profile.
pub fn reference() -> String {
    let mut page = INTRODUCTION.to_owned();
    section("", "The top level", schema::schema(), 2, &mut page);
    page
}

fn section(path: &str, title: &str, table: &Value, level: usize, page: &mut String) {
    let properties: Vec<(String, &Value)> = table
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(key, schema)| {
            (if path.is_empty() { key.clone() } else { format!("{path}.{key}") }, schema)
        })
        .collect();

    page.extend(["\n", &"#".repeat(level), " ", title, "\n"]);
    if let Some(text) = words::description(table).filter(|_| !path.is_empty()) {
        page.extend(["\n", text, "\n"]);
    }
    let is_table = |schema: &Value| schema.get("properties").is_some();
    if properties.iter().any(|(_, schema)| !is_table(schema)) {
        page.push_str("\n| key | type | default | description |\n|---|---|---|---|\n");
    }

    for (key, schema) in properties.iter().filter(|(_, schema)| !is_table(schema)) {
        page.push_str(&row(key, schema));
    }
    for (key, schema) in &properties {
        let level = if path.is_empty() { 2 } else { 3 };
        if is_table(schema) {
            section(key, &format!("`{key}`"), schema, level, page);
        } else if let Some(items) = schema.get("items").filter(|items| is_table(items)) {
            let path = format!("{key}[]");
            section(&path, &format!("`{path}`"), items, 3, page);
        }
    }
}

fn row(key: &str, schema: &Value) -> String {
    let cell = |text: &str| text.replace('|', "\\|");
    let default = schema.get("default").map(|default| format!("`{}`", cell(&words::toml(default))));
    let description = words::description(schema).unwrap_or_default();
    format!(
        "| `{key}` | {} | {} | {} |\n",
        cell(&words::kind(schema)),
        default.unwrap_or_default(),
        cell(description)
    )
}
