//! `render --out`: a folder for git that holds the manifests and nothing else.

use std::collections::BTreeSet;

use camino::Utf8Path;
use serde_json::{Value, json};

use super::ctx::{Ctx, count};
use super::failure::Failure;
use crate::fsio::{self, Durability};
use crate::profile::resolve::Profile;
use crate::render::manifest_set::{Manifest, ManifestSet};
use crate::render::yaml;

/// Marks a folder as ours: only then are files in it removed.
const MARKER: &str = ".relay-bundle";

/// Makes `folder` hold exactly the manifests of `set`.
pub(super) fn write(
    ctx: &Ctx,
    folder: &Utf8Path,
    set: &ManifestSet,
    profile: &Profile,
) -> Result<(), Failure> {
    claim(folder)?;
    let mut wanted = BTreeSet::from([MARKER.to_owned()]);
    for manifest in set.iter() {
        let name = manifest.file_name();
        let text = yaml::to_yaml(&for_git(manifest));
        let path = folder.join(&name);
        let same =
            path.is_file() && fsio::read_bounded(&path, 4 << 20).is_ok_and(|old| old == text.as_bytes());
        if !same {
            fsio::write_atomic(&path, text.as_bytes(), 0o644, Durability::Cached)?;
        }
        wanted.insert(name);
    }
    let removed = remove_stale(folder, &wanted)?;
    fsio::write_atomic(
        &folder.join(MARKER),
        format!("{}\n", profile.name).as_bytes(),
        0o644,
        Durability::Cached,
    )?;
    ctx.printer.say(&format!(
        "wrote {} into {folder}, removed {}",
        count(set.len(), "manifest"),
        count(removed, "stale file")
    ));
    Ok(())
}

/// Makes the folder, or sees that it is empty or ours.
fn claim(folder: &Utf8Path) -> Result<(), Failure> {
    fs_err::create_dir_all(folder)?;
    let foreign = folder.read_dir_utf8()?.next().is_some() && !folder.join(MARKER).is_file();
    if foreign {
        return Err(Failure::input(format!(
            "the folder `{folder}` holds files that `render --out` did not write"
        ))
        .hint("name an empty or a new folder: stale files in it are removed"));
    }
    Ok(())
}

fn remove_stale(folder: &Utf8Path, wanted: &BTreeSet<String>) -> Result<usize, Failure> {
    let mut removed = 0;
    for entry in folder.read_dir_utf8()? {
        let entry = entry?;
        let stale = !wanted.contains(entry.file_name());
        if stale && entry.path().extension() == Some("yaml") && entry.file_type()?.is_file() {
            fs_err::remove_file(entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Tells Flux and Argo CD that claims and the namespace stay when they leave the folder.
fn for_git(manifest: &Manifest) -> Value {
    let mut object = manifest.object.clone();
    if ["PersistentVolumeClaim", "Namespace"].contains(&manifest.key.kind.as_str()) {
        let keep = json!({"argocd.argoproj.io/sync-options": "Prune=false,Delete=false", "kustomize.toolkit.fluxcd.io/prune": "disabled"});
        let annotations = &mut object["metadata"]["annotations"];
        if !annotations.is_object() {
            *annotations = json!({});
        }
        for (key, value) in keep.as_object().into_iter().flatten() {
            annotations[key] = value.clone();
        }
    }
    object
}
