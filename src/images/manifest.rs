//! Image manifests and indexes, read in one way only: at `lock`, at `fetch` and at `verify`.
//!
//! Whatever two programs could read differently is refused: keys that differ in case, a manifest
//! that is an index as well, another media type inside than outside, layers that are elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::json::{self, folded};
use super::platform::Platform;
use crate::model::digest::Digest;

/// The largest manifest or index; registries take 4 MiB.
pub const MANIFEST_BYTES_MAX: u64 = 4 << 20;
/// The largest config or layer: what one entry of the archive can hold.
pub const BLOB_BYTES_MAX: u64 = (8 << 30) - 1;
/// The most layers: runtimes mount no more than 127, and Docker refuses more.
const LAYERS_MAX: usize = 500;
/// The most children of an index; the largest public ones have some dozens.
const CHILDREN_MAX: usize = 1_000;

/// What a registry says that a manifest is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MediaType {
    OciManifest,
    OciIndex,
    DockerManifest,
    DockerList,
}

impl MediaType {
    pub const ALL: [Self; 4] =
        [Self::OciManifest, Self::OciIndex, Self::DockerManifest, Self::DockerList];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::OciManifest => "application/vnd.oci.image.manifest.v1+json",
            Self::OciIndex => "application/vnd.oci.image.index.v1+json",
            Self::DockerManifest => "application/vnd.docker.distribution.manifest.v2+json",
            Self::DockerList => "application/vnd.docker.distribution.manifest.list.v2+json",
        }
    }

    /// Returns the type of that name; parameters such as `; charset=utf-8` do not count.
    pub fn of(text: &str) -> Option<Self> {
        let text = text.split(';').next().unwrap_or_default().trim();
        Self::ALL.into_iter().find(|media_type| media_type.as_str() == text)
    }

    pub fn is_index(self) -> bool {
        matches!(self, Self::OciIndex | Self::DockerList)
    }
}

/// Why a manifest or index is refused.
#[derive(Debug, thiserror::Error)]
pub enum BadManifest {
    #[error("it is not JSON with one reading: {0}")]
    Json(#[from] serde_json::Error),
    #[error("`{at}`: {why}")]
    Field { at: String, why: String },
}

/// The content that a manifest or index refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    pub media_type: String,
    pub digest: Digest,
    /// In bytes; at least 1.
    pub size: u64,
}

/// The manifest of one image for one platform.
#[derive(Debug, PartialEq, Eq)]
pub struct Manifest {
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
}

impl Manifest {
    /// Reads the bytes of a manifest of type `listed`.
    ///
    /// # Errors
    ///
    /// When they are no image manifest of that type, or could be read in another way.
    pub fn parse(bytes: &[u8], listed: MediaType) -> Result<Self, BadManifest> {
        let object = parse_object(bytes)?;
        let document = Fields::document(&object, listed)?;
        document.known(&[
            "schemaVersion",
            "mediaType",
            "config",
            "layers",
            "subject",
            "annotations",
            "artifactType",
        ])?;
        document
            .lacks(&["manifests", "fsLayers", "blobs"], "an image manifest does not have it")?;
        let config = document.object("config")?.descriptor(BLOB_BYTES_MAX)?;
        let layers = document.objects("layers", LAYERS_MAX)?;
        let layers = layers
            .iter()
            .map(|layer| layer.descriptor(BLOB_BYTES_MAX))
            .collect::<Result<_, _>>()?;
        let manifest = Self { config, layers };
        manifest.check_layers()?;
        Ok(manifest)
    }

    /// Returns the size of each config and layer, by digest.
    pub fn blobs(&self) -> BTreeMap<Digest, u64> {
        self.descriptors().map(|descriptor| (descriptor.digest, descriptor.size)).collect()
    }

    fn descriptors(&self) -> impl Iterator<Item = &Descriptor> {
        std::iter::once(&self.config).chain(&self.layers)
    }

    fn check_layers(&self) -> Result<(), BadManifest> {
        let sizes = self.blobs();
        for descriptor in self.descriptors() {
            let Descriptor { media_type, digest, size } = descriptor;
            if sizes[digest] != *size {
                return Err(field("layers", format!("sha256:{digest} is listed with two sizes")));
            }
            if MediaType::of(media_type).is_some() {
                let why =
                    format!("sha256:{digest} is listed as an image of its own ({media_type})");
                return Err(field("layers", why));
            }
            if media_type.contains("foreign") || media_type.contains("nondistributable") {
                let why = format!(
                    "sha256:{digest} is a foreign layer ({media_type}), which registries do not hand out"
                );
                return Err(field("layers", why));
            }
        }
        Ok(())
    }
}

