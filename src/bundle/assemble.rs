//! Rendered objects to the files of a bundle.

use std::collections::BTreeMap;

use super::derive;
use super::files::{AddError, BundleFiles};
use super::index::{FORMAT, Index, KubernetesRange, Object, Source, Wanted, WantedKey};
use super::recipe::recipe;
use crate::canonical::{Canonical, NotCanonical};
use crate::model::object_key::ObjectKey;
use crate::model::safe_path::{InvalidPath, SafePath};
use crate::model::secret::{SecretForm, sealed_path};
use crate::profile::resolve::Profile;
use crate::render::manifest_set::{Manifest, ManifestSet};
use crate::render::yaml;

/// A bundle in memory.
pub struct Assembled {
    pub index: Index,
    pub files: BundleFiles,
}

/// Why objects do not make a bundle.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    #[error("two objects are called {0}; change `release.name`, `fullnameOverride` or `nameOverride`")]
    Duplicate(ObjectKey),
    #[error("{0}; a shorter `release.name` or `fullnameOverride` helps")]
    Path(#[from] InvalidPath),
    #[error(transparent)]
    Add(#[from] AddError),
    #[error(transparent)]
    Canonical(#[from] NotCanonical),
}

/// Makes the bundle of a profile from its rendered objects.
///
/// # Errors
///
/// When two objects have one name, a file's name is too long, or a limit of the format is exceeded.
pub fn assemble(profile: &Profile, set: &ManifestSet) -> Result<Assembled, AssembleError> {
    let mut files = manifests(set)?;
    let objects = set.iter().map(|manifest| object(&files, manifest)).collect();
    for (file, bytes) in &profile.sealed {
        files.add(SafePath::parse(&sealed_path(file))?, bytes.clone())?;
    }
    let recipe =
        files.add(SafePath::parse("recipe.json")?, Canonical::of_tree(recipe(profile))?.into_bytes())?;
    let settings = &profile.settings;
    let index = Index {
        format: FORMAT,
        name: settings.release.name.clone(),
        namespace: settings.release.namespace.clone(),
        environment: settings.release.environment.clone(),
        profile: profile.name.clone(),
        app_version: settings.release.app_version.clone(),
        kubernetes: KubernetesRange { min: settings.kubernetes.version, max: derive::newest_kubernetes(set) },
        images: derive::images(set),
        contract: contract(profile, set),
        workloads: derive::workloads(set),
        objects,
        recipe,
    };
    files.add(SafePath::parse("bundle.json")?, Canonical::of(&index)?.into_bytes())?;
    Ok(Assembled { index, files })
}

/// Returns the manifests alone.
///
/// # Errors
///
/// As [`assemble`].
pub fn manifests(set: &ManifestSet) -> Result<BundleFiles, AssembleError> {
    if let Some(duplicate) = set.duplicates().first() {
        return Err(AssembleError::Duplicate(duplicate.clone()));
    }
    let mut files = BundleFiles::default();
    for manifest in set.iter() {
        files.add(SafePath::parse(&path_of(manifest))?, yaml::to_yaml(&manifest.object).into_bytes())?;
    }
    Ok(files)
}

fn path_of(manifest: &Manifest) -> String {
    format!("manifests/{}", manifest.file_name())
}

/// Returns the index's entry of a manifest that is among `files`.
fn object(files: &BundleFiles, manifest: &Manifest) -> Object {
    let file = path_of(manifest);
    let sha256 = files.get(&file).expect("every manifest was added").digest();
    let ObjectKey { api_version, kind, namespace, name } = manifest.key.clone();
    Object { api_version, kind, namespace, name, file, phase: manifest.phase, sha256 }
}

/// Returns what must be in the cluster, with what is known of the Secrets that apply makes.
fn contract(profile: &Profile, set: &ManifestSet) -> Vec<Wanted> {
    let secrets = secret_keys(profile);
    let mut contract = derive::contract(set);
    for wanted in contract.iter_mut().filter(|wanted| wanted.kind == "Secret") {
        for key in &mut wanted.keys {
            if let Some((source, known)) = secrets.get(&(wanted.name.clone(), key.key.clone())) {
                wanted.source = *source;
                *key = known.clone();
            }
        }
    }
    contract
}

/// Returns what is known about each key of the Secrets that apply makes, by Secret and key.
fn secret_keys(profile: &Profile) -> BTreeMap<(String, String), (Source, WantedKey)> {
    let known = |secret: &crate::profile::resolve::SecretRef<'_>| {
        let plain = WantedKey::plain(secret.key.clone());
        match secret.form {
            SecretForm::Generate { length, generation } => Some((
                Source::Generated,
                WantedKey { length: Some(length.get()), generation: Some(generation.get()), ..plain },
            )),
            SecretForm::Age { file } => {
                Some((Source::Sealed, WantedKey { file: Some(sealed_path(file.as_str())), ..plain }))
            }
            SecretForm::Existing { .. } | SecretForm::Literal { .. } => None,
        }
    };
    let secrets = profile.secrets();
    secrets
        .iter()
        .filter_map(|secret| Some(((secret.object.clone(), secret.key.clone()), known(secret)?)))
        .collect()
}
