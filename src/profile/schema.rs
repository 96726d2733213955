//! Builds the JSON Schema of a profile and the list of its keys on first use.
//!
//! The types of `settings` determine the structure, `defaults.toml` the defaults. Our own types are
//! inlined, so that each key has a place of its own. Kubernetes' types stay definitions, closed and
//! with short descriptions.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::node::{self, Node};
use super::settings::Settings;
use super::{absent, defaults};

/// The maximum length in characters of a description from Kubernetes, which is cut to its first
/// sentence.
const DESCRIPTION_MAX: usize = 120;

/// The definition of a secret: the only definition of ours that is not inlined, because several
/// keys use it.
const SECRET: &str = "Secret";

/// The prefix of a Kubernetes type that takes the words of `absent`, too.
pub const VARIANT: &str = "Own";

const REF: &str = "#/$defs/";

static SCHEMA: LazyLock<Value> = LazyLock::new(build);

static KEY_PATHS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut paths = Vec::new();
    collect(&SCHEMA, "", &mut paths);
    paths.sort();
    paths
});

/// Returns the JSON Schema (draft 2020-12) of a profile file.
pub fn schema() -> &'static Value {
    &SCHEMA
}

/// Returns the text of the committed schema file: sorted, indented, with a newline at the end.
pub fn text() -> String {
    format!("{:#}\n", schema())
}

/// Returns the paths of all our own keys, sorted, without the keys inside Kubernetes' fragments.
///
/// A key inside an array of tables is written `ingress.hosts[].host`.
pub fn key_paths() -> &'static [String] {
    &KEY_PATHS
}

/// Follows a `$ref` into `$defs`.
pub fn resolve(schema: &Value) -> &Value {
    definition(schema).and_then(|name| schema_definitions()?.get(name)).unwrap_or(schema)
}

/// Returns the name of the definition that a schema refers to.
pub fn definition(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix(REF)
}

fn schema_definitions() -> Option<&'static Map<String, Value>> {
    SCHEMA.get("$defs")?.as_object()
}

fn collect(schema: &Value, prefix: &str, paths: &mut Vec<String>) {
    if let Some(items) = schema.get("items") {
        return collect(items, &format!("{prefix}[]"), paths);
    }
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    for (key, child) in properties {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        collect(child, &path, paths);
        paths.push(path);
    }
}

fn build() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut root = generator.into_root_schema_for::<Settings>().to_value();
    let mut definitions = match root.as_object_mut().and_then(|root| root.remove("$defs")) {
        Some(Value::Object(definitions)) => definitions,
        _ => Map::new(),
    };
    inline(&mut root, &definitions);
    definitions.retain(|name, _| is_kubernetes(name) || name == SECRET);
    definitions.iter_mut().filter(|(name, _)| is_kubernetes(name)).for_each(|(name, schema)| {
        shorten(schema);
        replace_scalar(name, schema);
    });
    definitions.values_mut().for_each(tidy);
    tidy(&mut root);
    allow_absence(&mut root, &mut definitions);
    make_optional(&mut root);
    set_default(&mut root, defaults::tree());
    keep_used(&mut definitions, &root);
    root["$defs"] = Value::Object(definitions);
    root["title"] = json!("A deployment profile of relay-bundle");
    root.sort_all_objects();
    root
}

fn is_kubernetes(name: &str) -> bool {
    name.starts_with("io.k8s.")
}

/// Inlines our own definitions; annotations at the place of use win.
fn inline(schema: &mut Value, definitions: &Map<String, Value>) {
    let own = definition(schema).filter(|name| !is_kubernetes(name) && *name != SECRET);
    if let Some(found) = own.and_then(|name| definitions.get(name)).cloned()
        && let (Value::Object(mut merged), Value::Object(mut place)) = (found, schema.take())
    {
        place.remove("$ref");
        merged.append(&mut place);
        *schema = Value::Object(merged);
    }
    each_child(schema, &mut |child| inline(child, definitions));
}

/// Allows the words of `absent` where a profile may take a default away: the Kubernetes types at
/// these keys get a variant of our own.
fn allow_absence(root: &mut Value, definitions: &mut Map<String, Value>) {
    for path in absent::SECURITY_CONTEXTS {
        widen(root, definitions, path, &|fields| {
            for identity in absent::IDENTITIES {
                if let Some(field) = fields.get_mut(identity) {
                    or_word(field, absent::PLATFORM);
                }
            }
        });
    }
    for path in absent::RESOURCES {
        widen(root, definitions, path, &|fields| {
            for amounts in absent::AMOUNTS {
                or_word(&mut fields[amounts]["additionalProperties"], absent::NONE);
            }
        });
    }
}

/// Replaces the Kubernetes type at `path` by a variant whose `properties` `change` alters.
fn widen(
    root: &mut Value,
    definitions: &mut Map<String, Value>,
    path: &str,
    change: &dyn Fn(&mut Map<String, Value>),
) {
    let place = path.split('.').fold(root, |schema, key| &mut schema["properties"][key]);
    let name = definition(place).expect("the keys with a word have a type of Kubernetes");
    let short = name.rsplit('.').next().unwrap_or(name);
    let mut variant = definitions[name].clone();
    if let Some(Value::Object(fields)) = variant.get_mut("properties") {
        change(fields);
    }
    let name = format!("{VARIANT}{short}");
    place["$ref"] = json!(format!("{REF}{name}"));
    definitions.insert(name, variant);
}

fn or_word(schema: &mut Value, word: &str) {
    let mut known = schema.take();
    let description = known.as_object_mut().and_then(|known| known.remove("description"));
    *schema = json!({"anyOf": [known, {"type": "string", "enum": [word]}]});
    if let Some(description) = description {
        schema["description"] = description;
    }
}

