//! A profile to objects: pure functions, one kind a file. Every decision which objects there are is in [`render`].

mod config_map;
mod labels;
pub mod manifest_set;
pub mod yaml;

use manifest_set::ManifestSet;

use crate::profile::resolve::Profile;

/// Rises if, and only if, the same profile renders to other bytes than before.
pub const RENDER_ABI: u32 = 1;

/// Renders a profile.
pub fn render(profile: &Profile) -> ManifestSet {
    let _ = profile;
    ManifestSet::default()
}
