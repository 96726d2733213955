//! `recipe.json`: every input, resolved; secrets as references. The same recipe gives the same bundle.
//!
//! With one exception: the literal secrets of a development profile are in its Secret and not in its recipe.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::model::digest::Digest;
use crate::model::text::Label;
use crate::profile::resolve::Profile;
use crate::profile::settings::Settings;
use crate::render::RENDER_ABI;

/// Returns the recipe of a profile.
pub fn recipe(profile: &Profile) -> Value {
    let sealed = profile.sealed.iter().map(|(file, bytes)| (file, Digest::of(bytes))).collect();
    let recipe = Recipe {
        format: 1,
        profile: &profile.name,
        render_abi: RENDER_ABI,
        sealed,
        set: &profile.sets,
        settings: &profile.settings,
    };
    let mut recipe = serde_json::to_value(recipe).expect("settings have string keys and write themselves");
    if let Some(settings) = recipe["settings"].as_object_mut() {
        // How layers were laid is not an input: what they came to is.
        settings.remove("extends");
    }
    recipe
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Recipe<'a> {
    format: u32,
    profile: &'a Label,
    render_abi: u32,
    sealed: BTreeMap<&'a String, Digest>,
    set: &'a [String],
    settings: &'a Settings,
}