/// Calls `visit` for every direct subschema.
///
/// Keywords have their meaning only there.
fn each_child(schema: &mut Value, visit: &mut dyn FnMut(&mut Value)) {
    let Some(fields) = schema.as_object_mut() else { return };
    for (keyword, value) in fields {
        match (keyword.as_str(), value) {
            ("properties", Value::Object(properties)) => {
                properties.values_mut().for_each(&mut *visit);
            }
            ("anyOf" | "oneOf" | "allOf", Value::Array(schemas)) => {
                schemas.iter_mut().for_each(&mut *visit);
            }
            ("items" | "additionalProperties", value @ Value::Object(_)) => visit(value),
            _ => {}
        }
    }
}

/// Removes `null`, which TOML lacks, and formats of integers, which validators reject, and closes
/// objects.
fn tidy(schema: &mut Value) {
    if let Some(fields) = schema.as_object_mut() {
        fields.remove("format");
        if fields.get("default").is_some_and(Value::is_null) {
            fields.remove("default");
        }
        if fields.get("required").and_then(Value::as_array).is_some_and(Vec::is_empty) {
            fields.remove("required");
        }
        if let Some(Value::String(text)) = fields.get_mut("description") {
            *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        }
        remove_null(fields);
        if fields.contains_key("properties") && !fields.contains_key("additionalProperties") {
            fields.insert("additionalProperties".into(), json!(false));
        }
    }
    each_child(schema, &mut tidy);
}

fn remove_null(fields: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = fields.get_mut("type") {
        types.retain(|name| name != "null");
        if types.len() == 1 {
            let only = types.remove(0);
            fields.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(values)) = fields.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    let Some(Value::Array(choices)) = fields.get_mut("anyOf") else { return };
    choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
    if choices.len() == 1
        && let Value::Object(mut only) = choices.remove(0)
    {
        fields.remove("anyOf");
        only.append(fields);
        *fields = only;
    }
}

/// Cuts the descriptions of a Kubernetes definition to their first sentence.
fn shorten(schema: &mut Value) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = first_sentence(text);
    }
    each_child(schema, &mut shorten);
}

fn first_sentence(text: &str) -> String {
    let line = text
        .split("\n\n")
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let end = line.find(". ").map_or(line.len(), |end| end + 1);
    let sentence = &line[..end];
    if sentence.chars().count() <= DESCRIPTION_MAX {
        return sentence.to_owned();
    }
    let cut: String = sentence.chars().take(DESCRIPTION_MAX - 1).collect();
    let words = cut.rsplit_once(' ').map_or(cut.as_str(), |(words, _)| words);
    format!("{}…", words.trim_end_matches([',', ';', ':', '(']))
}

/// Replaces the schemas of two Kubernetes types that are not objects.
fn replace_scalar(name: &str, schema: &mut Value) {
    if name.ends_with(".Quantity") {
        *schema = json!({
            "description": "A quantity, such as `250m`, `2` or `512Mi`.",
            "type": ["string", "integer"],
            "pattern": "^[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$",
        });
    } else if name.ends_with(".IntOrString") {
        *schema = json!({"description": "A number, or a percentage or name as a string.", "type": ["integer", "string"]});
    }
}

/// Removes `required` from our own tables, but not from the items of arrays.
///
/// A profile may leave keys to the layers below it.
fn make_optional(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else { return };
    if !fields.contains_key("properties") {
        return;
    }
    fields.remove("required");
    if let Some(Value::Object(properties)) = fields.get_mut("properties") {
        properties.values_mut().for_each(make_optional);
    }
}

fn set_default(schema: &mut Value, default: &Node) {
    let table = default.as_table();
    if let (Some(table), Some(Value::Object(properties))) = (table, schema.get_mut("properties")) {
        for (key, entry) in table {
            if let Some(property) = properties.get_mut(key) {
                set_default(property, &entry.node);
            }
        }
    } else {
        schema["default"] = to_json(default);
    }
}

fn to_json(node: &Node) -> Value {
    match &node.value {
        node::Value::Bool(value) => json!(value),
        node::Value::Integer(value) => json!(value),
        node::Value::Float(text) | node::Value::Datetime(text) | node::Value::Text(text) => {
            json!(text)
        }
        node::Value::Array(items) => items.iter().map(to_json).collect(),
        node::Value::Table(table) => {
            table.iter().map(|(key, entry)| (key.clone(), to_json(&entry.node))).collect()
        }
    }
}

/// Removes unreferenced definitions.
fn keep_used(definitions: &mut Map<String, Value>, root: &Value) {
    fn reach(schema: &Value, definitions: &Map<String, Value>, used: &mut BTreeSet<String>) {
        if let Some(name) = definition(schema)
            && used.insert(name.to_owned())
            && let Some(found) = definitions.get(name)
        {
            reach(found, definitions, used);
        }
        match schema {
            Value::Object(fields) => {
                fields.values().for_each(|value| reach(value, definitions, used));
            }
            Value::Array(items) => items.iter().for_each(|value| reach(value, definitions, used)),
            _ => {}
        }
    }
    let mut used = BTreeSet::new();
    reach(root, definitions, &mut used);
    definitions.retain(|name, _| used.contains(name));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubernetes_description_becomes_its_first_sentence() {
        assert_eq!(first_sentence("Does a thing. More\nwords."), "Does a thing.");
        assert_eq!(first_sentence("One\nline\n\nanother"), "One line");
        let long = first_sentence(&"word ".repeat(60));
        assert!(long.chars().count() <= DESCRIPTION_MAX && long.ends_with("word…"), "{long}");
    }
}
