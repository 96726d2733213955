//! Keeps the rendered manifests of a profile in a folder for git.

use std::collections::BTreeSet;

use camino::Utf8Path;
use serde_json::{Value, json};

use super::event::{BuildEvent, BuildObserver};
use crate::failure::Failure;
use crate::fsio::{self, Durability, Locked, MODE_PUBLIC, Waits, lock_named};
use crate::model::kind::Kind;
use crate::render::manifest_set::{Manifest, ManifestSet};
use crate::render::yaml;

/// Lists our files, one per line. No other file is ever removed.
const LIST: &str = ".relay-bundle";
const LIST_BYTES_MAX: u64 = 4 << 20;

/// Writes the manifests of `set`, and removes those of earlier runs that `set` lacks.
///
/// # Errors
///
/// When the folder has other files, or the disk fails.
pub fn write(
    folder: &Utf8Path,
    set: &ManifestSet,
    waits: &Waits,
    observe: &BuildObserver<'_>,
) -> Result<(), Failure> {
    fs_err::create_dir_all(folder)?;
    // Serializes concurrent renders into one folder.
    let lock = lock_named(folder, waits)?;
    if let Locked::Unsupported(why) = lock {
        observe(&BuildEvent::FolderUnlocked { folder, why });
    }

    let before = claim(folder)?;
    let now: BTreeSet<String> = set.iter().map(Manifest::file_name).collect();
    // Until the run ends, the list names old and new files, so that the next run recognizes the
    // files of a killed one.
    write_list(folder, before.union(&now))?;

    for manifest in set.iter() {
        let text = yaml::to_yaml(&for_git(manifest));
        let path = folder.join(manifest.file_name());
        // An unchanged file keeps its modification time.
        let same =
            fsio::read_bounded(&path, LIST_BYTES_MAX).is_ok_and(|old| old == text.as_bytes());
        if !same {
            fsio::write_atomic(&path, text.as_bytes(), MODE_PUBLIC, Durability::Cached)?;
        }
    }
    for stale in before.difference(&now).filter(|stale| folder.join(stale).is_file()) {
        fs_err::remove_file(folder.join(stale))?;
        observe(&BuildEvent::StaleRemoved { file: stale });
    }

    write_list(folder, now.iter())?;
    drop(lock);
    Ok(())
}

/// Checks that the folder is empty or ours. Returns the files that earlier runs wrote.
fn claim(folder: &Utf8Path) -> Result<BTreeSet<String>, Failure> {
    let list = folder.join(LIST);
    if !list.is_file() {
        if folder.read_dir_utf8()?.next().is_none() {
            return Ok(BTreeSet::new());
        }
        return Err(Failure::input(format!(
            "folder `{folder}` contains files that `render --out` did not write"
        ))
        .hint("choose an empty or a new folder"));
    }
    let bytes = fsio::read_bounded(&list, LIST_BYTES_MAX).map_err(Failure::world)?;
    let text = String::from_utf8(bytes).map_err(Failure::input)?;
    // Accepts only names of manifests, so that an edited list cannot make us remove any other file.
    let is_ours = |name: &&str| {
        let path = Utf8Path::new(name);
        path.extension() == Some("yaml") && path.file_name() == Some(name) && !name.starts_with('.')
    };
    Ok(text.lines().filter(is_ours).map(str::to_owned).collect())
}

fn write_list<'a>(
    folder: &Utf8Path,
    names: impl Iterator<Item = &'a String>,
) -> Result<(), Failure> {
    let text: String = names.flat_map(|name| [name.as_str(), "\n"]).collect();
    Ok(fsio::write_atomic(&folder.join(LIST), text.as_bytes(), MODE_PUBLIC, Durability::Cached)?)
}

/// Tells Flux and Argo CD to keep PVCs and the namespace when their manifests leave the folder.
fn for_git(manifest: &Manifest) -> Value {
    let mut object = manifest.object.clone();
    if manifest.key.known_kind().is_some_and(Kind::is_never_pruned) {
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