/// An index of the manifests of one image, one a platform.
#[derive(Debug)]
pub struct Index {
    children: Vec<(Platform, Descriptor)>,
}

/// Why an index has no manifest for a platform.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoChild {
    #[error("no manifest for {wanted}; the index lists {}", if .there.is_empty() { "no platform" } else { .there })]
    Absent { wanted: String, there: String },
    #[error("{number} manifests for {wanted}, none of which is preferred")]
    Ambiguous { wanted: String, number: usize },
}

impl Index {
    /// Reads the bytes of an index of type `listed`.
    ///
    /// # Errors
    ///
    /// As [`Manifest::parse`].
    pub fn parse(bytes: &[u8], listed: MediaType) -> Result<Self, BadManifest> {
        let object = parse_object(bytes)?;
        let document = Fields::document(&object, listed)?;
        document.known(&[
            "schemaVersion",
            "mediaType",
            "manifests",
            "subject",
            "annotations",
            "artifactType",
        ])?;
        document.lacks(&["config", "layers", "fsLayers", "blobs"], "an index does not have it")?;
        let mut children = Vec::new();
        for child in document.objects("manifests", CHILDREN_MAX)? {
            let descriptor = child.descriptor(MANIFEST_BYTES_MAX)?;
            // Attestations and artifacts have no platform.
            if let Some(platform) = child.platform()? {
                children.push((platform, descriptor));
            }
        }
        Ok(Self { children })
    }

    /// Returns the one manifest for `platform`.
    ///
    /// # Errors
    ///
    /// When there is none, or more than one.
    pub fn child(&self, platform: &Platform) -> Result<&Descriptor, NoChild> {
        let matches: Vec<&Descriptor> =
            self.children.iter().filter(|(of, _)| of == platform).map(|(_, child)| child).collect();
        match matches[..] {
            [child] => Ok(child),
            [] => {
                let there: Vec<String> =
                    self.children.iter().map(|(of, _)| of.to_string()).collect();
                let there = there.join(", ").chars().take(SHOWN_CHARACTERS_MAX).collect();
                Err(NoChild::Absent { wanted: platform.to_string(), there })
            }
            _ => Err(NoChild::Ambiguous { wanted: platform.to_string(), number: matches.len() }),
        }
    }
}

/// An object of a document, and the path to it.
struct Fields<'a> {
    at: String,
    map: &'a Map<String, Value>,
}

/// How much of a text of the document is shown.
const SHOWN_CHARACTERS_MAX: usize = 200;

fn field(at: impl Into<String>, why: impl Into<String>) -> BadManifest {
    let shown = |text: String| text.chars().take(SHOWN_CHARACTERS_MAX).collect();
    BadManifest::Field { at: shown(at.into()), why: shown(why.into()) }
}

fn parse_object(bytes: &[u8]) -> Result<Map<String, Value>, BadManifest> {
    match json::parse(bytes)? {
        Value::Object(map) => Ok(map),
        _ => Err(field("document", "expected an object")),
    }
}

impl<'a> Fields<'a> {
    /// Takes a document whose own version and type agree with how it is listed.
    fn document(map: &'a Map<String, Value>, listed: MediaType) -> Result<Self, BadManifest> {
        let document = Fields { at: String::new(), map };
        match document.map.get("schemaVersion").and_then(Value::as_u64) {
            Some(2) => {}
            Some(1) => {
                return Err(document.wrong(
                    "schemaVersion",
                    "manifests of schema 1 are not supported: push the image again",
                ));
            }
            _ => return Err(document.wrong("schemaVersion", "expected 2")),
        }
        match document.map.get("mediaType") {
            None if matches!(listed, MediaType::OciManifest | MediaType::OciIndex) => {}
            Some(Value::String(own)) if own == listed.as_str() => {}
            _ => {
                return Err(document
                    .wrong("mediaType", format!("expected {}, as it is listed", listed.as_str())));
            }
        }
        Ok(document)
    }

    fn wrong(&self, key: &str, why: impl Into<String>) -> BadManifest {
        field(format!("{}{key}", self.at), why)
    }

