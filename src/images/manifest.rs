//! Strict parsing of image manifests and indexes, for `lock`, `fetch` and `verify`.
//!
//! Rejects everything that two programs could read differently: keys that differ only in case, a
//! manifest that is also an index, conflicting media types, layers stored elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::json::{self, folded};
use super::platform::Platform;
use crate::model::digest::Digest;
use crate::model::printable::start_of;

/// The maximum size of a manifest or index; registries accept 4 MiB.
pub const MANIFEST_BYTES_MAX: u64 = 4 << 20;
/// The maximum size of a config or layer: the capacity of an archive entry.
pub const BLOB_BYTES_MAX: u64 = (8 << 30) - 1;
/// The maximum number of layers; runtimes mount at most 127, and Docker rejects more.
const LAYERS_MAX: usize = 500;
/// The maximum number of children of an index; the largest public ones have a few dozen.
const CHILDREN_MAX: usize = 1_000;

/// The media type of a manifest, as declared by a registry.
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

    /// Returns the media type of that name; ignores parameters such as `; charset=utf-8`.
    pub fn of(text: &str) -> Option<Self> {
        let text = text.split(';').next().unwrap_or_default().trim();
        Self::ALL.into_iter().find(|media_type| media_type.as_str() == text)
    }

    pub fn is_index(self) -> bool {
        matches!(self, Self::OciIndex | Self::DockerList)
    }
}

/// Why a manifest or index is rejected.
#[derive(Debug, thiserror::Error)]
pub enum BadManifest {
    #[error("it is not unambiguous JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("`{}`: {}", shown(at), shown(why))]
    Field { at: String, why: String },
}

/// A reference to content in a manifest or index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    pub media_type: String,
    pub digest: Digest,
    /// The size in bytes; at least 1.
    pub size: u64,
}

/// The manifest of one image for one platform.
#[derive(Debug, PartialEq, Eq)]
pub struct ImageManifest {
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
}

impl ImageManifest {
    /// Parses the bytes of a manifest of type `listed`.
    ///
    /// # Errors
    ///
    /// Returns an error if the bytes are not an image manifest of that type, or are ambiguous.
    pub fn parse(bytes: &[u8], listed: MediaType) -> Result<Self, BadManifest> {
        let object = parse_object(bytes)?;
        let document = DocumentFields::document(&object, listed)?;
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
            .lacks(&["manifests", "fsLayers", "blobs"], "an image manifest must not have it")?;
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
                    "sha256:{digest} is a foreign layer ({media_type}), which registries do not \
                     serve"
                );
                return Err(field("layers", why));
            }
        }
        Ok(())
    }
}

/// An index with one manifest per platform.
#[derive(Debug)]
pub struct ImageIndex {
    children: Vec<(Platform, Descriptor)>,
}

/// Why an index does not identify one manifest for a platform.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoChild {
    #[error("no manifest for {wanted}; the index lists {}", if .there.is_empty() { "no platform" } else { shown(.there) })]
    Absent { wanted: String, there: String },
    #[error("{number} manifests for {wanted}, none of which is preferred")]
    Ambiguous { wanted: String, number: usize },
}

impl ImageIndex {
    /// Parses the bytes of an index of type `listed`.
    ///
    /// # Errors
    ///
    /// As for [`ImageManifest::parse`].
    pub fn parse(bytes: &[u8], listed: MediaType) -> Result<Self, BadManifest> {
        let object = parse_object(bytes)?;
        let document = DocumentFields::document(&object, listed)?;
        document.known(&[
            "schemaVersion",
            "mediaType",
            "manifests",
            "subject",
            "annotations",
            "artifactType",
        ])?;
        document.lacks(&["config", "layers", "fsLayers", "blobs"], "an index must not have it")?;
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

    /// Returns the only manifest for `platform`.
    ///
    /// # Errors
    ///
    /// Returns an error if the index has no such manifest, or several.
    pub fn child(&self, platform: &Platform) -> Result<&Descriptor, NoChild> {
        let matches: Vec<&Descriptor> =
            self.children.iter().filter(|(of, _)| of == platform).map(|(_, child)| child).collect();
        match matches[..] {
            [child] => Ok(child),
            [] => {
                let there: Vec<String> =
                    self.children.iter().map(|(of, _)| of.to_string()).collect();
                Err(NoChild::Absent { wanted: platform.to_string(), there: there.join(", ") })
            }
            _ => Err(NoChild::Ambiguous { wanted: platform.to_string(), number: matches.len() }),
        }
    }
}

/// An object in a document, with the path to it.
struct DocumentFields<'a> {
    at: String,
    map: &'a Map<String, Value>,
}

