//! Writes values as readable TOML: our own tables as sections, small maps on one line.

use serde_json::Value as Schema;
use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Key, Table};

use super::import::{ImportOptions, RELEASE};
use super::value::{Map, YamlValue};
use crate::model::printable::is_printable;
use crate::model::text::ReleaseName;
use crate::profile::mode_text::is_mode_key;
use crate::profile::schema;

/// The longest value that stays on the line of its key.
const LINE_MAX: usize = 80;

/// Returns the text of a profile.
pub(super) fn write(values: &Map, options: &ImportOptions) -> String {
    let release = options.release.as_ref().map_or(RELEASE, ReleaseName::as_str);
    let mut document = DocumentMut::new();
    let mut table = Table::new();
    table.insert("name", release.into());
    if let Some(namespace) = &options.namespace {
        table.insert("namespace", namespace.as_str().into());
    }
    document.insert("release", Item::Table(table));
    if let Some(version) = options.kubernetes {
        let mut table = Table::new();
        table.insert("version", version.to_string().into());
        document.insert("kubernetes", Item::Table(table));
    }
    fill(document.as_table_mut(), values, Some(schema::schema()));
    let text = document.to_string();
    format!(
        "#:schema ../schema/profile.schema.json\n\
         # Written by `relay-bundle import helm` from the values of the Helm release `{release}`.\n\n{}",
        text.trim_start_matches('\n')
    )
}

/// Returns only the values as TOML, for a check.
pub(super) fn draft(values: &Map) -> String {
    let mut document = DocumentMut::new();
    fill(document.as_table_mut(), values, Some(schema::schema()));
    document.to_string()
}

fn fill(table: &mut Table, values: &Map, schema: Option<&Schema>) {
    for (key, value) in &values.0 {
        let schema = schema.and_then(|schema| schema.get("properties")?.get(key));
        let item =
            if is_mode(key, value) { Item::Value(octal(value)) } else { item(value, schema) };
        table.insert_formatted(&toml_key(key), item);
    }
    let is_section = |item: &Item| matches!(item, Item::Table(_) | Item::ArrayOfTables(_));
    table.set_implicit(!table.is_empty() && table.iter().all(|(_, item)| is_section(item)));
}

fn item(value: &YamlValue, schema: Option<&Schema>) -> Item {
    let is_ours = schema.is_some_and(|schema| schema.get("properties").is_some());
    let flat = inline(value);
    let is_long = flat.to_string().chars().count() > LINE_MAX;
    match value {
        YamlValue::Map(map) if is_ours || is_long && map.get("existing").is_none() => {
            let mut table = Table::new();
            fill(&mut table, map, schema);
            Item::Table(table)
        }
        YamlValue::List(items) if is_long => long_list(items),
        _ => Item::Value(flat),
    }
}

/// Returns a list that is too long for a line: one item per line, or a section per map if a map is
/// too long as well.
fn long_list(items: &[YamlValue]) -> Item {
    let is_long = |item: &YamlValue| inline(item).to_string().chars().count() > LINE_MAX;
    let maps: Option<Vec<&Map>> = items.iter().map(YamlValue::as_map).collect();
    if let Some(maps) = maps.filter(|_| items.iter().any(is_long)) {
        let tables = maps.into_iter().map(|map| {
            let mut table = Table::new();
            fill(&mut table, map, None);
            table.set_implicit(false);
            table
        });
        return Item::ArrayOfTables(tables.collect::<ArrayOfTables>());
    }
    let mut array = Array::new();
    for item in items {
        let mut value = inline(item);
        value.decor_mut().set_prefix("\n  ");
        array.push_formatted(value);
    }
    array.set_trailing("\n");
    array.set_trailing_comma(true);
    Item::Value(array.into())
}

fn inline(value: &YamlValue) -> toml_edit::Value {
    match value {
        // Nulls were dropped before; an empty table states nothing.
        YamlValue::Null => InlineTable::new().into(),
        YamlValue::Bool(value) => (*value).into(),
        YamlValue::Integer(value) => (*value).into(),
        YamlValue::Float(value) => (*value).into(),
        YamlValue::Text(text) if text.chars().all(is_plain) => text.as_str().into(),
        YamlValue::Text(text) => quoted(text).parse().unwrap_or_else(|_| text.as_str().into()),
        YamlValue::List(items) => items.iter().map(inline).collect::<Array>().into(),
        YamlValue::Map(map) => {
            let mut table = InlineTable::new();
            for (key, value) in &map.0 {
                let value = if is_mode(key, value) { octal(value) } else { inline(value) };
                table.insert_formatted(&toml_key(key), value);
            }
            table.into()
        }
    }
}

/// Returns whether a value is a file mode, which is written in octal.
fn is_mode(key: &str, value: &YamlValue) -> bool {
    is_mode_key(key) && matches!(value, YamlValue::Integer(0..=0o7777))
}

fn octal(value: &YamlValue) -> toml_edit::Value {
    let YamlValue::Integer(mode) = value else { return inline(value) };
    format!("0o{mode:o}").parse().unwrap_or_else(|_| inline(value))
}

/// Returns whether a character stands unescaped in the profile. Of the others, TOML's own writer
/// escapes only some.
fn is_plain(character: char) -> bool {
    character == '\n' || character == '\t' || is_printable(character)
}

fn toml_key(key: &str) -> Key {
    if key.chars().all(is_plain) {
        Key::new(key)
    } else {
        quoted(key).parse().unwrap_or_else(|_| Key::new(key))
    }
}

/// Returns a text as a TOML basic string, with an escape for each character that a terminal does
/// not show.
fn quoted(text: &str) -> String {
    let escape = |character: char| match character {
        '"' | '\\' => format!("\\{character}"),
        _ if is_printable(character) => character.to_string(),
        _ => format!("\\U{:08X}", u32::from(character)),
    };
    format!("\"{}\"", text.chars().map(escape).collect::<String>())
}
