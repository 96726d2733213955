//! Compares the files of a bundle with those of a build of the source tree.

use serde::Serialize;

use crate::bundle::sums::Sums;

/// The comparison of the bundle with a source tree.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rebuild {
    pub profile: String,
    pub same: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileDifference>,
}

/// A file that differs in a build of the source.
#[derive(Debug, Serialize)]
pub struct FileDifference {
    pub path: String,
    pub change: FileChange,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileChange {
    Differs,
    OnlyInBundle,
    OnlyInSource,
}

impl Rebuild {
    /// Compares a bundle with a build of `profile`.
    pub fn of(profile: &str, source: &Sums, bundle: &Sums) -> Self {
        let same = source.content_id() == bundle.content_id();
        Self { profile: profile.to_owned(), same, files: differences(bundle, source) }
    }
}

fn differences(bundle: &Sums, source: &Sums) -> Vec<FileDifference> {
    let in_bundle = bundle.iter().filter_map(|(path, digest)| match source.get(path.as_str()) {
        Some(other) if other == digest => None,
        Some(_) => Some((path, FileChange::Differs)),
        None => Some((path, FileChange::OnlyInBundle)),
    });
    let only_in_source = source.iter().filter(|(path, _)| bundle.get(path.as_str()).is_none());
    let all = in_bundle.chain(only_in_source.map(|(path, _)| (path, FileChange::OnlyInSource)));
    let mut differences: Vec<FileDifference> =
        all.map(|(path, change)| FileDifference { path: path.to_string(), change }).collect();
    differences.sort_by(|a, b| a.path.cmp(&b.path));
    differences
}
