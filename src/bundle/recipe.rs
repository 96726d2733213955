//! `recipe.json`: every input, resolved; secrets as references. The same recipe gives the same bundle.
//!
//! With one exception: the literal secrets of a development profile are in its Secret and not in its recipe.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::model::digest::Digest;
use crate::profile::resolve::Profile;
use crate::render::RENDER_ABI;

/// Returns the recipe of a profile.
pub fn recipe(profile: &Profile) -> Value {
    let mut settings =
        serde_json::to_value(&profile.settings).expect("settings have string keys and write themselves");
    if let Some(fields) = settings.as_object_mut() {
        // How layers were laid is not an input: what they came to is.
        fields.remove("extends");
    }
    let sealed: BTreeMap<&String, Digest> =
        profile.sealed.iter().map(|(file, bytes)| (file, Digest::of(bytes))).collect();
    json!({
        "format": 1,
        "profile": profile.name,
        "renderAbi": RENDER_ABI,
        "sealed": sealed,
        "set": profile.sets,
        "settings": settings,
    })
}
