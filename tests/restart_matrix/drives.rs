//! Derives the fields that each key drives: those that differ once a row has changed its key.

use std::collections::{BTreeMap, BTreeSet};

use relay_bundle::fluent_bit::env_name;
use relay_bundle::profile::reserved::ANNOTATION_PREFIXES;
use relay_bundle::profile::resolve::{Names, Profile};
use relay_bundle::render::manifest_set::{Manifest, ManifestSet};
use serde_json::Value;

use crate::rows::Row;

/// The arrays whose elements are known by their names.
const NAMED: [&str; 5] = ["containers", "env", "initContainers", "ports", "volumes"];

/// The objects that a row changes, with names that do not depend on the release.
pub(crate) struct Objects(BTreeMap<String, Value>);

impl Objects {
    pub(crate) fn of(profile: &Profile, set: &ManifestSet) -> Self {
        let entry = |manifest: &Manifest| {
            let name = match manifest.key.kind.as_str() {
                "Namespace" => "<namespace>".to_owned(),
                _ => general_name(&manifest.key.name, &profile.names),
            };
            let mut object = manifest.object.clone();
            generalise(&mut object, &profile.names);
            object["metadata"]["name"] = without_hash(&manifest.key.name).into();
            (format!("{} {name}", manifest.key.kind), object)
        };
        Self(set.iter().map(entry).collect())
    }

    /// Returns the objects and fields that differ, as `Deployment <fullname>: spec.replicas`.
    pub(crate) fn differences(&self, new: &Self, row: &Row) -> BTreeSet<String> {
        let words = words(row);
        let mut lines = BTreeSet::new();
        let mut fields: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for label in self.0.keys().chain(new.0.keys()) {
            match (self.0.get(label), new.0.get(label)) {
                (Some(old), Some(new)) => {
                    let mut paths = BTreeSet::new();
                    compare("", (old, new), &words, &mut paths);
                    for path in summarised(&paths) {
                        fields.entry(path).or_default().insert(label);
                    }
                }
                // An object with a name of the profile's own is a renamed one.
                _ if label.contains('<') => _ = lines.insert(label.clone()),
                _ => {}
            }
        }
        for (path, labels) in fields {
            lines.extend(self.summary(labels).iter().map(|objects| format!("{objects}: {path}")));
        }
        lines
    }

    /// Replaces the labels of all objects, or all of a component, by one name for them.
    fn summary<'a>(&self, mut labels: BTreeSet<&'a str>) -> BTreeSet<&'a str> {
        let groups = [
            ("every object", "<"),
            ("every object of the relay", " <fullname>"),
            ("every object of Redis", " <redis>"),
        ];
        for (group, mark) in groups {
            let members: BTreeSet<&str> =
                self.0.keys().map(String::as_str).filter(|label| label.contains(mark)).collect();
            if members.len() > 1 && members.is_subset(&labels) {
                labels.retain(|label| !members.contains(label));
                labels.insert(group);
            }
        }
        labels
    }
}

/// Returns the lines without those inside another one.
pub(crate) fn outermost(lines: &BTreeSet<String>) -> Vec<&str> {
    let is_inside = |line: &&String| {
        lines
            .iter()
            .filter_map(|outer| line.strip_prefix(outer))
            .any(|rest| rest.starts_with(['.', '[']))
    };
    lines.iter().filter(|line| !is_inside(line)).map(String::as_str).collect()
}

/// Returns the paths as people write them; more than three annotations are one path.
fn summarised(paths: &BTreeSet<String>) -> BTreeSet<String> {
    let annotations =
        |path: &str| Some(format!("{}annotations", path.split_once("annotations.")?.0));
    let count = |wanted: &str| paths.iter().filter(|path| path.starts_with(wanted)).count();
    let summary = |path: &String| {
        let table = annotations(path).filter(|table| count(table) > 3);
        table.unwrap_or_else(|| path.trim_end_matches("[]").to_owned())
    };
    paths.iter().map(summary).collect()
}

