//! The key of an object in a cluster.

use std::fmt;

use super::kind::Kind;

/// An object's API version, kind, namespace and name. The sort order is arbitrary but fixed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectKey {
    pub api_version: String,
    pub kind: String,
    /// Empty for a cluster-scoped object.
    pub namespace: String,
    pub name: String,
}

impl ObjectKey {
    /// Returns the key of an object, in the stable version of its API. The namespace does not count
    /// for a cluster-scoped kind.
    pub fn of(kind: Kind, namespace: &str, name: &str) -> Self {
        let namespace = if kind.is_namespaced() { namespace } else { "" };
        Self {
            api_version: kind.api_version().to_owned(),
            kind: kind.name().to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    /// Like [`Self::of`], for the name of a kind; `None` if the kind is not supported.
    pub fn of_named(kind: &str, namespace: &str, name: &str) -> Option<Self> {
        Kind::named(kind).map(|kind| Self::of(kind, namespace, name))
    }

    /// Returns whether the object is of this kind.
    pub fn is(&self, kind: Kind) -> bool {
        self.kind == kind.name()
    }

    /// Returns the kind, if it is supported.
    pub fn known_kind(&self) -> Option<Kind> {
        Kind::named(&self.kind)
    }

    /// Returns the identity of the object in any version of its API: kind, namespace and name.
    pub fn identity(&self) -> (&str, &str, &str) {
        (&self.kind, &self.namespace, &self.name)
    }
}

/// Returns whether a text looks like the uid of an object, so that it is safe to print.
pub fn is_uid(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}
