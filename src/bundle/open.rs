//! Parses the files of a bundle into the values that commands work with.
//!
//! Strict: `bundle.json`, `recipe.json` and every manifest must be spelled exactly as this program
//! writes them, and the index must agree with the manifests. None of this proves who made the
//! bundle.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::budget::ValueCounter;
use super::confinement::{self, Forbidden};
use super::derive;
use super::files::{BundleFile, BundleFiles};
use super::index::{FORMAT, Index, Object, Source, Wanted, WantedKey};
use super::layout::FileKind;
use super::limits::{LimitExceeded, check_document};
use super::monitor::{self, InvalidMonitor, MonitoredRelease};
use super::read::Contents;
use super::recipe::{self, Recipe};
use super::sealed::InvalidSealed;
use super::sums::Sums;
use crate::canonical::{Canonical, NotCanonical};
use crate::images::list::{IMAGES, IMAGES_BYTES_MAX, ImageList, InvalidImageList};
use crate::model::digest::Digest;
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::model::secret::sealed_path;
use crate::render::manifest_set::{Manifest, ManifestSet};
use crate::render::yaml::{InvalidYaml, from_yaml};

/// The file names of the index and of the recipe.
pub const INDEX: &str = "bundle.json";
pub const RECIPE: &str = "recipe.json";

/// A bundle whose parts are consistent.
#[derive(Clone, Debug)]
pub struct Bundle {
    pub content_id: Digest,
    pub index: Index,
    /// `recipe.json`: every input, resolved.
    pub recipe: Recipe,
    /// The objects, in apply order.
    pub manifests: ManifestSet,
    /// The images, all pinned; `None` if the profile is not locked.
    pub images: Option<ImageList>,
    /// The list of all files.
    pub sums: Sums,
    pub files: BundleFiles,
    /// The total size of all files.
    pub bytes: u64,
}

