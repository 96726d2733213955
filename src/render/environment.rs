//! Renders the relay's ConfigMap: each setting that reaches the relay as an environment variable,
//! once.

use super::config_map::ConfigMapContent;
use crate::profile::resolve::Profile;
use crate::profile::variables::VARIABLES;

/// Returns the ConfigMap of the relay's environment.
pub(super) fn content(profile: &Profile) -> ConfigMapContent {
    let set = VARIABLES
        .iter()
        .filter_map(|variable| Some((variable.name.to_owned(), variable.value(profile)?)));
    ConfigMapContent::of(&format!("{}-config", profile.names.full), set.collect())
}
