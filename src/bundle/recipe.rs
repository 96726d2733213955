//! `recipe.json`: every input, resolved; secrets as references. The same recipe yields the same
//! bundle.
//!
//! One exception: the literal secrets of a development profile are in its Secret but not in its
//! recipe.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::digest::Digest;
use crate::model::text::Label;
use crate::profile::resolve::Profile;
use crate::render::RENDER_ABI;

/// The version of the recipe format.
pub const FORMAT: u32 = 1;

/// The recipe of a bundle: a closed envelope around open settings.
///
/// A new key of the profile language goes into `settings`, so older verifiers can still read the
/// bundle. A new field of the envelope requires a new format.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Recipe {
    pub format: u32,
    /// The profile name.
    pub profile: Label,
    /// Rises when the same settings render to different bytes.
    pub render_abi: u32,
    /// The digest of each encrypted file, by path in the profiles folder.
    pub sealed: BTreeMap<String, Digest>,
    /// The `--set` arguments of the build.
    pub set: Vec<String>,
    /// All keys of the profile language with their values.
    pub settings: Value,
}

impl Recipe {
    /// Returns the recipe of a profile.
    pub fn of(profile: &Profile) -> Self {
        let sealed = profile.sealed.iter().map(|(file, bytes)| (file.clone(), Digest::of(bytes)));
        let mut settings = serde_json::to_value(&profile.settings)
            .expect("settings have string keys and write themselves");
        if let Some(settings) = settings.as_object_mut() {
            // The order of the layers is not an input; the values that result from them are.
            settings.remove("extends");
        }
        Self {
            format: FORMAT,
            profile: profile.name.clone(),
            render_abi: RENDER_ABI,
            sealed: sealed.collect(),
            set: profile.sets.clone(),
            settings,
        }
    }
}
