//! Checks rules between keys, and rules of values that their types do not enforce. `codes.md`
//! explains the code of each finding.
//!
//! Each file covers one area. A rule reads typed settings, and reports the problem, its place and
//! the key to change.

mod containers;
mod environment;
mod images;
mod ingress;
mod labels;
mod logs;
mod memory;
mod metrics;
pub(super) mod modes;
mod naming;
mod network;
mod pod_security;
mod redis;
mod relay;
mod resources;
mod scaling;
mod scheduling;
mod sealed;
mod secrets;
mod storage;
mod text;
mod versions;
mod volumes;

use std::collections::BTreeSet;

use super::defaults::DEFAULT_SOURCE;
use super::diagnostic::{Diagnostic, Diagnostics};
use super::node::{Node, Path, Segment};
use super::overlay::ProfileFiles;
use super::resolve::Profile;
use super::settings::Settings;

/// Checks a typed profile, and reads the encrypted files that it names.
pub fn check(
    profile: &mut Profile,
    (tree, absent): (&Node, &BTreeSet<Path>),
    files: &dyn ProfileFiles,
    diagnostics: &mut Diagnostics,
) {
    // If a text could not be read, a default may stand in for a written value, so defaults produce
    // no findings.
    let is_whole =
        !diagnostics.iter().any(|finding| ["RB0001", "RB0007", "RB0008"].contains(&finding.code));
    let broken = diagnostics.iter().filter(|finding| LANGUAGE.contains(&finding.code));
    let broken = broken.filter_map(|finding| innermost_item(finding.path.as_ref()?)).collect();
    let refused = diagnostics.iter().filter(|finding| REFUSED.contains(&finding.code));
    let refused = refused.filter_map(|finding| finding.path.clone()).collect();
    let mut report = Report { tree, absent, is_whole, broken, refused, diagnostics };
    // This check comes first: it turns the plain credentials of a development profile into secrets.
    logs::check(&mut profile.settings, &mut report);
    sealed::read(profile, files, &mut report);
    secrets::check(profile, &mut report);
    naming::check(profile, &mut report);
    images::check(profile, &mut report);

    let settings = &profile.settings;
    let rules: [fn(&Settings, &mut Report<'_>); 17] = [
        text::check,
        versions::check,
        labels::check,
        resources::check,
        scheduling::check,
        environment::check,
        volumes::check,
        containers::check,
        pod_security::check,
        relay::check,
        memory::check,
        redis::check,
        scaling::check,
        storage::check,
        network::check,
        ingress::check,
        metrics::check,
    ];
    for rule in rules {
        rule(settings, &mut report);
    }
}

/// The codes of unknown and missing keys, and of invalid values.
const LANGUAGE: [&str; 4] = ["RB0002", "RB0003", "RB0004", "RB0005"];

/// The codes of rejected values, which are replaced by a default or left out.
const REFUSED: [&str; 2] = ["RB0003", "RB0004"];

/// Returns the path of the innermost item of an array that `path` leads into.
fn innermost_item(path: &Path) -> Option<Path> {
    let last = path.0.iter().rposition(|segment| matches!(segment, Segment::Index(_)))?;
    Some(Path(path.0[..=last].to_vec()))
}

/// Returns whether the value at `path` differs from the written one because `refused` was removed.
///
/// That holds for the rejected value itself, for values inside it, and for the array that it was an
/// item of.
fn stands_in(path: &Path, refused: &Path) -> bool {
    let is_item_of = || {
        refused.starts_with(path) && matches!(refused.0.get(path.0.len()), Some(Segment::Index(_)))
    };
    path.starts_with(refused) || is_item_of()
}

/// Collects findings, each at the origin of its key.
struct Report<'a> {
    tree: &'a Node,
    /// The keys that a word takes away.
    absent: &'a BTreeSet<Path>,
    /// Whether every text was read to its end.
    is_whole: bool,
    /// Items of arrays with a key that could not be read: that key may stand for one that the item
    /// lacks.
    broken: BTreeSet<Path>,
    /// The paths of rejected values.
    refused: BTreeSet<Path>,
    diagnostics: &'a mut Diagnostics,
}

impl Report<'_> {
    fn error(
        &mut self,
        code: &'static str,
        path: impl Into<Path>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Diagnostic::error(code, message), &path.into(), help);
    }

    fn warning(
        &mut self,
        code: &'static str,
        path: impl Into<Path>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Diagnostic::warning(code, message), &path.into(), help);
    }

    fn push(&mut self, mut diagnostic: Diagnostic, path: &Path, help: impl Into<String>) {
        // A default has no line to underline, so the message names the key.
        diagnostic.message = format!("`{path}`: {}", diagnostic.message);
        if innermost_item(path).is_some_and(|item| self.broken.contains(&item)) {
            return;
        }
        if self.refused.iter().any(|refused| stands_in(path, refused)) {
            return;
        }
        let origin = self.tree.nearest_origin(path);
        if origin.source == DEFAULT_SOURCE && !self.is_whole {
            return;
        }
        self.diagnostics.push(diagnostic.at(origin).on(path).help(help));
    }

    /// Returns whether the profile takes this key away.
    fn is_absent(&self, path: &Path) -> bool {
        self.absent.contains(path)
    }

    /// Returns whether a file or an argument sets this key, not only the defaults.
    fn is_written(&self, path: &str) -> bool {
        self.tree.get(&Path::of(path)).is_some_and(|node| node.origin.source != DEFAULT_SOURCE)
    }
}

impl Settings {
    /// Returns whether the environment is `dev`, which relaxes the rules.
    fn is_dev(&self) -> bool {
        self.release.environment.as_str() == "dev"
    }
}
