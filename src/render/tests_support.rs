//! Profiles for the renderers' tests.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::profile;
use crate::profile::masking::Visibility;
use crate::profile::overlay::ProfileFiles;
use crate::profile::resolve::Profile;

/// A single profile in memory.
struct ProfileText<'a>(&'a str);

impl ProfileFiles for ProfileText<'_> {
    fn profile(&self, name: &str) -> Result<(String, Vec<u8>), String> {
        Ok((format!("profiles/{name}.toml"), self.0.as_bytes().to_vec()))
    }

    fn visibility(&self, _: &str) -> Visibility {
        Visibility::Lines
    }

    fn file(&self, path: &str) -> Result<Vec<u8>, String> {
        Err(format!("file `{path}` does not exist"))
    }

    fn names(&self) -> Vec<String> {
        vec!["test".into()]
    }
}

/// Returns the profile that `text` describes.
pub(super) fn profile(text: &str) -> Profile {
    let loaded = profile::load("test", &[], &ProfileText(text));
    let findings: Vec<String> =
        loaded.diagnostics.iter().map(|finding| finding.message.clone()).collect();
    loaded.profile.unwrap_or_else(|| panic!("the profile has errors: {findings:#?}"))
}

/// Returns an object as the API server reads it.
pub(super) fn json(object: &impl Serialize) -> Value {
    serde_json::to_value(object).unwrap()
}

/// Returns the labels of an object.
pub(super) fn labels(object: &Value) -> BTreeMap<String, String> {
    serde_json::from_value(object["metadata"]["labels"].clone()).unwrap()
}

/// Returns whether a selector's labels are all among those of an object.
pub(super) fn selects(selector: &Value, object: &Value) -> bool {
    let labels = labels(object);
    let selector = selector.as_object().unwrap();
    !selector.is_empty()
        && selector.iter().all(|(key, value)| labels.get(key).map(String::as_str) == value.as_str())
}
