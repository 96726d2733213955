//! The path of a field, as text: `spec.template.spec.containers[claude-relay].image`.

use std::fmt;

use serde::{Serialize, Serializer};

/// One step from a value into it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathStep {
    /// A field of an object.
    Key(String),
    /// An element of a list, by its index.
    Index(usize),
    /// An element of a list, by its name; its index does not matter.
    Item(String),
}

/// The steps from an object to one of its fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldPath(pub Vec<PathStep>);

impl FieldPath {
    /// Returns the path extended by one step.
    #[must_use]
    pub fn then(&self, step: PathStep) -> Self {
        Self(self.0.iter().cloned().chain([step]).collect())
    }

    /// Returns the path extended by the field `key`.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.then(PathStep::Key(key.to_owned()))
    }

    /// Returns whether the path begins with these keys.
    pub fn starts_with(&self, keys: &[&str]) -> bool {
        let is_key =
            |(step, key): (&PathStep, &&str)| matches!(step, PathStep::Key(found) if found == key);
        self.0.len() >= keys.len() && self.0.iter().zip(keys).all(is_key)
    }

    /// Returns the last step if it is a key.
    pub fn last_key(&self) -> Option<&str> {
        match self.0.last() {
            Some(PathStep::Key(key)) => Some(key),
            _ => None,
        }
    }
}

/// Returns whether a key needs no quotes.
fn is_plain(key: &str) -> bool {
    !key.is_empty()
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// Returns whether a key needs no quotes at the beginning of a path, where it is never ambiguous:
/// `Secret/relay-tls`.
fn is_plain_first(key: &str) -> bool {
    key.split(['/', '.']).all(is_plain)
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                PathStep::Key(key) if at == 0 && is_plain_first(key) => f.write_str(key)?,
                PathStep::Key(key) if at > 0 && is_plain(key) => write!(f, ".{key}")?,
                PathStep::Key(key) => write!(f, "[{key:?}]")?,
                PathStep::Index(index) => write!(f, "[{index}]")?,
                PathStep::Item(name) if is_plain(name) => write!(f, "[{name}]")?,
                PathStep::Item(name) => write!(f, "[{name:?}]")?,
            }
        }
        Ok(())
    }
}

impl Serialize for FieldPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_is_displayed_like_field_it_names() {
        let annotation =
            FieldPath::default().key("metadata").key("annotations").key("checksum/config");
        assert_eq!(annotation.to_string(), r#"metadata.annotations["checksum/config"]"#);
        let image = FieldPath::default()
            .key("containers")
            .then(PathStep::Item("relay".into()))
            .key("image");
        assert_eq!(image.to_string(), "containers[relay].image");
        assert_eq!(FieldPath::default().key("Secret/relay.tls").to_string(), "Secret/relay.tls");
        assert_eq!(
            FieldPath::default().key("args").then(PathStep::Index(2)).to_string(),
            "args[2]"
        );
        assert_eq!(FieldPath::default().key("\u{1b}[31m").to_string(), r#"["\u{1b}[31m"]"#);
    }
}
