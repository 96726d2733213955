//! `recipe.json`: every input, resolved; secrets as references. The same recipe gives the same
//! bundle.
//!
//! With one exception: the literal secrets of a development profile are in its Secret and not in
//! its recipe.

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
/// A release that adds a key to the profile language writes it into `settings`, and older verifiers
/// still read the bundle. A new field of the envelope needs a new format.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Recipe {
    pub format: u32,
    /// The profile's name.
    pub profile: Label,
    /// Rises if the same settings render to other bytes.
    pub render_abi: u32,
    /// The digest of each encrypted file, by its path in the folder of profiles.
    pub sealed: BTreeMap<String, Digest>,
    /// The arguments `--set` that the bundle was built with.
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
            // The order of layers is not an input; the values that they resolve to are.
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
