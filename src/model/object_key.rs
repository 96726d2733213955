//! What names an object in a cluster.

use std::fmt;

/// An object's kind, namespace and name; its order has no meaning but is fixed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectKey {
    pub api_version: String,
    pub kind: String,
    /// Empty for an object of the cluster.
    pub namespace: String,
    pub name: String,
}

impl ObjectKey {
    /// Returns what names the object in whichever version of its API it is asked for: kind,
    /// namespace and name.
    pub fn identity(&self) -> (&str, &str, &str) {
        (&self.kind, &self.namespace, &self.name)
    }
}

/// Returns whether a text looks like the uid of an object: it is shown to people.
pub fn is_uid(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}
