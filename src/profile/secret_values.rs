//! Decides which values and unknown keys of a profile are or may be secrets.
//!
//! Everything is judged by what the schema expects in its place: a value of another type may be the
//! secret that belongs beside or below it.

use super::node::{Entry, Node, Path, Segment, Table, Value};
use super::secrets::{
    is_key, is_misfit_of_output, is_misnamed, is_name, is_reference, is_secret_path,
    is_unknown_property, may_be_part,
};
use super::{key_names, key_types, known_words};
use crate::model::credential::{
    is_login_option, may_assign_secret, may_hold_login, resembles_secret, sounds_secret,
};

/// Longer numbers may be a password without quotes.
const NUMBER_BYTES_MAX: usize = 5;

/// The most keys of a table in which each value is compared with the others. The values of a larger
/// one are hidden.
const PAIR_KEYS_MAX: usize = 32;

/// One step from the root of a tree to a value, with its sibling values.
#[derive(Clone, Copy)]
pub(super) enum TreeStep<'a> {
    Key(&'a Table, &'a str),
    Index(&'a [Node], usize),
}

/// Returns whether the value at `path` is or may be a secret.
pub(super) fn is_hidden(tree: &Node, path: &Path) -> bool {
    let mut steps = Vec::new();
    let mut node = tree;
    for segment in &path.0 {
        let (step, next) = match (segment, &node.value) {
            (Segment::Key(key), Value::Table(table)) => {
                let Some((key, Entry { node, .. })) = table.get_key_value(key) else { break };
                (TreeStep::Key(table, key), node)
            }
            (Segment::Index(index), Value::Array(items)) => {
                let Some(node) = items.get(*index) else { break };
                (TreeStep::Index(items, *index), node)
            }
            _ => break,
        };
        steps.push(step);
        node = next;
    }
    is_secret(node, &steps)
}

/// Returns whether a value is or may be a secret, judged by its key, an outer key, its siblings, its
/// own text or the type that the schema expects.
pub(super) fn is_secret(node: &Node, steps: &[TreeStep<'_>]) -> bool {
    let text = match &node.value {
        // A boolean reveals nothing; a number may be a password without quotes.
        Value::Bool(_) => return false,
        Value::Text(text) => text.as_str(),
        _ => "",
    };
    if may_assign_secret(text) || may_hold_login(text) {
        return true;
    }
    let path = path_of(steps);
    let is_taken = key_types::takes(&path, &node.value);
    if is_in_secret(text, steps) {
        return !(is_taken && is_reference(&path, &node.value));
    }
    let is_expected =
        is_taken && !is_misnamed(&path, &node.value) && !is_misfit_of_output(&path, &node.value);
    !is_expected && !is_harmless(&node.value)
}

/// Returns whether a value may be shown even if the schema does not expect it: it is a
/// small number, a switch or another word that a profile may have anywhere.
fn is_harmless(value: &Value) -> bool {
    const SWITCHES: [&str; 4] = ["yes", "no", "on", "off"];
    match value {
        Value::Integer(number) => is_small_number(&number.to_string()),
        Value::Float(text) => text.len() <= NUMBER_BYTES_MAX,
        Value::Text(text) => {
            let lower = text.to_ascii_lowercase();
            SWITCHES.contains(&lower.as_str())
                || is_small_number(text)
                || known_words::is_known(text)
                || known_words::is_known(&lower)
        }
        _ => false,
    }
}

/// Returns whether the value with this text stands in the place of a secret.
fn is_in_secret(text: &str, steps: &[TreeStep<'_>]) -> bool {
    let mut path = Path::default();
    let mut found = false;
    for step in steps {
        match *step {
            TreeStep::Index(items, index) => {
                // An argument may join an option's name and value without a separator.
                let is_option = is_argument(&path) && resembles_secret(text);
                found = found || is_option || follows_option(items, index);
                path = path.index(index);
            }
            TreeStep::Key(table, key) => {
                found = found || is_torn(path.0.last(), key) || is_unnamed(&path, table, key);
                path = path.key(key);
                found = found
                    || is_secret_path(&path)
                    || is_secret_key(&path, key)
                    || is_in_pair(table, key);
            }
        }
    }
    found
}

fn path_of(steps: &[TreeStep<'_>]) -> Path {
    let segment = |step: &TreeStep<'_>| match *step {
        TreeStep::Key(_, key) => Segment::Key(key.to_owned()),
        TreeStep::Index(_, index) => Segment::Index(index),
    };
    Path(steps.iter().map(segment).collect())
}

fn is_secret_key(path: &Path, key: &str) -> bool {
    if sounds_secret(key) {
        // Our own keys for secrets are recognised by their paths.
        return !is_name(path, key) && !is_key(path);
    }
    is_unknown_property(path) || !key_names::is_key_name(key) && resembles_secret(key)
}

/// Returns whether a dot splits the name of a secret, as in `adminPass.word`.
fn is_torn(before: Option<&Segment>, key: &str) -> bool {
    let Some(before) = before.and_then(Segment::as_key) else { return false };
    !key_names::is_key_name(before)
        && !key_names::is_key_name(key)
        && resembles_secret(&format!("{before}{key}"))
}

/// Returns whether `key` is the value of a pair such as `{ name = "LDAP_PASSWORD", value = "…" }`,
/// even if one of the two keys is misspelt.
fn is_in_pair(table: &Table, key: &str) -> bool {
    let names_secret = |(name, entry): (&String, &Entry)| match &entry.node.value {
        Value::Text(text) if name != key => {
            (name == "name" || !key_names::is_key_name(name)) && resembles_secret(text)
        }
        _ => false,
    };
    key != "name"
        && (key == "value" || key == "valueFrom" || !key_names::is_key_name(key))
        && (table.len() > PAIR_KEYS_MAX || table.iter().any(names_secret))
}

/// Returns whether `key` is the value of a pair whose name is missing or no name, as in
/// `{ n.ame = "LDAP_PASSWORD", value = "…" }`.
fn is_unnamed(path: &Path, table: &Table, key: &str) -> bool {
    let is_name = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    let has_name = || match table.get("name").map(|name| &name.node.value) {
        Some(Value::Text(text)) => is_name(text.as_str()),
        _ => false,
    };
    let takes_name = || key_types::takes(&path.key("name"), &Value::Text(String::new()));
    key == "value" && !has_name() && takes_name()
}

/// Returns whether `path` leads to a program's list of arguments.
fn is_argument(path: &Path) -> bool {
    matches!(path.0.last().and_then(Segment::as_key), Some("args" | "command"))
}

/// Returns whether an item is the value of the option before it: `["--password", "…"]`.
fn follows_option(items: &[Node], index: usize) -> bool {
    let before = index.checked_sub(1).and_then(|before| items.get(before)).map(|node| &node.value);
    let Some(Value::Text(option)) = before else { return false };
    let is_login = || match &items[index].value {
        Value::Text(text) => text.contains(':') && is_login_option(option),
        _ => false,
    };
    option.starts_with('-') && sounds_secret(option) || is_login()
}

/// Returns whether an unknown key may be a secret: it is inside one, or where the schema has no
/// table.
pub(super) fn is_hidden_key(key: &str, steps: &[TreeStep<'_>]) -> bool {
    let path = path_of(steps);
    may_be_part(&path.0, key) || is_in_secret("", steps) || !key_types::is_table(&path)
}

/// Returns whether a text has so few digits that it is hardly a password.
pub(super) fn is_small_number(text: &str) -> bool {
    text.len() <= NUMBER_BYTES_MAX && text.bytes().all(|byte| byte.is_ascii_digit())
}
