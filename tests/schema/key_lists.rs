//! The lists of keys in `src/profile`, which the schema determines.

use std::collections::{BTreeMap, BTreeSet};

use relay_bundle::fluent_bit::OutputPlugin;
use relay_bundle::profile::schema;
use serde_json::Value;

use super::committed;

#[test]
fn key_names_match_schema_and_outputs() {
    let mut names = BTreeSet::new();
    collect_names(schema::schema(), &mut names);
    let properties = OutputPlugin::ALL
        .into_iter()
        .flat_map(|output| output.properties().iter().chain(output.generic()));
    names.extend(properties.map(|property| property.name));

    committed::check_lines("src/profile/key_names.txt", names);
}

fn collect_names(schema: &'static Value, names: &mut BTreeSet<&'static str>) {
    let Some(fields) = schema.as_object() else { return };
    for (keyword, value) in fields {
        match (keyword.as_str(), value) {
            ("properties", Value::Object(properties)) => {
                names.extend(properties.keys().map(String::as_str));
                for property in properties.values() {
                    collect_names(property, names);
                }
            }
            ("$defs", Value::Object(schemas)) => {
                for schema in schemas.values() {
                    collect_names(schema, names);
                }
            }
            ("anyOf" | "oneOf" | "allOf", Value::Array(schemas)) => {
                for schema in schemas {
                    collect_names(schema, names);
                }
            }
            ("items" | "additionalProperties", value) => collect_names(value, names),
            _ => {}
        }
    }
}

#[test]
fn key_types_match_schema() {
    let mut listed = BTreeMap::new();
    collect_types(schema::schema(), "", &mut listed);
    // A type without types of its own was only listed because it may contain itself.
    listed.retain(|path, types| {
        path.contains('.') || !path.starts_with(char::is_uppercase) || !types.is_empty()
    });
    let line = |(path, types): (&String, &BTreeSet<String>)| {
        format!("{path} {}", types.iter().map(String::as_str).collect::<Vec<_>>().join("|"))
    };

    committed::check_lines("src/profile/key_types.txt", listed.iter().map(line));
}

/// Adds the types of the keys of a table, and returns the types of `schema` itself.
fn collect_types(
    schema: &'static Value,
    path: &str,
    listed: &mut BTreeMap<String, BTreeSet<String>>,
) -> BTreeSet<String> {
    if let Some(name) = schema::definition(schema) {
        let short = name.rsplit('.').next().unwrap_or(name);
        let schema = schema::resolve(schema);
        if schema.get("properties").is_none() && schema.get("anyOf").is_none() {
            return collect_types(schema, path, listed);
        }
        // The name is listed first, because the type may contain itself.
        if listed.insert(short.to_owned(), BTreeSet::new()).is_none() {
            collect_types(schema, short, listed);
        }
        return BTreeSet::from([short.to_owned()]);
    }

    let mut types = BTreeSet::new();
    let forms = schema.get("anyOf").and_then(Value::as_array).into_iter().flatten();
    types.extend(forms.flat_map(|form| collect_types(form, path, listed)));
    if let Some(items) = schema.get("items") {
        let items = collect_types(items, &format!("{path}[]"), listed);
        types.extend(items.iter().map(|known| format!("[]{known}")));
    }

    let own = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let any = schema.get("additionalProperties").filter(|any| any.is_object());
    let own = own.map(|(key, schema)| (key.as_str(), schema));
    for (key, property) in own.chain(any.map(|any| ("*", any))) {
        let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        let inner = collect_types(property, &path, listed);
        listed.entry(path).or_default().extend(inner);
    }

    types.extend(plain_types(schema));
    types
}

/// Returns the types that are neither arrays nor types with a name.
fn plain_types(schema: &Value) -> Vec<String> {
    let names: Vec<&Value> = match schema.get("type") {
        Some(Value::Array(names)) => names.iter().collect(),
        name => name.into_iter().collect(),
    };
    let names = names.into_iter().filter_map(Value::as_str).filter(|name| *name != "array");
    names.map(|name| if name == "object" { "table" } else { name }.to_owned()).collect()
}
