//! Notes about numbers that Helm reads as octal, and modes that it reads as decimal.

use super::notes::Notes;
use super::value::{Map, YamlValue};
use crate::model::credential::resembles_secret;
use crate::profile::mode_text::{is_mode_key, meant};
use crate::profile::node::{Path, Segment};

/// Adds a note for each number that begins with 0, and for each decimal mode that looks octal.
pub(super) fn note_all(values: &Map, octals: &[Path], notes: &mut Notes) {
    note_map(values, &Path::default(), octals, notes);
}

fn note_map(values: &Map, path: &Path, octals: &[Path], notes: &mut Notes) {
    values.0.iter().for_each(|(key, value)| note_value(value, &path.key(key), octals, notes));
}

fn note_value(value: &YamlValue, path: &Path, octals: &[Path], notes: &mut Notes) {
    match value {
        YamlValue::Map(map) => note_map(map, path, octals, notes),
        YamlValue::List(items) => {
            for (index, item) in items.iter().enumerate() {
                note_value(item, &path.index(index), octals, notes);
            }
        }
        YamlValue::Integer(number) if octals.contains(path) => note_octal(*number, path, notes),
        YamlValue::Integer(number) if is_mode(path) => note_decimal(*number, path, notes),
        _ => {}
    }
}

/// Adds the note for a number that begins with 0. It quotes the number unless that may be a
/// password.
pub(super) fn note_octal(number: i64, path: &Path, notes: &mut Notes) {
    let mut keys = path.0.iter().filter_map(Segment::as_key);
    let is_shown = is_mode(path) || !keys.any(resembles_secret);
    let example =
        if is_shown && number >= 0 { format!(": 0{number:o} is {number}") } else { String::new() };
    let why = format!("Helm reads a number that starts with 0 as octal{example}");
    notes.add(path.to_string(), "read as octal", why);
}

fn note_decimal(number: i64, path: &Path, notes: &mut Notes) {
    let Some(meant) = meant(&number.to_string()) else { return };
    let why = format!("Helm reads {number} as decimal; write `0o{meant:o}` if you mean octal");
    notes.add(path.to_string(), format!("is the mode `0o{number:o}`"), why);
}

fn is_mode(path: &Path) -> bool {
    path.0.last().and_then(Segment::as_key).is_some_and(is_mode_key)
}
