//! Warnings about changes: what an operator may not expect.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::model::object_key::ObjectKey;

/// A warning, about one object or about the change as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    object: Option<(String, String)>,
    text: String,
}

impl Warning {
    /// Makes a warning about the object `name` of a kind.
    pub fn of(kind: &str, name: &str, text: impl Into<String>) -> Self {
        Self { object: Some((kind.to_owned(), name.to_owned())), text: text.into() }
    }

    /// Makes a warning about an object.
    pub fn about(key: &ObjectKey, text: impl Into<String>) -> Self {
        Self::of(&key.kind, &key.name, text)
    }

    /// Returns whether the warning is about this object.
    pub fn is_about(&self, key: &ObjectKey) -> bool {
        self.object.as_ref().is_some_and(|(kind, name)| (kind, name) == (&key.kind, &key.name))
    }
}

impl From<String> for Warning {
    /// Makes a warning about the change as a whole.
    fn from(text: String) -> Self {
        Self { object: None, text }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((kind, name)) = &self.object {
            write!(f, "{kind}/{name}: ")?;
        }
        f.write_str(&self.text)
    }
}

impl Serialize for Warning {
    /// Writes the text that people see.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
