//! The violations of an object, pod template or container, and how to find them.

use std::fmt;

use serde_json::Value;

/// A field that is not allowed, or not with this value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The field, as a path from its object, pod template or container.
    pub field: String,
    pub rule: Rule,
}

/// The rule that a field breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rule {
    #[error("is a field that no bundle may have")]
    Unknown,
    #[error("has a different type in Kubernetes")]
    Type,
    #[error("must be `true`")]
    True,
    #[error("must be `false`")]
    False,
    #[error("must not be 0")]
    Root,
    #[error("must contain `ALL`")]
    DropAll,
    #[error("must not be a node port")]
    HostPort,
    #[error("must not name a host")]
    Host,
    #[error("is outside Pod Security *restricted*")]
    Restricted,
    #[error("is not what this program renders here")]
    Value,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.field, self.rule)
    }
}

/// The violations of one object, pod template or container, in the order found.
#[derive(Default)]
pub(super) struct Violations(pub(super) Vec<Violation>);

impl Violations {
    pub(super) fn require(&mut self, holds: bool, field: &str, rule: Rule) {
        if !holds {
            self.0.push(Violation { field: field.to_owned(), rule });
        }
    }

    /// Reports every field of a map that is not in `allowed`. An absent map has no fields.
    pub(super) fn fields(&mut self, map: Option<&Value>, path: &str, allowed: &[&str]) {
        let Some(map) = map else { return };
        let Some(map) = map.as_object() else { return self.require(false, path, Rule::Type) };
        for field in map.keys().filter(|field| !allowed.contains(&field.as_str())) {
            self.require(false, &join(path, field), Rule::Unknown);
        }
    }

    /// Returns the items of a list, which is empty if absent.
    pub(super) fn items<'a>(&mut self, list: Option<&'a Value>, path: &str) -> &'a [Value] {
        match list {
            None => &[],
            Some(Value::Array(items)) => items,
            Some(_) => {
                self.require(false, path, Rule::Type);
                &[]
            }
        }
    }

    /// Returns a string, which is empty if absent.
    pub(super) fn text<'a>(&mut self, map: &'a Value, key: &str, path: &str) -> &'a str {
        match map.get(key) {
            None => "",
            Some(Value::String(text)) => text,
            Some(_) => {
                self.require(false, &join(path, key), Rule::Type);
                ""
            }
        }
    }
}

pub(super) fn join(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}