/// Returns `<fullname>-config-<hash>` for `relay-claude-relay-config-0123456789`.
fn general_name(name: &str, names: &Names) -> String {
    let hash = if without_hash(name) == name { "" } else { "-<hash>" };
    let general = [(&names.full, "<fullname>"), (&names.redis, "<redis>")].into_iter();
    let mut general = general.filter_map(|(known, mark)| {
        let rest = without_hash(name).strip_prefix(known.as_str())?;
        (rest.is_empty() || rest.starts_with('-')).then(|| format!("{mark}{rest}{hash}"))
    });
    general.next().unwrap_or_else(|| name.to_owned())
}

fn without_hash(name: &str) -> &str {
    match name.rsplit_once('-') {
        Some((rest, hash)) if hash.len() == 10 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => {
            rest
        }
        _ => name,
    }
}

/// Replaces the names of objects, and removes the checksums of their content.
fn generalise(value: &mut Value, names: &Names) {
    match value {
        Value::String(text) => *text = general_name(text, names),
        Value::Array(items) => items.iter_mut().for_each(|item| generalise(item, names)),
        Value::Object(fields) => {
            let is_checksum =
                |key: &str| ANNOTATION_PREFIXES.iter().any(|own| key.starts_with(own));
            fields.retain(|key, _| !is_checksum(key));
            fields.values_mut().for_each(|field| generalise(field, names));
        }
        _ => {}
    }
}

/// Returns the words of a row that the profile's author chooses: texts, the keys in the value, and
/// the variables of Fluent Bit that they give.
fn words(row: &Row) -> BTreeSet<String> {
    fn collect(value: &toml::Value, words: &mut BTreeSet<String>) {
        match value {
            toml::Value::String(text) => _ = words.insert(text.clone()),
            toml::Value::Array(items) => items.iter().for_each(|item| collect(item, words)),
            toml::Value::Table(table) => {
                words.extend(table.keys().flat_map(|key| [key.clone(), env_name(key, None)]));
                table.values().for_each(|item| collect(item, words));
            }
            _ => {}
        }
    }
    let change: toml::Value = toml::from_str(row.change).expect("a row is TOML");
    let value = row.key.split('.').try_fold(&change, |table, key| table.get(key));
    let mut words = BTreeSet::new();
    if let Some(value) = value {
        collect(value, &mut words);
    }
    words
}

/// Collects the paths of the fields that differ; a path ends before a word of the row.
fn compare(
    path: &str,
    (old, new): (&Value, &Value),
    words: &BTreeSet<String>,
    paths: &mut BTreeSet<String>,
) {
    if old == new {
        return;
    }
    if let (Value::Array(old), Value::Array(new)) = (old, new)
        && !is_named(path)
        && old.len() == new.len()
    {
        for pair in old.iter().zip(new) {
            compare(&format!("{path}[]"), pair, words, paths);
        }
        return;
    }
    let (Some(old), Some(new)) = (fields(path, old), fields(path, new)) else {
        paths.insert(path.to_owned());
        return;
    };
    for step in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        if words.contains(step.trim_matches(['.', '[', ']'])) {
            if old.get(step) != new.get(step) {
                paths.insert(path.to_owned());
            }
            continue;
        }
        let absent = &Value::Null;
        let pair = (*old.get(step).unwrap_or(&absent), *new.get(step).unwrap_or(&absent));
        let inner = format!("{path}{step}");
        compare(inner.trim_start_matches('.'), pair, words, paths);
    }
}

fn is_named(path: &str) -> bool {
    NAMED.contains(&path.rsplit('.').next().unwrap_or(path))
}

/// Returns the values in a table or a named array by their steps, `.key` or `[name]`.
fn fields<'a>(path: &str, value: &'a Value) -> Option<BTreeMap<String, &'a Value>> {
    match value {
        Value::Object(fields) => {
            Some(fields.iter().map(|(key, value)| (format!(".{key}"), value)).collect())
        }
        Value::Array(items) if is_named(path) => {
            let step =
                |item: &'a Value| (format!("[{}]", item["name"].as_str().unwrap_or("")), item);
            Some(items.iter().map(step).collect())
        }
        _ => None,
    }
}
