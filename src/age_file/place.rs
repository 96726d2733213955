//! The place of a sealed value in the cluster.

use std::fmt;
use std::str::FromStr;

use crate::model::text::{DataKey, Label, ObjectName};

/// A key of a Secret, written as `namespace/name/key`. None of the three contains `/` or a line
/// break.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SealedPlace {
    namespace: Label,
    name: ObjectName,
    key: DataKey,
}

/// The text is not a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a Secret key in the form `namespace/name/key`")]
pub struct InvalidPlace;

impl SealedPlace {
    /// The maximum length of a place as text.
    pub const BYTES_MAX: usize = Label::LEN_MAX + 1 + ObjectName::LEN_MAX + 1 + DataKey::LEN_MAX;

    /// Returns the place of a key in a Secret.
    ///
    /// # Errors
    ///
    /// Returns an error if Kubernetes would reject one of the three names.
    pub fn new(namespace: &str, name: &str, key: &str) -> Result<Self, InvalidPlace> {
        let place = Self {
            namespace: namespace.parse().map_err(|_| InvalidPlace)?,
            name: name.parse().map_err(|_| InvalidPlace)?,
            key: key.parse().map_err(|_| InvalidPlace)?,
        };
        // `ObjectName` allows the empty string, for names that a profile omits.
        if name.is_empty() { Err(InvalidPlace) } else { Ok(place) }
    }

    pub fn namespace(&self) -> &str {
        self.namespace.as_str()
    }

    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    pub fn key(&self) -> &str {
        self.key.as_str()
    }
}

impl FromStr for SealedPlace {
    type Err = InvalidPlace;

    fn from_str(text: &str) -> Result<Self, InvalidPlace> {
        match text.split('/').collect::<Vec<_>>()[..] {
            [namespace, name, key] => Self::new(namespace, name, key),
            _ => Err(InvalidPlace),
        }
    }
}

impl fmt::Display for SealedPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.namespace, self.name, self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_consists_of_three_kubernetes_names() {
        let good = "claude-relay/claude-relay-sealed/jwt-secret";
        assert_eq!(good.parse::<SealedPlace>().unwrap().to_string(), good);
        for bad in [
            "", "a/b", "a/b/c/d", "/b/c", "a//c", "a/b/", "A/b/c", "a/b/c\n", "a.b/c/d", "a/b/../c",
        ] {
            assert_eq!(bad.parse::<SealedPlace>(), Err(InvalidPlace), "{bad:?}");
        }
    }
}
