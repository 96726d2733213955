//! Assembles the files of a bundle from rendered objects.

use std::collections::BTreeMap;

use super::budget::ValueCounter;
use super::derive;
use super::files::{AddError, BundleFiles};
use super::index::{FORMAT, Index, KubernetesRange, Object, PodImage, Source, Wanted, WantedKey};
use super::limits::{LimitExceeded, check_document};
use super::open::{INDEX, RECIPE};
use super::recipe::Recipe;
use crate::canonical::{Canonical, NotCanonical};
use crate::images::list::{IMAGES, ImageList, InvalidImageList};
use crate::model::digest::Digest;
use crate::model::kind::Kind;
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

/// Why objects cannot be assembled into a bundle.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    #[error(
        "two objects are named {0}; change `release.name`, `fullnameOverride` or `nameOverride`"
    )]
    Duplicate(ObjectKey),
    #[error("{0}; shorten `release.name` or `fullnameOverride`")]
    Path(#[from] InvalidPath),
    #[error(transparent)]
    Add(#[from] AddError),
    #[error("{0}; no reader would accept the bundle")]
    Limit(#[from] LimitExceeded),
    #[error("{0} has more values than a manifest may have; no reader would accept the bundle")]
    Manifest(ObjectKey),
    #[error(transparent)]
    Canonical(#[from] NotCanonical),
    #[error("invalid list of images: {0}")]
    Images(#[from] InvalidImageList),
}

/// Assembles the bundle of a profile from its rendered objects.
///
/// # Errors
///
/// Returns an error if two objects have the same name, a file name is too long, or a limit of the
/// format is exceeded.
pub fn assemble(profile: &Profile, set: &ManifestSet) -> Result<Assembled, AssembleError> {
    let mut files = manifests(set)?;
    let objects = set.iter().map(|manifest| object(&files, manifest)).collect();
    for (file, bytes) in &profile.sealed {
        files.add(SafePath::parse(&sealed_path(file))?, bytes.clone())?;
    }

    let recipe = document(&mut files, RECIPE, Canonical::of(&Recipe::of(profile))?)?;
    let images = derive::images(set);
    if profile.lock.is_some() {
        files.add(SafePath::parse(IMAGES)?, list(profile, &images)?.to_bytes())?;
    }

    let settings = &profile.settings;
    let index = Index {
        format: FORMAT,
        name: settings.release.name.clone(),
        namespace: settings.release.namespace.clone(),
        environment: settings.release.environment.clone(),
        profile: profile.name.clone(),
        app_version: settings.release.app_version.clone(),
        kubernetes: KubernetesRange {
            min: settings.kubernetes.version,
            max: derive::newest_kubernetes(set),
        },
        images,
        contract: contract(profile, set),
        workloads: derive::workloads(set),
        objects,
        recipe,
    };

    document(&mut files, INDEX, Canonical::of(&index)?)?;
    Ok(Assembled { index, files })
}

fn document(files: &mut BundleFiles, name: &str, json: Canonical) -> Result<Digest, AssembleError> {
    check_document(name, json.as_bytes())?;
    Ok(files.add(SafePath::parse(name)?, json.into_bytes())?)
}

/// Returns only the manifests.
///
/// # Errors
///
/// As for [`assemble`].
pub fn manifests(set: &ManifestSet) -> Result<BundleFiles, AssembleError> {
    if let Some(duplicate) = set.duplicates().first() {
        return Err(AssembleError::Duplicate(duplicate.clone()));
    }
    let (mut files, mut values) = (BundleFiles::default(), ValueCounter::default());
    for manifest in set.iter() {
        values.admit(&manifest.object)?;
        if yaml::is_too_large(&manifest.object) {
            return Err(AssembleError::Manifest(manifest.key.clone()));
        }
        files.add(
            SafePath::parse(&path_of(manifest))?,
            yaml::to_yaml(&manifest.object).into_bytes(),
        )?;
    }
    Ok(files)
}

/// Returns the manifests as YAML documents, in apply order; `files` must contain them.
pub fn documents(set: &ManifestSet, files: &BundleFiles) -> Vec<u8> {
    let mut documents = Vec::new();
    for manifest in set.iter() {
        let file = files.get(&path_of(manifest)).expect("every manifest has a file");
        documents.extend_from_slice(b"---\n");
        documents.extend_from_slice(file.bytes());
    }
    documents
}

fn path_of(manifest: &Manifest) -> String {
    format!("manifests/{}", manifest.file_name())
}

/// Returns the index entry of a manifest; `files` must contain it.
fn object(files: &BundleFiles, manifest: &Manifest) -> Object {
    let file = path_of(manifest);
    let sha256 = files.get(&file).expect("every manifest was added").digest();
    let ObjectKey { api_version, kind, namespace, name } = manifest.key.clone();
    Object { api_version, kind, namespace, name, file, phase: manifest.phase, sha256 }
}

/// Lists the images of a locked profile, by the references in its manifests.
fn list(profile: &Profile, images: &[PodImage]) -> Result<ImageList, InvalidImageList> {
    let sources = profile.images();
    let locked = |image: &PodImage| {
        let reference =
            image.reference.parse().expect("the references of a locked profile were checked");
        let source =
            sources.get(&image.reference).expect("the profile states every image that it renders");
        (
            reference,
            profile.locked(&source.source).expect("a locked profile has each of its images locked"),
        )
    };
    ImageList::of(images.iter().map(locked))
}

/// Returns the contract, including the details of the Secrets that `apply` creates.
fn contract(profile: &Profile, set: &ManifestSet) -> Vec<Wanted> {
    let secrets = secret_keys(profile);
    let mut contract = derive::contract(set);
    for wanted in contract.iter_mut().filter(|wanted| wanted.is(Kind::Secret)) {
        for key in &mut wanted.keys {
            if let Some((source, known)) = secrets.get(&(wanted.name.clone(), key.key.clone())) {
                wanted.source = *source;
                *key = known.clone();
            }
        }
    }
    contract
}

/// Returns the details of each Secret key that `apply` creates, by Secret and key.
fn secret_keys(profile: &Profile) -> BTreeMap<(String, String), (Source, WantedKey)> {
    let known = |secret: &crate::profile::resolve::SecretRef<'_>| {
        let plain = WantedKey::plain(secret.key.clone());
        match secret.form {
            SecretForm::Generate { length, generation } => Some((
                Source::Generated,
                WantedKey {
                    length: Some(length.get()),
                    generation: Some(generation.get()),
                    ..plain
                },
            )),
            SecretForm::Age { file } => Some((
                Source::Sealed,
                WantedKey { file: Some(sealed_path(file.as_str())), ..plain },
            )),
            SecretForm::Existing { .. } | SecretForm::Literal { .. } => None,
        }
    };
    let secrets = profile.secrets();
    secrets
        .iter()
        .filter_map(|secret| Some(((secret.object.clone(), secret.key.clone()), known(secret)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;

    fn config_map(name: &str, keys: usize) -> Value {
        let data: Map<String, Value> =
            (0..keys).map(|key| (format!("k{key}"), "v".into())).collect();
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "a"}, "data": data})
    }

    fn set(objects: impl IntoIterator<Item = Value>) -> ManifestSet {
        let mut set = ManifestSet::default();
        objects.into_iter().for_each(|object| set.add(&object));
        set
    }

    #[test]
    fn manifest_is_built_only_if_reader_accepts_it() {
        // The map, 4 keys, 2 scalars, 2 maps, and 2 keys with their values.
        let others = 1 + 4 + 2 + 2 + 4;
        for (nodes, wanted) in [(19_999, true), (20_001, false)] {
            let object = config_map("a", (nodes - others) / 2);

            let made = manifests(&set([object.clone()]));

            assert_eq!(
                yaml::from_yaml(yaml::to_yaml(&object).as_bytes()).is_ok(),
                wanted,
                "{nodes}"
            );
            assert_eq!(made.is_ok(), wanted, "{nodes}");
        }
    }

    #[test]
    fn total_manifest_values_have_same_limit_as_in_reader() {
        let several =
            |number| manifests(&set((0..number).map(|n| config_map(&format!("a{n}"), 9_000))));

        assert!(several(5).is_ok());
        assert!(matches!(several(6), Err(AssembleError::Limit(LimitExceeded::ManifestsValues))));
    }
}
