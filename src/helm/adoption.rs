//! The release that an adoption takes over, and the fate of each of its objects.

use serde::Serialize;
use serde_json::{Value, json};

use super::disposition::{AdoptedObject, Fate};

/// The release.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HelmPart {
    pub release: String,
    #[serde(skip)]
    pub namespace: String,
    /// Absent if Helm has no record of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// Whether the archived records show that it was adopted before.
    #[serde(skip)]
    pub is_archived: bool,
    pub objects: Vec<AdoptedObject>,
    /// The revision whose keys the relay runs with, according to the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_from_revision: Option<u64>,
    /// Keys that the bundle expects in other Secrets than the chart did.
    pub carried: Vec<String>,
    /// The version of the Secret that the values come from; none if nothing is carried.
    #[serde(skip)]
    pub source: Option<String>,
    /// Secrets that now hold Helm's records; empty in a plan.
    pub archived: Vec<String>,
}

impl HelmPart {
    /// Returns the objects with data that are deleted and recreated.
    pub fn cleared(&self) -> impl Iterator<Item = &AdoptedObject> {
        self.objects.iter().filter(|handed| matches!(handed.fate, Fate::Recreate | Fate::Replace))
    }

    /// Returns the part of the plan hash that covers the release. It has no secret values, but the
    /// version of the Secret that holds them.
    pub fn approved(&self) -> Value {
        json!({
            "release": self.release,
            "revision": self.revision,
            "objects": self.objects,
            "keyFromRevision": self.key_from_revision,
            "carried": self.carried,
            "source": self.source,
        })
    }
}
