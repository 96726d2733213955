//! Converts values to the types of the schema. Values that Helm accepts in another type are
//! converted, and values without a place are dropped; both get a note.

use serde_json::Value as Schema;

use super::notes::Notes;
use super::octal::note_octal;
use super::value::{Map, YamlValue, switch, whole};
use crate::profile::diagnostic::{DIAGNOSTICS_MAX, Diagnostics};
use crate::profile::node::{Path, Segment};
use crate::profile::settings::Settings;
use crate::profile::{decode, defaults, parse, schema, suggest};

/// The properties of Fluent Bit's outputs have their own types, and `output` has converted them
/// already.
const OUTPUT_CONFIG: &str = "storage.logs.fluentbit.output.config";

/// Returns the values in the types of their keys.
pub(super) fn fit(values: Map, notes: &mut Notes) -> Map {
    let fitted = fit_map(values, schema::schema(), &Path::default(), notes);
    drop_refused_empties(fitted, notes)
}

fn fit_map(map: Map, schema: &Schema, path: &Path, notes: &mut Notes) -> Map {
    let properties = schema.get("properties").and_then(Schema::as_object);
    let others = schema.get("additionalProperties").filter(|schema| schema.is_object());
    let mut fitted = Map::default();
    for (key, value) in map.0 {
        let path = path.key(&key);
        match properties.and_then(|properties| properties.get(&key)).or(others) {
            Some(schema) => {
                fitted.0.extend(fit_value(value, schema, &path, notes).map(|value| (key, value)));
            }
            None => notes.add(
                path.to_string(),
                "dropped",
                unknown(&path, &key, properties, notes.len()),
            ),
        }
    }
    fitted
}

fn unknown(
    path: &Path,
    key: &str,
    properties: Option<&serde_json::Map<String, Schema>>,
    notes_before: usize,
) -> String {
    // Values with hundreds of unknown keys belong to another chart, so similar keys mean nothing.
    if notes_before > DIAGNOSTICS_MAX {
        return "unknown key".to_owned();
    }
    let beside: Vec<&str> = properties.into_iter().flatten().map(|(key, _)| key.as_str()).collect();
    format!("unknown key; {}", suggest::key(path, key, &beside))
}

/// Returns the schema of a key without the word that takes its default away: no chart knows it.
fn without_word(place: &Schema) -> &Schema {
    match place.get("anyOf").and_then(Schema::as_array).map(Vec::as_slice) {
        Some([known, word]) if word.get("enum").is_some() => known,
        _ => place,
    }
}

fn fit_value(
    value: YamlValue,
    place: &Schema,
    path: &Path,
    notes: &mut Notes,
) -> Option<YamlValue> {
    let place = without_word(place);
    if path.to_string() == OUTPUT_CONFIG || schema::definition(place) == Some("Secret") {
        return Some(value);
    }

    let is_quantity = schema::definition(place).is_some_and(|name| name.ends_with(".Quantity"));
    let schema = schema::resolve(place);
    let kind = schema.get("type");
    if is_quantity {
        return fit_quantity(value, path, notes);
    }

    match (kind.and_then(Schema::as_str), value) {
        (Some("object"), YamlValue::Map(map)) => {
            let was_empty = map.0.is_empty();
            let fitted = fit_map(map, schema, path, notes);
            // Drop a map that has lost all its keys.
            (was_empty || !fitted.0.is_empty()).then_some(YamlValue::Map(fitted))
        }
        (Some("array"), YamlValue::List(items)) => Some(fit_list(items, schema, path, notes)),
        (Some("boolean"), value) => fit_switch(value, path, notes),
        (Some("integer"), value) => fit_integer(&value, schema, path, notes),
        (Some("string"), value) => fit_text(value, path, notes),
        (Some(kind), value) => {
            let wanted = if kind == "array" { "a list" } else { "a map" };
            refuse(&value, wanted, path, notes)
        }
        // Several types: a number or a name.
        (None, value @ (YamlValue::Integer(_) | YamlValue::Text(_))) => Some(value),
        (None, YamlValue::Float(number)) if whole(number).is_some() => {
            whole(number).map(YamlValue::Integer)
        }
        (None, value) => refuse(&value, "a number or a string", path, notes),
    }
}

fn refuse(value: &YamlValue, wanted: &str, path: &Path, notes: &mut Notes) -> Option<YamlValue> {
    let why = format!("the key takes {wanted}, but the value is {}", value.type_name());
    notes.add(path.to_string(), "dropped", why);
    None
}

fn changed(value: &YamlValue, wanted: &str, path: &Path, notes: &mut Notes) {
    let why = format!("the key takes {wanted}, but the value is {}", value.type_name());
    notes.add(path.to_string(), format!("changed to {wanted}"), why);
}

fn fit_list(items: Vec<YamlValue>, schema: &Schema, path: &Path, notes: &mut Notes) -> YamlValue {
    let Some(of_items) = schema.get("items") else { return YamlValue::List(items) };
    let fitted = items
        .into_iter()
        .enumerate()
        .filter_map(|(index, item)| fit_value(item, of_items, &path.index(index), notes));
    YamlValue::List(fitted.collect())
}

fn fit_switch(value: YamlValue, path: &Path, notes: &mut Notes) -> Option<YamlValue> {
    let word = match &value {
        YamlValue::Bool(_) => return Some(value),
        YamlValue::Text(text) => switch(text),
        _ => None,
    };
    match word {
        Some(on) => {
            changed(&value, "a boolean", path, notes);
            Some(YamlValue::Bool(on))
        }
        None => refuse(&value, "a boolean", path, notes),
    }
}

