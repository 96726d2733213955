//! `--rebuild`: checks whether the source tree gives the same bundle.

use super::ctx::{Ctx, ProfileArgs};
use crate::bundle::assemble::assemble;
use crate::bundle::sums::Sums;
use crate::failure::Failure;
use crate::render;
use crate::ui::verify_view::{FileChange, FileDifference, Rebuild};

/// Builds profile `name` in memory, and compares the result with the files of a bundle.
pub(super) fn compare(
    ctx: &Ctx,
    name: &str,
    args: &ProfileArgs,
    bundle: &Sums,
) -> Result<Rebuild, Failure> {
    let profile = ctx.load(name, args)?;
    let assembled = assemble(&profile, &render::render(&profile)).map_err(Failure::input)?;
    let source = assembled.files.sums();
    let same = source.content_id() == bundle.content_id();
    Ok(Rebuild { profile: name.to_owned(), same, files: differences(bundle, &source) })
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
