//! Conflicts with other field managers: the fields, their managers, both values, and the fields
//! that the operator permits us to take.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use serde_json::Value;

use crate::model::credential::{REDACTED, holds_credential};
use crate::model::object_key::ObjectKey;

/// A field that another manager owns and that an apply would change.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Conflict {
    /// As the server spells it, such as `.spec.replicas`.
    pub field: String,
    pub manager: String,
    /// The subresource through which the manager wrote the field, such as `scale`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subresource: Option<String>,
    /// The live value; absent if it is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub theirs: Option<Value>,
    /// The value in the bundle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ours: Option<Value>,
}

impl Conflict {
    /// Parses the server's message about a field:
    /// `conflict with "kubectl" with subresource "scale" using apps/v1`.
    pub fn of(field: &str, message: &str) -> Self {
        let mut quoted = message.split('"').skip(1).step_by(2);
        let manager = quoted.next().unwrap_or(message).to_owned();
        let subresource = quoted.next().filter(|_| message.contains("\" with subresource \""));
        Self {
            field: field.to_owned(),
            manager,
            subresource: subresource.map(str::to_owned),
            theirs: None,
            ours: None,
        }
    }

    /// Stands for the fields beyond those that are listed. No permit covers it.
    pub fn more(number: usize) -> Self {
        Self::of(&format!("({number} more fields)"), "others")
    }

    /// Adds the values of both sides; redacts those of Secrets, and everything that looks like a
    /// credential.
    pub fn show(&mut self, kind: &str, live: Option<&Value>, wanted: &Value) {
        let shown = |object: &Value| {
            let value = value_at(object, &self.field)?;
            let is_hidden = kind == "Secret" || holds_credential(&value.to_string());
            Some(if is_hidden { REDACTED.into() } else { value.clone() })
        };
        (self.theirs, self.ours) = (live.and_then(shown), shown(wanted));
    }
}

/// A field that may be taken from its manager: `.spec.replicas`, or
/// `Deployment/relay:.spec.replicas`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permit {
    object: Option<String>,
    field: String,
}

/// The error for a text that names no field.
#[derive(Debug, thiserror::Error)]
#[error("a field starts with a dot, such as `.spec.replicas` or `Deployment/relay:.spec.replicas`")]
pub struct NoField;

impl FromStr for Permit {
    type Err = NoField;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with('.') {
            return Ok(Self { object: None, field: text.to_owned() });
        }
        let (object, field) = text.split_once(':').ok_or(NoField)?;
        let is_object =
            object.split('/').count() == 2 && object.split('/').all(|part| !part.is_empty());
        let permit = Self { object: Some(object.to_owned()), field: field.to_owned() };
        if is_object && field.starts_with('.') { Ok(permit) } else { Err(NoField) }
    }
}

impl fmt::Display for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.object {
            Some(object) => write!(f, "{object}:{}", self.field),
            None => f.write_str(&self.field),
        }
    }
}

impl Permit {
    /// Returns whether the permit covers this field of this object.
    pub fn covers(&self, key: &ObjectKey, field: &str) -> bool {
        self.field == field && self.object.as_ref().is_none_or(|object| *object == key.to_string())
    }
}

/// Returns the value at a path in the server's spelling:
/// `.spec.ports[port=80,protocol="TCP"].targetPort`.
fn value_at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    if path.is_empty() {
        return Some(value);
    }
    if let Some(path) = path.strip_prefix('.') {
        let ends = |rest: &str| rest.is_empty() || rest.starts_with(['.', '[']);
        let mut fields = value.as_object()?.iter();
        // A key may contain dots, so only the object itself shows where the key ends in the path.
        return fields.find_map(|(key, inner)| {
            let rest = path.strip_prefix(key.as_str()).filter(|rest| ends(rest))?;
            value_at(inner, rest)
        });
    }
    let (selector, rest) = brackets(path)?;
    let items = value.as_array()?;
    let item = match selector.as_slice() {
        [one] if !one.contains('=') => items.get(one.parse::<usize>().ok()?),
        pairs => items.iter().find(|item| pairs.iter().all(|pair| has(item, pair))),
    };
    value_at(item?, rest)
}

/// Returns whether a list element has the pair `key="value"`, or equals the value of `="value"`.
fn has(item: &Value, pair: &str) -> bool {
    let Some((key, wanted)) = pair.split_once('=') else { return false };
    let found = if key.is_empty() { Some(item) } else { item.get(key) };
    serde_json::from_str::<Value>(wanted).is_ok_and(|wanted| found == Some(&wanted))
}

