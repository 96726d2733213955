//! Finds fields that the server dropped silently: an older server does not know them, or has their
//! feature gate switched off.

use serde_json::Value;

use crate::diff::path::{FieldPath, PathStep};

/// Write-only fields: the server returns them under another name.
const WRITE_ONLY: [&str; 1] = ["stringData"];

/// Returns the fields that were sent and are missing in the answer, except empty ones, which a
/// server may omit.
pub fn dropped(sent: &Value, answer: &Value) -> Vec<FieldPath> {
    let mut found = Vec::new();
    compare(&FieldPath::default(), sent, Some(answer), &mut found);
    found
}

fn compare(path: &FieldPath, sent: &Value, answer: Option<&Value>, found: &mut Vec<FieldPath>) {
    let Some(answer) = answer.filter(|answer| !answer.is_null()) else {
        if !is_empty(sent) {
            found.push(path.clone());
        }
        return;
    };
    match (sent, answer) {
        (Value::Object(sent), Value::Object(answer)) => {
            for (key, sent) in sent {
                if !(path.0.is_empty() && WRITE_ONLY.contains(&key.as_str())) {
                    compare(&path.key(key), sent, answer.get(key), found);
                }
            }
        }
        (Value::Array(sent), Value::Array(answer)) => {
            for (at, item) in sent.iter().enumerate() {
                let (step, answer) = counterpart(at, item, answer);
                compare(&path.then(step), item, answer, found);
            }
        }
        // A different spelling of the same value, such as a quantity.
        _ => {}
    }
}

/// Returns the corresponding element of the answer, by its name if it has one: an admission webhook
/// may have inserted others.
fn counterpart<'a>(at: usize, item: &Value, answer: &'a [Value]) -> (PathStep, Option<&'a Value>) {
    match item.get("name").and_then(Value::as_str) {
        Some(name) => {
            let same =
                answer.iter().find(|other| other.get("name").and_then(Value::as_str) == Some(name));
            (PathStep::Item(name.to_owned()), same)
        }
        None if item.is_object() => (PathStep::Index(at), answer.get(at)),
        None => (
            PathStep::Index(at),
            answer.iter().find(|other| *other == item).or_else(|| answer.get(at)),
        ),
    }
}

/// Returns whether a value is equivalent to an absent one.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_empty),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_fields_missing_from_answer_are_reported_as_dropped() {
        let sent = json!({"spec": {"containers": [{"name": "b", "cpu": "0.5", "new": 1, "mounts": [{"path": "/a", "new": "x"}]}],
            "old": true, "off": false, "none": [], "args": ["x"]}, "stringData": {"a": "b"}});
        let answer = json!({"spec": {"containers": [{"name": "a"}, {"name": "b", "cpu": "500m", "mounts": [{"path": "/a"}]}],
            "old": true, "added": 1, "args": ["w", "x"]}, "data": {"a": "Yg=="}});

        let found: Vec<String> = dropped(&sent, &answer).iter().map(ToString::to_string).collect();

        assert_eq!(found, ["spec.containers[b].mounts[0].new", "spec.containers[b].new"]);
        assert_eq!(dropped(&sent, &sent), []);
        assert_eq!(dropped(&json!({"list": [{"name": "a"}]}), &json!({"list": []})).len(), 1);
    }
}
