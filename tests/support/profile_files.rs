//! Profiles in memory, by name.

use std::collections::BTreeMap;

use relay_bundle::profile::masking::Visibility;
use relay_bundle::profile::overlay::ProfileFiles;

/// Profiles in memory.
pub(crate) struct Files(pub(crate) BTreeMap<&'static str, &'static str>);

impl ProfileFiles for Files {
    fn profile(&self, name: &str) -> Result<(String, Vec<u8>), String> {
        let text = self.0.get(name).ok_or_else(|| format!("profile `{name}` does not exist"))?;
        Ok((format!("profiles/{name}.toml"), text.as_bytes().to_vec()))
    }

    fn visibility(&self, _: &str) -> Visibility {
        Visibility::Lines
    }

    fn file(&self, path: &str) -> Result<Vec<u8>, String> {
        Err(format!("file `{path}` does not exist"))
    }

    fn names(&self) -> Vec<String> {
        self.0.keys().map(ToString::to_string).collect()
    }
}
