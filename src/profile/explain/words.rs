//! Describes a schema in words, and writes a value as TOML.

use serde_json::Value;

use crate::profile::schema;
use crate::profile::suggest;

/// Returns the schema of a key of a table, of one of its forms, or of a map's values.
pub(super) fn property<'a>(table: &'a Value, key: &str) -> Option<&'a Value> {
    let own = table.get("properties").and_then(|properties| properties.get(key));
    let form = || forms(table).find_map(|form| property(schema::resolve(form), key));
    let any = || table.get("additionalProperties").filter(|schema| schema.is_object());
    own.or_else(form).or_else(any)
}

/// Returns the keys of a table, of its forms, or of the tables of an array.
pub(super) fn keys(schema: &Value) -> Box<dyn Iterator<Item = &str> + '_> {
    let schema = schema::resolve(schema);
    if let Some(items) = schema.get("items") {
        return keys(items);
    }
    let own = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    Box::new(own.map(|(key, _)| key.as_str()).chain(forms(schema).flat_map(keys)))
}

fn forms(schema: &Value) -> impl Iterator<Item = &Value> {
    schema.get("anyOf").and_then(Value::as_array).into_iter().flatten()
}

/// Returns the description at the place of use, or else the type's.
pub(super) fn description(schema: &Value) -> Option<&str> {
    let own = schema.get("description").and_then(Value::as_str);
    own.or_else(|| schema::resolve(schema).get("description")?.as_str())
}

/// Returns the type in words: `integer from 1 to 65535`, `array of strings` or
/// `Container of Kubernetes`.
pub(super) fn kind(schema: &Value) -> String {
    if let Some(name) = schema::definition(schema) {
        let short = name.rsplit('.').next().unwrap_or(name);
        return match short {
            "Secret" => "secret".to_owned(),
            "Quantity" => "quantity".to_owned(),
            "IntOrString" => "integer or string".to_owned(),
            _ => {
                let short = short.strip_prefix(schema::VARIANT).unwrap_or(short);
                format!("{short} of Kubernetes")
            }
        };
    }

    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        let values: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
        return format!("one of {}", suggest::list(&values));
    }
    if schema.get("anyOf").is_some() {
        return forms(schema).map(kind).collect::<Vec<_>>().join(" or ");
    }

    match schema.get("type") {
        Some(Value::Array(names)) => {
            names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or ")
        }
        Some(Value::String(name)) => plain_kind(name, schema),
        _ => "any value".to_owned(),
    }
}

fn plain_kind(name: &str, schema: &Value) -> String {
    match (name, schema.get("items"), schema.get("additionalProperties")) {
        ("array", Some(items), _) => format!("array of {}", plural(&kind(items))),
        ("object", _, Some(values @ Value::Object(_))) => {
            format!("table of {}", plural(&kind(values)))
        }
        ("object", ..) => "table".to_owned(),
        ("integer", ..) => match (bound(schema, "minimum"), bound(schema, "maximum")) {
            (Some(min), Some(max)) if max > 1 << 52 => format!("integer from {min}"),
            (Some(min), Some(max)) => format!("integer from {min} to {max}"),
            _ => "integer".to_owned(),
        },
        _ => name.to_owned(),
    }
}

fn bound(schema: &Value, keyword: &str) -> Option<i64> {
    schema.get(keyword)?.as_i64()
}

fn plural(kind: &str) -> String {
    match kind {
        "string" | "integer" | "boolean" | "table" | "secret" => format!("{kind}s"),
        "quantity" => "quantities".to_owned(),
        other => other.to_owned(),
    }
}

/// Returns the constraints on a value besides its type, each as a fragment.
pub(super) fn constraints(schema: &Value) -> Vec<String> {
    let own = schema::resolve(schema);
    let mut list = Vec::new();
    if let Some(rule) = own.get("$comment").and_then(Value::as_str) {
        list.push(rule.to_owned());
    }
    if let Some(max) = bound(own, "maxLength") {
        list.push(format!("at most {max} characters"));
    }
    if let Some(names) = own.get("required").and_then(Value::as_array) {
        let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
        list.push(format!("required: {}", suggest::list(&names)));
    }
    if let Some(items) = own.get("items") {
        list.extend(constraints(items).into_iter().map(|rule| format!("each item: {rule}")));
    }
    list
}

/// Returns a value as TOML, as profiles write it.
pub(super) fn toml(value: &Value) -> String {
    to_toml(value).to_string()
}

fn to_toml(value: &Value) -> toml_edit::Value {
    match value {
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => integer.into(),
            None => number.as_f64().unwrap_or_default().into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => items.iter().map(to_toml).collect::<toml_edit::Array>().into(),
        Value::Object(fields) => {
            let pairs =
                fields.iter().map(|(key, value)| (toml_edit::Key::new(key), to_toml(value)));
            pairs.collect::<toml_edit::InlineTable>().into()
        }
        Value::Null => toml_edit::InlineTable::new().into(),
    }
}