/// Returns the comma-separated parts in the brackets at the beginning of a path, and the rest of
/// the path.
fn brackets(path: &str) -> Option<(Vec<&str>, &str)> {
    let path = path.strip_prefix('[')?;
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in path.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' | ']' if !quoted => {
                parts.push(&path[start..at]);
                start = at + 1;
                if c == ']' {
                    return Some((parts, &path[start..]));
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(kind: &str) -> ObjectKey {
        ObjectKey {
            api_version: "v1".into(),
            kind: kind.into(),
            namespace: "ns".into(),
            name: "relay".into(),
        }
    }

    #[test]
    fn manager_is_parsed_from_server_message() {
        let scale = r#"conflict with "kube-controller-manager" with subresource "scale" using apps/v1 at 2026-11-22T10:00:00Z"#;
        let found = Conflict::of(".spec.replicas", scale);
        assert_eq!(
            (found.manager.as_str(), found.subresource.as_deref()),
            ("kube-controller-manager", Some("scale"))
        );
        let found = Conflict::of(".spec.replicas", r#"conflict with "somebody": .spec.replicas"#);
        assert_eq!((found.manager.as_str(), found.subresource), ("somebody", None));
        assert_eq!(Conflict::of(".a", "another server's words").manager, "another server's words");
    }

    #[test]
    fn field_value_is_found_by_server_path_syntax() {
        let object = json!({"metadata": {"annotations": {"a.b/c": "x", "a": "y"}}, "spec": {
            "ports": [{"port": 80, "protocol": "UDP"}, {"port": 80, "protocol": "TCP", "targetPort": "http"}],
            "containers": [{"name": "a]\"b", "args": ["-v"]}], "finalizers": ["keep"]}});
        for (path, wanted) in [
            (".metadata.annotations.a.b/c", json!("x")),
            (".metadata.annotations.a", json!("y")),
            (r#".spec.ports[port=80,protocol="TCP"].targetPort"#, json!("http")),
            (r#".spec.containers[name="a]\"b"].args"#, json!(["-v"])),
            (r#".spec.finalizers[="keep"]"#, json!("keep")),
            (".spec.ports[0].protocol", json!("UDP")),
        ] {
            assert_eq!(value_at(&object, path), Some(&wanted), "{path}");
        }
        for path in [
            ".spec.replicas",
            ".spec.ports[port=81].targetPort",
            ".spec.ports[7]",
            ".spec.ports[",
            "x",
        ] {
            assert_eq!(value_at(&object, path), None, "{path}");
        }
    }

    #[test]
    fn both_sides_are_shown_but_secret_values_are_redacted() {
        let mut conflict = Conflict::of(".data.key", "");
        conflict.show(
            "ConfigMap",
            Some(&json!({"data": {"key": "theirs"}})),
            &json!({"data": {"key": "redis://u:pw123@h"}}),
        );
        assert_eq!(
            (conflict.theirs.as_ref(), conflict.ours.as_ref()),
            (Some(&json!("theirs")), Some(&json!(REDACTED)))
        );
        conflict.show("Secret", Some(&json!({"data": {"key": "dGhlaXJz"}})), &json!({"data": {}}));
        assert_eq!((conflict.theirs, conflict.ours), (Some(json!(REDACTED)), None));
    }

    #[test]
    fn leave_is_for_one_field_exactly_and_perhaps_of_one_object() {
        let any: Permit = ".spec.replicas".parse().unwrap();
        assert!(
            any.covers(&key("Deployment"), ".spec.replicas")
                && any.covers(&key("StatefulSet"), ".spec.replicas")
        );
        assert!(
            !any.covers(&key("Deployment"), ".spec.replicas.x")
                && !any.covers(&key("Deployment"), ".spec")
        );
        let one: Permit = "Deployment/relay:.spec.replicas".parse().unwrap();
        assert!(
            one.covers(&key("Deployment"), ".spec.replicas")
                && !one.covers(&key("StatefulSet"), ".spec.replicas")
        );
        assert_eq!(one.to_string(), "Deployment/relay:.spec.replicas");
        for wrong in [
            "",
            "spec.replicas",
            "Deployment/relay",
            "Deployment:.spec",
            "/x:.spec",
            "Deployment/x:spec",
        ] {
            assert!(wrong.parse::<Permit>().is_err(), "{wrong}");
        }
    }
}
