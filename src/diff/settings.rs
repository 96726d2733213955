//! Finds the changed settings in two recipes.

use serde_json::{Map, Value, json};

use super::fields::{FieldChange, compare, hide_credentials};
use crate::bundle::recipe::Recipe;
use crate::model::credential::{REDACTED, sounds_secret};

/// Returns the settings that differ, by key path.
pub(super) fn changes(old: &Recipe, new: &Recipe) -> Vec<FieldChange> {
    hidden(compare(&shown(&old.settings), &shown(&new.settings)))
}

/// Returns the differences in the rest of the recipes: the profile's name, `renderAbi`, `set`,
/// sealed files.
pub(super) fn recipe_changes(old: &Recipe, new: &Recipe) -> Vec<FieldChange> {
    hidden(compare(&without_settings(old), &without_settings(new)))
}

fn hidden(mut changes: Vec<FieldChange>) -> Vec<FieldChange> {
    changes.iter_mut().for_each(hide_credentials);
    changes
}

/// Returns an argument of `--set`, with its value redacted if that mentions a credential:
/// `extraEnv=[{name="MY_TOKEN",value="…"}]`.
fn argument(set: &str) -> String {
    match set.split_once('=').filter(|(_, value)| sounds_secret(value)) {
        Some((path, _)) => format!("{path}={REDACTED}"),
        None => set.to_owned(),
    }
}

fn without_settings(recipe: &Recipe) -> Value {
    let Recipe { format, profile, render_abi, sealed, set, settings: _ } = recipe;
    let set: Vec<String> = set.iter().map(|set| argument(set)).collect();
    json!({"format": format, "profile": profile, "renderAbi": render_abi, "sealed": sealed, "set": set})
}

/// Returns the settings with each secret as one text, so that another form of it is one change.
fn shown(settings: &Value) -> Value {
    match settings {
        Value::Object(fields) => match secret(fields) {
            Some(reference) => reference.into(),
            None => fields.iter().map(|(key, value)| (key.clone(), shown(value))).collect(),
        },
        Value::Array(items) => items.iter().map(shown).collect(),
        other => other.clone(),
    }
}

/// Returns a secret's reference in words, if the table is a secret.
fn secret(fields: &Map<String, Value>) -> Option<String> {
    let (form, detail) = fields.iter().next().filter(|_| fields.len() == 1)?;
    let number = |key: &str| detail.get(key).and_then(Value::as_i64);
    let text = |key: &str| detail.get(key).and_then(Value::as_str);
    match form.as_str() {
        "generate" => {
            let (length, generation) = (number("length")?, number("generation")?);
            Some(format!("generated, {length} characters, generation {generation}"))
        }
        "existing" => {
            let (name, key, revision) = (text("name")?, text("key")?, number("revision")?);
            Some(format!("existing Secret {name}, key {key}, revision {revision}"))
        }
        "age" => Some(format!("sealed in {}", detail.as_str()?)),
        "literal" => Some(format!("written out, revision {}", number("revision")?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_that_changes_form_is_one_change() {
        let recipe = |secret: Value| Recipe {
            format: 1,
            profile: "web".parse().unwrap(),
            render_abi: 1,
            sealed: [].into(),
            set: Vec::new(),
            settings: json!({"config": {"jwtSecret": secret}}),
        };
        let old = recipe(json!({"generate": {"length": 32, "generation": 1}}));
        let new = recipe(json!({"existing": {"name": "own", "key": "jwt", "revision": 2}}));

        let found = changes(&old, &new);

        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path.to_string(), "config.jwtSecret");
        assert_eq!(found[0].old, Some(json!("generated, 32 characters, generation 1")));
        assert_eq!(found[0].new, Some(json!("existing Secret own, key jwt, revision 2")));
        assert_eq!(recipe_changes(&old, &new), []);
    }
}
