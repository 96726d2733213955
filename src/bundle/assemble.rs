//! Rendered objects to the files of a bundle.

use std::collections::{BTreeMap, BTreeSet};

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
use crate::render::references::{Keys, Target, references};
use crate::render::{served, yaml};

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
    let recipe = files.add(SafePath::parse("recipe.json")?, Canonical::of(&recipe(profile))?.into_bytes())?;
    let settings = &profile.settings;
    let index = Index {
        format: FORMAT,
        name: settings.release.name.to_string(),
        namespace: settings.release.namespace.to_string(),
        environment: settings.release.environment.to_string(),
        profile: profile.name.to_string(),
        app_version: settings.release.app_version.to_string(),
        kubernetes: kubernetes_range(profile, set),
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

fn kubernetes_range(profile: &Profile, set: &ManifestSet) -> KubernetesRange {
    let newest =
        set.iter().map(|manifest| served::newest(&manifest.key.api_version, &manifest.key.kind)).min();
    KubernetesRange {
        min: profile.settings.kubernetes.version.to_string(),
        max: newest.unwrap_or(crate::model::kube_version::KubeVersion::NEWEST).to_string(),
    }
}

/// Returns everything that the objects refer to and the set does not hold.
fn contract(profile: &Profile, set: &ManifestSet) -> Vec<Wanted> {
    let inside: BTreeSet<Target> = set.iter().map(|manifest| target_of(&manifest.key)).collect();
    let mut wanted: BTreeMap<Target, (Keys, BTreeSet<String>)> = BTreeMap::new();
    for manifest in set.iter() {
        for (target, keys) in references(&manifest.object) {
            if !inside.contains(&target) {
                let (all_keys, users) = wanted.entry(target).or_default();
                all_keys.extend(keys);
                users.insert(manifest.key.to_string());
            }
        }
    }
    let secrets = secret_keys(profile);
    wanted.into_iter().map(|(target, (keys, users))| want(target, keys, users, &secrets)).collect()
}

fn target_of(key: &ObjectKey) -> Target {
    Target { kind: key.kind.clone(), namespace: key.namespace.clone(), name: key.name.clone() }
}

/// Returns what is known about each key of the Secrets that apply makes, by Secret and key.
fn secret_keys(profile: &Profile) -> BTreeMap<(String, String), (Source, WantedKey)> {
    let known = |secret: &crate::profile::resolve::SecretRef<'_>| {
        let plain = WantedKey { key: secret.key.clone(), length: None, generation: None, file: None };
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

fn want(
    target: Target,
    keys: Keys,
    users: BTreeSet<String>,
    secrets: &BTreeMap<(String, String), (Source, WantedKey)>,
) -> Wanted {
    let mut source = Source::Cluster;
    let mut detail = |key: String| {
        let known = secrets.get(&(target.name.clone(), key.clone())).filter(|_| target.kind == "Secret");
        known.map_or(WantedKey { key, length: None, generation: None, file: None }, |(origin, known)| {
            source = *origin;
            known.clone()
        })
    };
    let keys = keys.into_iter().map(&mut detail).collect();
    let Target { kind, namespace, name } = target;
    Wanted { kind, namespace, name, source, keys, used_by: users.into_iter().collect() }
}