/// Why files are not a valid bundle, although they match `SHA256SUMS`.
#[derive(Debug, thiserror::Error)]
pub enum InvalidBundle {
    #[error("`{0}` is missing")]
    Missing(&'static str),
    #[error("`{file}` has format {found}; this version reads format {wanted}")]
    Format { file: &'static str, found: String, wanted: u32 },
    #[error("`{file}` is not in the form that this program writes: {why}")]
    Document { file: &'static str, why: String },
    #[error("`{file}` is not in the form that this program writes: {why}")]
    Manifest { file: String, why: InvalidYaml },
    #[error("`{file}` holds an object that no bundle may have: {kind:?}")]
    Kind { file: String, kind: String },
    #[error("`{file}` holds {found:?}, which contradicts bundle.json")]
    Object { file: String, found: String },
    #[error(transparent)]
    Limit(#[from] LimitExceeded),
    #[error("bundle.json and the manifests disagree about `{0}`")]
    Unlisted(String),
    #[error("bundle.json does not match the manifests: {what}")]
    Disagrees { what: &'static str },
    #[error("bundle.json states an impossible source for {kind}/{name}")]
    Source { kind: String, name: String },
    #[error("`{object}` is not in the bundle's namespace `{namespace}`")]
    Namespace { object: String, namespace: String },
    #[error("`{object}` is outside the bundle's namespace: {why}")]
    Monitor { object: String, why: InvalidMonitor },
    #[error("`{object}` lets Prometheus read more than the bundle: {why}")]
    OwnMonitor { object: String, why: InvalidMonitor },
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    #[error("bundle.json and recipe.json disagree about the {what}")]
    OtherThanRecipe { what: &'static str },
    #[error("recipe.json does not match its digest in bundle.json")]
    OtherRecipe,
    #[error(transparent)]
    Sealed(#[from] Box<InvalidSealed>),
    #[error("invalid `{IMAGES}`: {0}")]
    Images(InvalidImageList),
    #[error(
        "`{IMAGES}` and the manifests list different images: only one of them has `{reference}`"
    )]
    OtherImages { reference: String },
}

impl Bundle {
    /// Opens a bundle from its files.
    ///
    /// # Errors
    ///
    /// Returns an error if a document or manifest is missing, is not spelled as this program writes
    /// it, or contradicts another; or if an object is not allowed in a bundle.
    pub fn open(contents: Contents) -> Result<Self, InvalidBundle> {
        Self::read(contents, |manifests, index| {
            Ok(confinement::check(manifests, index.name.as_str())?)
        })
    }

    /// Opens a bundle from the files recorded in a cluster, for comparison with the live objects.
    ///
    /// An earlier version may have applied objects that are no longer allowed. They can be replaced
    /// and removed; [`Bundle::open`] decides whether they may be applied again.
    ///
    /// # Errors
    ///
    /// As for [`Bundle::open`], but any field of an object is allowed.
    pub fn open_recorded(contents: Contents) -> Result<Self, InvalidBundle> {
        Self::read(contents, |_, _| Ok(()))
    }

    fn read(
        contents: Contents,
        check_objects: impl FnOnce(&ManifestSet, &Index) -> Result<(), InvalidBundle>,
    ) -> Result<Self, InvalidBundle> {
        let Contents { sums, files, bytes } = contents;
        let index = read_index(&files)?;
        let (recipe, digest) = read_formatted::<Recipe>(&files, RECIPE, recipe::FORMAT)?;
        if digest != index.recipe {
            return Err(InvalidBundle::OtherRecipe);
        }
        let manifests = read_manifests(&files, &index.objects)?;
        agrees_with_recipe(&index, &recipe)?;
        sealed_as_in_recipe(&recipe, &files)?;
        manifests.iter().try_for_each(|manifest| check_namespace(manifest, &index, &manifests))?;
        check_objects(&manifests, &index)?;
        agrees_with_manifests(&index, &manifests)?;
        index.contract.iter().try_for_each(|wanted| check_source(wanted, &files))?;
        let images = read_images(&files, &index)?;
        Ok(Self {
            content_id: sums.content_id(),
            index,
            recipe,
            manifests,
            images,
            sums,
            files,
            bytes,
        })
    }

    /// Opens a bundle from files in memory that were just assembled.
    ///
    /// # Errors
    ///
    /// As for [`Bundle::open`].
    pub fn of_files(files: BundleFiles) -> Result<Self, InvalidBundle> {
        let bytes = files.iter().map(|(_, file)| file.bytes().len() as u64).sum();
        Self::open(Contents { sums: files.sums(), files, bytes })
    }
}

/// Reads `images.json`, if present: it must list exactly the images that the manifests run.
fn read_images(files: &BundleFiles, index: &Index) -> Result<Option<ImageList>, InvalidBundle> {
    let Some(images) = images_of(files)? else { return Ok(None) };
    let listed: BTreeSet<&str> = images.references().collect();
    let run: BTreeSet<&str> = index.images.iter().map(|image| image.reference.as_str()).collect();
    match listed.symmetric_difference(&run).next() {
        Some(reference) => Err(InvalidBundle::OtherImages { reference: (*reference).to_owned() }),
        None => Ok(Some(images)),
    }
}

/// Checks that the index agrees with the recipe about the release.
fn agrees_with_recipe(index: &Index, recipe: &Recipe) -> Result<(), InvalidBundle> {
    let min = index.kubernetes.min.to_string();
    let repeated = [
        ("name", "/release/name", index.name.as_str()),
        ("namespace", "/release/namespace", index.namespace.as_str()),
        ("environment", "/release/environment", index.environment.as_str()),
        ("appVersion", "/release/appVersion", index.app_version.as_str()),
        ("oldest version of Kubernetes", "/kubernetes/version", min.as_str()),
    ];
    if recipe.profile != index.profile {
        return Err(InvalidBundle::OtherThanRecipe { what: "profile" });
    }
    let differs =
        |pointer, text| recipe.settings.pointer(pointer).and_then(Value::as_str) != Some(text);
    match repeated.into_iter().find(|(_, pointer, text)| differs(pointer, *text)) {
        Some((what, ..)) => Err(InvalidBundle::OtherThanRecipe { what }),
        None => Ok(()),
    }
}

/// Checks that the recipe lists exactly the encrypted files, by path in the profiles folder, with
/// their digests.
fn sealed_as_in_recipe(recipe: &Recipe, files: &BundleFiles) -> Result<(), InvalidBundle> {
    let named: BTreeMap<String, Digest> =
        recipe.sealed.iter().map(|(file, digest)| (sealed_path(file), *digest)).collect();
    let found = files.iter().filter(|(path, _)| FileKind::of(path) == Some(FileKind::SealedSecret));
    let found: BTreeMap<String, Digest> =
        found.map(|(path, file)| (path.to_string(), file.digest())).collect();
    if named == found {
        Ok(())
    } else {
        Err(InvalidBundle::OtherThanRecipe { what: "sealed files" })
    }
}

fn agrees_with_manifests(index: &Index, manifests: &ManifestSet) -> Result<(), InvalidBundle> {
    let plain = |wanted: &Wanted| Wanted {
        source: Source::Cluster,
        keys: wanted.keys.iter().map(|key| WantedKey::plain(key.key.clone())).collect(),
        ..wanted.clone()
    };
    let (min, max) = (index.kubernetes.min, index.kubernetes.max);
    let derived = [
        ("images", derive::images(manifests) == index.images),
        ("workloads", derive::workloads(manifests) == index.workloads),
        (
            "contract",
            derive::contract(manifests) == index.contract.iter().map(plain).collect::<Vec<_>>(),
        ),
        ("versions of Kubernetes", derive::newest_kubernetes(manifests) == max && min <= max),
    ];
    match derived.into_iter().find(|(_, agrees)| !agrees) {
        Some((what, _)) => Err(InvalidBundle::Disagrees { what }),
        None => Ok(()),
    }
}

/// Checks that an object is in the bundle's namespace. Only a `ServiceMonitor` may be elsewhere:
/// Prometheus often watches only its own namespace.
fn check_namespace(
    manifest: &Manifest,
    index: &Index,
    manifests: &ManifestSet,
) -> Result<(), InvalidBundle> {
    let (key, namespace) = (&manifest.key, index.namespace.as_str());
    let right = match key.known_kind() {
        Some(Kind::Namespace) => key.namespace.is_empty() && key.name == namespace,
        Some(Kind::ServiceMonitor) if !key.namespace.is_empty() => {
            let release = MonitoredRelease { name: index.name.as_str(), namespace };
            let object = key.to_string();
            return monitor::check(&manifest.object, release, manifests).map_err(|why| {
                if key.namespace == namespace {
                    InvalidBundle::OwnMonitor { object, why }
                } else {
                    InvalidBundle::Monitor { object, why }
                }
            });
        }
        _ => key.namespace == namespace,
    };
    if right {
        return Ok(());
    }
    Err(InvalidBundle::Namespace { object: key.to_string(), namespace: namespace.to_owned() })
}

/// Checks the source of a required object, which the manifests do not determine: `apply` creates
/// only Secrets, and each created key needs a length and generation, or a sealed file.
fn check_source(wanted: &Wanted, files: &BundleFiles) -> Result<(), InvalidBundle> {
    let is_plain = |key: &WantedKey| *key == WantedKey::plain(key.key.clone());
    let is_made = |key: &WantedKey| match (wanted.source, key.length, key.generation, &key.file) {
        (Source::Generated, Some(length), Some(generation), None) => length > 0 && generation > 0,
        (Source::Sealed, None, None, Some(file)) => {
            file.starts_with("secrets/") && files.get(file).is_some()
        }
        _ => false,
    };
    // An extra container in the profile may use a key that `apply` does not create in that Secret.
    let possible = wanted.keys.iter().all(|key| is_plain(key) || is_made(key))
        && (wanted.source == Source::Cluster
            || wanted.is(Kind::Secret) && wanted.keys.iter().any(is_made));
    if possible {
        return Ok(());
    }
    Err(InvalidBundle::Source { kind: wanted.kind.clone(), name: wanted.name.clone() })
}

/// Reads `images.json` on its own; returns `None` if the images are not pinned.
///
/// # Errors
///
/// Returns an error if the file is not a valid list of images.
pub fn images_of(files: &BundleFiles) -> Result<Option<ImageList>, InvalidBundle> {
    let file = files.get(IMAGES);
    file.map(|file| ImageList::parse(file.bytes())).transpose().map_err(|error| match error {
        InvalidImageList::TooLarge { found } => LimitExceeded::File {
            path: IMAGES.to_owned(),
            bytes: found as u64,
            limit: IMAGES_BYTES_MAX,
        }
        .into(),
        error => InvalidBundle::Images(error),
    })
}

/// Reads `bundle.json` on its own, without comparing it with the other files.
///
/// # Errors
///
/// Returns an error if the file is missing, has another format, or is not spelled as this program
/// writes it.
pub fn read_index(files: &BundleFiles) -> Result<Index, InvalidBundle> {
    Ok(read_formatted::<Index>(files, INDEX, FORMAT)?.0)
}

/// Reads a document of the format `wanted`.
fn read_formatted<T: DeserializeOwned + serde::Serialize>(
    files: &BundleFiles,
    file: &'static str,
    wanted: u32,
) -> Result<(T, Digest), InvalidBundle> {
    // Other formats have other fields: report the format rather than an unknown field.
    let (value, _) = read_document::<Value>(files, file)?;
    match value.get("format") {
        Some(format) if *format == wanted => read_document::<T>(files, file),
        format => {
            let found = format.map_or_else(|| "unknown".to_owned(), ToString::to_string);
            Err(InvalidBundle::Format { file, found, wanted })
        }
    }
}

/// Reads a document that must be canonical JSON.
fn read_document<T: DeserializeOwned + serde::Serialize>(
    files: &BundleFiles,
    name: &'static str,
) -> Result<(T, Digest), InvalidBundle> {
    let file: &BundleFile = files.get(name).ok_or(InvalidBundle::Missing(name))?;
    let wrong = |why: String| InvalidBundle::Document { file: name, why };
    check_document(name, file.bytes())?;
    let value: T =
        serde_json::from_slice(file.bytes()).map_err(|error| wrong(error.to_string()))?;
    let again = Canonical::of(&value).map_err(|error: NotCanonical| wrong(error.to_string()))?;
    if again.as_bytes() != file.bytes() {
        return Err(wrong("it is not canonical JSON".to_owned()));
    }
    Ok((value, file.digest()))
}

/// Reads the manifests listed in `objects`, which must be all manifests of the bundle.
fn read_manifests(files: &BundleFiles, objects: &[Object]) -> Result<ManifestSet, InvalidBundle> {
    let is_manifest = |(path, _): &(&_, _)| FileKind::of(path) == Some(FileKind::Manifest);
    let mut unlisted: BTreeSet<&str> =
        files.iter().filter(is_manifest).map(|(path, _)| path.as_str()).collect();
    let mut set = ManifestSet::default();
    let mut budget = ValueCounter::default();
    for object in objects {
        let not_there = || InvalidBundle::Unlisted(object.file.clone());
        let file = files.get(&object.file).filter(|_| unlisted.remove(object.file.as_str()));
        let manifest = read_manifest(object, file.ok_or_else(not_there)?)?;
        budget.admit(&manifest)?;
        set.add(&manifest);
    }
    if let Some(file) = unlisted.first() {
        return Err(InvalidBundle::Unlisted((*file).to_owned()));
    }
    let in_order = set.iter().zip(objects).all(|(manifest, object)| manifest.key == object.key());
    if in_order && set.len() == objects.len() {
        Ok(set)
    } else {
        Err(InvalidBundle::Disagrees { what: "objects or their order" })
    }
}

fn read_manifest(object: &Object, file: &BundleFile) -> Result<Value, InvalidBundle> {
    let value = from_yaml(file.bytes())
        .map_err(|why| InvalidBundle::Manifest { file: object.file.clone(), why })?;
    let text = |pointer: &str| {
        value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    };

    let (api_version, kind) = (text("/apiVersion"), text("/kind"));
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    let known = Kind::named(&kind).filter(|kind| kind.group() == group);
    let Some(phase) = known.and_then(Kind::phase) else {
        let kind = format!("{api_version} {kind}");
        return Err(InvalidBundle::Kind { file: object.file.clone(), kind });
    };
    let key = ObjectKey {
        api_version,
        kind,
        namespace: text("/metadata/namespace"),
        name: text("/metadata/name"),
    };

    let manifest = Manifest { key, phase, object: value };
    let agrees = manifest.key == object.key()
        && !manifest.key.name.is_empty()
        && phase == object.phase
        && file.digest() == object.sha256
        && object.file == format!("manifests/{}", manifest.file_name());
    if agrees {
        return Ok(manifest.object);
    }
    let found = format!("{} in namespace `{}`", manifest.key, manifest.key.namespace);
    Err(InvalidBundle::Object { file: object.file.clone(), found })
}
