//! Notes about keys that differ in the profile.

use std::collections::BTreeMap;

use serde::Serialize;

use super::value::{Map, YamlValue};
use crate::profile::key_names;
use crate::profile::masking::Visibility;
use crate::profile::node::Path;
use crate::profile::secrets::refers_to_secret;

/// The name in notes that concern no single key.
pub(super) const VALUES: &str = "values";

/// One key that was changed, dropped or added, and why. Never holds a value that may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    pub key: String,
    /// `dropped`, `changed to an integer`, `is now …`.
    pub what: String,
    pub why: String,
}

/// Notes, and the order of their keys.
pub(super) struct Notes {
    found: Vec<Note>,
    positions: BTreeMap<String, usize>,
    visibility: Visibility,
}

impl Notes {
    pub(super) fn new(values: &Map, visibility: Visibility) -> Self {
        let mut positions = BTreeMap::new();
        number_keys(values, &Path::default(), &mut positions);
        Self { found: Vec::new(), positions, visibility }
    }

    pub(super) fn add(
        &mut self,
        key: impl Into<String>,
        what: impl Into<String>,
        why: impl Into<String>,
    ) {
        self.found.push(Note { key: key.into(), what: what.into(), why: why.into() });
    }

    /// Adds a note that precedes all others, as `key` precedes all keys.
    pub(super) fn add_first(&mut self, key: &str, what: &str, why: &str) {
        self.positions.insert(key.to_owned(), 0);
        self.add(key, what, why);
    }

    pub(super) fn len(&self) -> usize {
        self.found.len()
    }

    /// Returns the notes in the order of the values; those about absent keys come last.
    pub(super) fn sorted(self) -> Vec<Note> {
        let Self { found: mut notes, positions, visibility } = self;
        notes.sort_by_key(|note| position(&note.key, &positions));
        for note in &mut notes {
            note.key = shown(&note.key, visibility).to_owned();
        }
        notes
    }
}

/// Returns a key up to the first part that may not be a name.
///
/// In `{jwtSecret:abc}`, which lacks a blank, the key contains the secret. In a file whose lines
/// must not be shown, a key may be anything. In a reference to a Secret, it may be the secret.
fn shown(key: &str, visibility: Visibility) -> &str {
    let mut end = 0;
    let mut is_reference = false;
    for part in key.split('.') {
        let word = part.split('[').next().unwrap_or_default().trim_matches('"');
        let is_name = visibility == Visibility::Lines
            && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/'));
        let is_known = key_names::is_key_name(word);
        if (!is_name || is_reference) && !is_known {
            return key.get(..end).filter(|known| !known.is_empty()).unwrap_or(VALUES);
        }
        // The chart has keys of its own in `redis.auth`.
        is_reference |= is_known && word != "auth" && refers_to_secret(word);
        end = part.as_ptr() as usize - key.as_ptr() as usize + part.len();
    }
    key
}

/// Returns the position of a key, or of its nearest parent.
fn position(key: &str, positions: &BTreeMap<String, usize>) -> usize {
    let ends = key.match_indices(['.', '[']).map(|(end, _)| end);
    let around = ends.collect::<Vec<_>>().into_iter().rev().map(|end| &key[..end]);
    std::iter::once(key)
        .chain(around)
        .find_map(|key| positions.get(key))
        .copied()
        .unwrap_or(usize::MAX)
}

fn number_keys(map: &Map, path: &Path, positions: &mut BTreeMap<String, usize>) {
    for (key, value) in &map.0 {
        number(value, &path.key(key), positions);
    }
}

fn number(value: &YamlValue, path: &Path, positions: &mut BTreeMap<String, usize>) {
    let next = positions.len();
    positions.entry(path.to_string()).or_insert(next);
    match value {
        YamlValue::Map(map) => number_keys(map, path, positions),
        YamlValue::List(items) => {
            for (index, item) in items.iter().enumerate() {
                number(item, &path.index(index), positions);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_key_in_reference_is_cut() {
        let shown = |key| shown(key, Visibility::Lines);
        assert_eq!(
            shown("extraEnv[0].valueFrom.secretKeyRef.s3cret"),
            "extraEnv[0].valueFrom.secretKeyRef"
        );
        assert_eq!(shown("imagePullSecrets[0].s3cret.a"), "imagePullSecrets[0]");
        assert_eq!(shown("redis.auth.existingSecret"), "redis.auth.existingSecret");
        assert_eq!(shown("ingress.foo"), "ingress.foo");
    }
}