/// How much text from a document a message shows.
const SHOWN_CHARACTERS_MAX: usize = 200;

fn field(at: impl Into<String>, why: impl Into<String>) -> BadManifest {
    BadManifest::Field { at: at.into(), why: why.into() }
}

/// Returns the part of a text from a document that a message shows.
fn shown(text: &str) -> &str {
    start_of(text, SHOWN_CHARACTERS_MAX)
}

fn parse_object(bytes: &[u8]) -> Result<Map<String, Value>, BadManifest> {
    match json::parse(bytes)? {
        Value::Object(map) => Ok(map),
        _ => Err(field("document", "expected an object")),
    }
}

impl<'a> DocumentFields<'a> {
    /// Wraps a document after checking that its version and media type match its listing.
    fn document(map: &'a Map<String, Value>, listed: MediaType) -> Result<Self, BadManifest> {
        let document = DocumentFields { at: String::new(), map };
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

    /// Rejects keys that another parser would read as one of `names`.
    fn known(&self, names: &[&str]) -> Result<(), BadManifest> {
        let names: BTreeMap<String, &str> =
            names.iter().map(|name| (folded(name), *name)).collect();
        let is_lookalike = |key: &&String| names.get(&folded(key)).is_some_and(|name| name != key);
        match self.map.keys().find(is_lookalike) {
            Some(key) => {
                Err(self.wrong(key, "some programs read it as the same key in another case"))
            }
            None => Ok(()),
        }
    }

    /// Rejects keys that a parser would read as one of `names`.
    fn lacks(&self, names: &[&str], why: &str) -> Result<(), BadManifest> {
        let names: BTreeSet<String> = names.iter().map(|name| folded(name)).collect();
        let found = self.map.keys().find(|key| names.contains(&folded(key)));
        found.map_or(Ok(()), |key| Err(self.wrong(key, why)))
    }

    fn object(&self, key: &str) -> Result<Self, BadManifest> {
        match self.map.get(key) {
            Some(Value::Object(map)) => {
                Ok(DocumentFields { at: format!("{}{key}.", self.at), map })
            }
            _ => Err(self.wrong(key, "expected an object")),
        }
    }

    fn objects(&self, key: &str, most: usize) -> Result<Vec<Self>, BadManifest> {
        let Some(Value::Array(list)) = self.map.get(key) else {
            return Err(self.wrong(key, "expected a list"));
        };
        if list.len() > most {
            return Err(
                self.wrong(key, format!("it has {} entries; the limit is {most}", list.len()))
            );
        }
        let object = |(number, value): (usize, &'a Value)| match value {
            Value::Object(map) => {
                Ok(DocumentFields { at: format!("{}{key}[{number}].", self.at), map })
            }
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

    /// Reads a descriptor of content with at most `size_max` bytes.
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
        self.lacks(&["urls"], "content at another location cannot be carried")?;
        let media_type = self.text("mediaType")?.filter(|text| !text.is_empty());
        let media_type =
            media_type.ok_or_else(|| self.wrong("mediaType", "it is missing"))?.to_owned();
        let digest = self.text("digest")?.unwrap_or_default();
        let digest = Digest::from_prefixed(digest)
            .map_err(|_| self.wrong("digest", "expected `sha256:` and 64 hexadecimal digits"))?;
        let size = self.map.get("size").and_then(Value::as_u64).unwrap_or_default();
        if !(1..=size_max).contains(&size) {
            return Err(self.wrong("size", format!("expected 1 to {size_max} bytes")));
        }
        self.check_data(digest, size)?;
        Ok(Descriptor { media_type, digest, size })
    }

    /// Rejects embedded content that does not match the descriptor.
    fn check_data(&self, digest: Digest, size: u64) -> Result<(), BadManifest> {
        let Some(data) = self.text("data")? else { return Ok(()) };
        let bytes = STANDARD.decode(data).map_err(|error| self.wrong("data", error.to_string()))?;
        let is_same = u64::try_from(bytes.len()) == Ok(size) && Digest::of(&bytes) == digest;
        if is_same {
            Ok(())
        } else {
            Err(self.wrong("data", "it does not match `digest` and `size`"))
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