    /// Refuses keys that another reader would take for one of `names`.
    fn known(&self, names: &[&str]) -> Result<(), BadManifest> {
        let names: BTreeMap<String, &str> =
            names.iter().map(|name| (folded(name), *name)).collect();
        let is_lookalike = |key: &&String| names.get(&folded(key)).is_some_and(|name| name != key);
        match self.map.keys().find(is_lookalike) {
            Some(key) => Err(self.wrong(
                key,
                "some programs read it as the key of the same letters in another case",
            )),
            None => Ok(()),
        }
    }

    /// Refuses keys that a reader would take for one of `names`.
    fn lacks(&self, names: &[&str], why: &str) -> Result<(), BadManifest> {
        let names: BTreeSet<String> = names.iter().map(|name| folded(name)).collect();
        let found = self.map.keys().find(|key| names.contains(&folded(key)));
        found.map_or(Ok(()), |key| Err(self.wrong(key, why)))
    }

    fn object(&self, key: &str) -> Result<Self, BadManifest> {
        match self.map.get(key) {
            Some(Value::Object(map)) => Ok(Fields { at: format!("{}{key}.", self.at), map }),
            _ => Err(self.wrong(key, "expected an object")),
        }
    }

    fn objects(&self, key: &str, most: usize) -> Result<Vec<Self>, BadManifest> {
        let Some(Value::Array(list)) = self.map.get(key) else {
            return Err(self.wrong(key, "expected a list"));
        };
        if list.len() > most {
            return Err(self.wrong(
                key,
                format!("it has {} entries, and at most {most} are supported", list.len()),
            ));
        }
        let object = |(number, value): (usize, &'a Value)| match value {
            Value::Object(map) => Ok(Fields { at: format!("{}{key}[{number}].", self.at), map }),
            _ => Err(self.wrong(&format!("{key}[{number}]"), "expected an object")),
        };
        list.iter().enumerate().map(object).collect()
    }

    fn text(&self, key: &str) -> Result<Option<&str>, BadManifest> {
        match self.map.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(key, "expected a string")),
        }
    }

    /// Reads a descriptor of content of at most `size_max` bytes.
    fn descriptor(&self, size_max: u64) -> Result<Descriptor, BadManifest> {
        self.known(&[
            "mediaType",
            "digest",
            "size",
            "urls",
            "data",
            "platform",
            "annotations",
            "artifactType",
        ])?;
        self.lacks(&["urls"], "content that is elsewhere cannot be carried")?;
        let media_type = self.text("mediaType")?.filter(|text| !text.is_empty());
        let media_type =
            media_type.ok_or_else(|| self.wrong("mediaType", "it is missing"))?.to_owned();
        let digest = self.text("digest")?.unwrap_or_default();
        let digest = digest.strip_prefix("sha256:").and_then(|hex| hex.parse().ok());
        let digest = digest
            .ok_or_else(|| self.wrong("digest", "expected `sha256:` and 64 hexadecimal digits"))?;
        let size = self.map.get("size").and_then(Value::as_u64).unwrap_or_default();
        if !(1..=size_max).contains(&size) {
            return Err(self.wrong("size", format!("expected 1 to {size_max} bytes")));
        }
        self.check_data(digest, size)?;
        Ok(Descriptor { media_type, digest, size })
    }

    /// Refuses content in the descriptor that is not the content it describes.
    fn check_data(&self, digest: Digest, size: u64) -> Result<(), BadManifest> {
        let Some(data) = self.text("data")? else { return Ok(()) };
        let bytes = STANDARD.decode(data).map_err(|error| self.wrong("data", error.to_string()))?;
        let is_same = u64::try_from(bytes.len()) == Ok(size) && Digest::of(&bytes) == digest;
        if is_same {
            Ok(())
        } else {
            Err(self.wrong("data", "it is not what `digest` and `size` describe"))
        }
    }

    fn platform(&self) -> Result<Option<Platform>, BadManifest> {
        if !self.map.contains_key("platform") {
            return Ok(None);
        }
        let platform = self.object("platform")?;
        platform.known(&[
            "os",
            "architecture",
            "variant",
            "os.version",
            "os.features",
            "features",
        ])?;
        let (os, architecture) = (platform.text("os")?, platform.text("architecture")?);
        let variant = platform.text("variant")?;
        Ok(os.zip(architecture).map(|(os, architecture)| Platform::new(os, architecture, variant)))
    }
}

#[cfg(test)]
mod tests;
