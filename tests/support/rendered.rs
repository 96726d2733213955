//! Profiles in memory, and their rendered objects.

use relay_bundle::bundle::assemble::{Assembled, assemble};
use relay_bundle::profile::masking::Visibility;
use relay_bundle::profile::overlay::ProfileFiles;
use relay_bundle::profile::resolve::Profile;
use relay_bundle::profile::{self, Loaded};
use relay_bundle::render::manifest_set::ManifestSet;
use relay_bundle::render::render;

/// One profile as text.
struct Text<'a>(&'a str);

impl ProfileFiles for Text<'_> {
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

/// Loads the profile in `text`, with arguments of `--set` on top.
pub(crate) fn load(text: &str, sets: &[&str]) -> Loaded {
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    profile::load("test", &sets, &Text(text))
}

/// The objects of a profile, and their bundle.
pub(crate) struct Rendered {
    pub set: ManifestSet,
    pub bundle: Assembled,
}

impl Rendered {
    pub(crate) fn of(profile: &Profile) -> Self {
        let set = render(profile);
        let bundle = assemble(profile, &set).expect("what is rendered makes a bundle");
        Self { set, bundle }
    }
}
