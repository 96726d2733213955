//! Kubernetes versions such as `1.29`.

use std::borrow::Cow;
use std::fmt;

use super::printable::escaped_start;

/// A minor version of Kubernetes 1.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize, serde::Serialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct KubeVersion(u8);

/// The text is not a supported Kubernetes version.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` is not a Kubernetes version from 1.19 to 1.37; write it as a string, such as \"1.29\""
)]
pub struct InvalidKubeVersion(String);

impl KubeVersion {
    /// The oldest supported version.
    pub const OLDEST: Self = Self(19);
    /// The newest version whose APIs are known.
    pub const NEWEST: Self = Self(37);

    /// Returns version `1.minor`, for comparisons in code.
    pub const fn minor(minor: u8) -> Self {
        Self(minor)
    }

    /// Returns whether this version is `1.minor` or newer.
    pub fn at_least(self, minor: u8) -> bool {
        self.0 >= minor
    }
}

impl TryFrom<String> for KubeVersion {
    type Error = InvalidKubeVersion;

    fn try_from(text: String) -> Result<Self, InvalidKubeVersion> {
        let minor = text
            .strip_prefix("1.")
            .filter(|minor| minor.len() == 2)
            .and_then(|minor| minor.parse().ok())
            .map(Self);
        let known = minor.filter(|version| (Self::OLDEST..=Self::NEWEST).contains(version));
        known.ok_or_else(|| InvalidKubeVersion(escaped_start(&text, 80)))
    }
}

impl From<KubeVersion> for String {
    fn from(version: KubeVersion) -> Self {
        version.to_string()
    }
}

impl fmt::Display for KubeVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}", self.0)
    }
}

impl schemars::JsonSchema for KubeVersion {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "KubernetesVersion".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^1\\.(19|2[0-9]|3[0-7])$",
            "$comment": "write a version from 1.19 to 1.37 as a string",
        })
    }
}
