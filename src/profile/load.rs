//! Reads and checks a profile.

use std::collections::BTreeMap;

use super::diagnostic::Diagnostics;
use super::node::{Node, Path, PathChain};
use super::overlay::{self, ProfileFiles};
use super::resolve::{Names, Profile};
use super::settings::Settings;
use super::sources::Sources;
use super::unshown::UnshownTexts;
use super::{check, decode, locked};
use crate::model::text::Label;

/// The result of reading a profile.
pub struct Loaded {
    /// The profile; `None` if there are errors.
    pub profile: Option<Profile>,
    /// All findings, in the order of the text.
    pub diagnostics: Diagnostics,
    pub sources: Sources,
    /// All layers merged, with the origin of each value.
    pub tree: Node,
}

/// Reads profile `name` with its bases, lays `sets` on top, and checks the result.
pub fn load(name: &str, sets: &[String], files: &dyn ProfileFiles) -> Loaded {
    let mut diagnostics = Diagnostics::default();
    let layers = overlay::overlay(name, sets, files, &mut diagnostics);
    let (sources, mut tree) = (layers.sources, layers.merged);
    let unshown = UnshownTexts::new(&tree, &sources);
    let settings: Option<Settings> = decode::decode(&mut tree, layers.defaults, &mut diagnostics);
    let profile = settings.and_then(|settings| {
        report_missing(&tree, &settings, &mut diagnostics);
        let names = Names::of(&settings);
        let name = name.parse::<Label>().ok()?;
        let lock = locked::read(&name, files, &mut diagnostics);
        let mut profile =
            Profile { name, settings, names, sealed: BTreeMap::new(), sets: sets.to_vec(), lock };
        check::check(&mut profile, (&tree, &layers.absent), files, &mut diagnostics);
        check::modes::check(&tree, &sources, &mut diagnostics);
        Some(profile)
    });
    unshown.redact(&mut diagnostics);
    diagnostics.sort();
    let profile = profile.filter(|_| !diagnostics.has_errors());
    Loaded { profile, diagnostics, sources, tree }
}

/// Reports missing required keys of Kubernetes' types.
fn report_missing(tree: &Node, settings: &Settings, diagnostics: &mut Diagnostics) {
    let written =
        serde_json::to_value(settings).expect("settings have string keys and write themselves");
    for fragment in decode::FRAGMENTS {
        let path = Path::of(fragment);
        let written = fragment.split('.').try_fold(&written, |value, key| value.get(key));
        if let (Some(node), Some(written)) = (tree.get(&path), written) {
            decode::report_missing(node, written, PathChain::From(&path), diagnostics);
        }
    }
}