fn fit_integer(
    value: &YamlValue,
    schema: &Schema,
    path: &Path,
    notes: &mut Notes,
) -> Option<YamlValue> {
    let integer = match value {
        YamlValue::Integer(integer) => Some(*integer),
        YamlValue::Float(number) => round(*number, path, notes),
        YamlValue::Text(text) if is_octal(text) && !is_config(path) => octal_in(text, path, notes),
        YamlValue::Text(text) => {
            number_in(text, path).inspect(|_| changed(value, "an integer", path, notes))
        }
        _ => None,
    };
    let Some(integer) = integer else { return refuse(value, "an integer", path, notes) };
    let least = schema.get("minimum").and_then(Schema::as_i64);
    if is_config(path) && integer == 0 && least.is_some_and(|least| least > 0) {
        notes.add(path.to_string(), "dropped", "the relay replaces 0 with its own default");
        return None;
    }
    Some(YamlValue::Integer(integer))
}

/// Returns whether a text is a number that begins with 0.
///
/// Such a text is octal, because templates print it without its quotes, and only modes are written
/// like this. In `config` it is decimal, because the relay reads its variables as decimal.
fn is_octal(text: &str) -> bool {
    let digits = text.trim().strip_prefix('0');
    digits.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

fn octal_in(text: &str, path: &Path, notes: &mut Notes) -> Option<i64> {
    let number = i64::from_str_radix(text.trim(), 8).ok()?;
    note_octal(number, path, notes);
    Some(number)
}

fn round(number: f64, path: &Path, notes: &mut Notes) -> Option<i64> {
    if let Some(integer) = whole(number) {
        notes.add(path.to_string(), "written as an integer", "Helm shows large integers as floats");
        return Some(integer);
    }
    let rounded = whole(number.round())?;
    notes.add(path.to_string(), format!("rounded to {rounded}"), "the key takes an integer");
    Some(rounded)
}

fn is_config(path: &Path) -> bool {
    path.0.first() == Some(&Segment::Key("config".into()))
}

/// Returns the number in a text. In `config`, it is the leading number, which is how the relay
/// reads it.
fn number_in(text: &str, path: &Path) -> Option<i64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(text.len());
    let leading = || text[..end].parse().ok().filter(|_| is_config(path));
    let float = || text.parse::<f64>().ok().and_then(whole);
    text.parse().ok().or_else(float).or_else(leading)
}

fn fit_text(value: YamlValue, path: &Path, notes: &mut Notes) -> Option<YamlValue> {
    if matches!(value, YamlValue::Text(_)) {
        return Some(value);
    }
    match value.scalar_text() {
        Some(text) => {
            let why = match &value {
                YamlValue::Float(_) => {
                    "the key takes a string; YAML reads this as a number and drops trailing zeros: \
                     check it"
                }
                _ => "the key takes a string",
            };
            notes.add(path.to_string(), "changed to a string", why);
            Some(YamlValue::Text(text))
        }
        None => refuse(&value, "a string", path, notes),
    }
}

fn fit_quantity(value: YamlValue, path: &Path, notes: &mut Notes) -> Option<YamlValue> {
    match (&value, value.scalar_text()) {
        (YamlValue::Text(_), _) => Some(value),
        (YamlValue::Integer(_) | YamlValue::Float(_), Some(text)) => {
            notes.add(path.to_string(), "changed to a string", "quantities are written as strings");
            Some(YamlValue::Text(text))
        }
        _ => refuse(&value, "a quantity", path, notes),
    }
}

/// Drops empty texts where the key's type rejects them: in the chart they meant "not given".
fn drop_refused_empties(mut values: Map, notes: &mut Notes) -> Map {
    if !holds_empty(&values) {
        return values;
    }
    let mut found = Diagnostics::default();
    let defaults = defaults::tree();
    let mut tree = defaults.clone();
    tree.merge(&parse::parse(1, &super::write::draft(&values), &mut found));
    decode::decode::<Settings>(&mut tree, defaults, &mut found);
    for path in found.iter().filter_map(|finding| finding.path.as_ref()) {
        if remove_empty(&mut values, path) {
            notes.add(path.to_string(), "dropped", "it is empty: the default applies");
        }
    }
    values
}

fn holds_empty(map: &Map) -> bool {
    fn is_empty(value: &YamlValue) -> bool {
        match value {
            YamlValue::Text(text) => text.is_empty(),
            YamlValue::List(items) => items.iter().any(is_empty),
            YamlValue::Map(map) => holds_empty(map),
            _ => false,
        }
    }
    map.0.iter().any(|(_, value)| is_empty(value))
}

/// Removes the value at `path` if it is an empty text.
fn remove_empty(map: &mut Map, path: &Path) -> bool {
    let Some((parent, Segment::Key(last))) = path.split_last() else { return false };
    let mut segments = parent.0.iter();
    let mut at = map;
    while let Some(segment) = segments.next() {
        let Segment::Key(key) = segment else { return false };
        let Some((_, value)) = at.0.iter_mut().find(|(known, _)| known == key) else {
            return false;
        };
        let mut value = value;
        while let YamlValue::List(items) = value {
            let Some(Segment::Index(index)) = segments.next() else { return false };
            let Some(item) = items.get_mut(*index) else { return false };
            value = item;
        }
        match value {
            YamlValue::Map(next) => at = next,
            _ => return false,
        }
    }
    let before = at.0.len();
    at.0.retain(|(key, value)| !(key == last && value.as_text() == Some("")));
    at.0.len() < before
}
