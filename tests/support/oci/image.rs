//! Images in memory, made independently of the program under test.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::tar;

/// The family of an image's media types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Oci,
    Docker,
}

impl Format {
    pub(crate) const ALL: [Self; 2] = [Self::Oci, Self::Docker];

    pub(crate) fn manifest(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.manifest.v1+json",
            Self::Docker => "application/vnd.docker.distribution.manifest.v2+json",
        }
    }

    pub(crate) fn index(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.index.v1+json",
            Self::Docker => "application/vnd.docker.distribution.manifest.list.v2+json",
        }
    }

    fn config(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.config.v1+json",
            Self::Docker => "application/vnd.docker.container.image.v1+json",
        }
    }

    fn layer(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Docker => "application/vnd.docker.image.rootfs.diff.tar.gzip",
        }
    }
}

/// Bytes that a registry stores under their digest.
pub(crate) struct Content {
    pub(crate) media_type: &'static str,
    pub(crate) bytes: Vec<u8>,
    /// With `sha256:` in front.
    pub(crate) digest: String,
}

impl Content {
    pub(crate) fn new(media_type: &'static str, bytes: Vec<u8>) -> Self {
        let digest = digest(&bytes);
        Self { media_type, bytes, digest }
    }

    pub(crate) fn json(media_type: &'static str, value: &Value) -> Self {
        Self::new(media_type, value.to_string().into_bytes())
    }

    pub(crate) fn descriptor(&self) -> Value {
        json!({ "mediaType": self.media_type, "digest": self.digest, "size": self.bytes.len() })
    }

    /// Returns the digest without `sha256:`.
    pub(crate) fn hex(&self) -> &str {
        &self.digest["sha256:".len()..]
    }
}

/// Returns a SHA-256 digest with `sha256:` in front.
pub(crate) fn digest(bytes: &[u8]) -> String {
    let hex = |text: String, byte: &u8| format!("{text}{byte:02x}");
    Sha256::digest(bytes).iter().fold("sha256:".to_owned(), hex)
}

/// A layer, and the digest of its tar.
pub(crate) struct Layer {
    content: Content,
    diff_id: String,
}

impl Layer {
    /// Returns a layer of about a hundred bytes, with one file.
    pub(crate) fn small(format: Format, file: &str, text: &str) -> Self {
        let tar = tar_of(file, text.as_bytes());
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&tar).unwrap();
        Self {
            content: Content::new(format.layer(), encoder.finish().unwrap()),
            diff_id: digest(&tar),
        }
    }

    /// Returns a layer of any bytes, which registries store but no node can unpack.
    pub(crate) fn opaque(format: Format, bytes: &[u8]) -> Self {
        Self { content: Content::new(format.layer(), bytes.to_vec()), diff_id: digest(bytes) }
    }

    /// Returns a layer of exactly this size, a multiple of 512: a tar of one file that does not
    /// compress. OCI has a media type for a tar without gzip.
    pub(crate) fn large(bytes: usize) -> Self {
        let tar = tar_of("noise", &noise(bytes - 3 * tar::BLOCK));
        assert_eq!(tar.len(), bytes);
        let content = Content::new("application/vnd.oci.image.layer.v1.tar", tar);
        Self { diff_id: content.digest.clone(), content }
    }
}

fn tar_of(file: &str, bytes: &[u8]) -> Vec<u8> {
    let mut tar = tar::file(file, bytes);
    tar.resize(tar.len() + 2 * tar::BLOCK, 0);
    tar
}

/// Returns pseudo-random bytes, the same on every machine (xorshift).
fn noise(bytes: usize) -> Vec<u8> {
    let mut noise = Vec::with_capacity(bytes + 8);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    while noise.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise.extend_from_slice(&state.to_le_bytes());
    }
    noise.truncate(bytes);
    noise
}

/// The platform of an image; the system is Linux.
#[derive(Clone, Copy)]
pub(crate) struct Platform {
    architecture: &'static str,
    variant: Option<&'static str>,
}

pub(crate) const AMD64: Platform = Platform { architecture: "amd64", variant: None };
pub(crate) const ARM64: Platform = Platform { architecture: "arm64", variant: Some("v8") };

impl Platform {
    fn to_json(self) -> Value {
        let mut platform = json!({ "architecture": self.architecture, "os": "linux" });
        if let Some(variant) = self.variant {
            platform["variant"] = variant.into();
        }
        platform
    }
}

/// The manifest of one platform with its blobs, or an index with its children.
pub(crate) struct Image {
    pub(crate) manifest: Content,
    /// The config and the layers; empty for an index.
    pub(crate) blobs: Vec<Content>,
    pub(crate) children: Vec<Self>,
}

impl Image {
    /// Returns an image for linux/amd64 with one layer, whose file has `text`.
    pub(crate) fn small(format: Format, text: &str) -> Self {
        Self::of_layers(format, AMD64, vec![Layer::small(format, "hello", text)])
    }

    /// Returns an image for linux/amd64 with a small layer and one of exactly this size.
    pub(crate) fn large(bytes: usize) -> Self {
        let small = Layer::small(Format::Oci, "hello", "small");
        Self::of_layers(Format::Oci, AMD64, vec![small, Layer::large(bytes)])
    }

    /// Returns an image for linux/amd64 with two layers of one byte.
    pub(crate) fn tiny(format: Format) -> Self {
        Self::of_layers(format, AMD64, [b"a", b"b"].map(|byte| Layer::opaque(format, byte)).into())
    }

    pub(crate) fn of_layers(format: Format, platform: Platform, layers: Vec<Layer>) -> Self {
        let mut config = platform.to_json();
        let diff_ids: Vec<_> = layers.iter().map(|layer| layer.diff_id.as_str()).collect();
        config["rootfs"] = json!({ "type": "layers", "diff_ids": diff_ids });
        let layers = layers.into_iter().map(|layer| layer.content);
        Self::of_contents(format, Content::json(format.config(), &config), layers.collect())
    }

    fn of_contents(format: Format, config: Content, layers: Vec<Content>) -> Self {
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": format.manifest(),
            "config": config.descriptor(),
            "layers": layers.iter().map(Content::descriptor).collect::<Vec<_>>(),
        });
        let blobs = std::iter::once(config).chain(layers).collect();
        Self { manifest: Content::json(format.manifest(), &manifest), blobs, children: Vec::new() }
    }

    /// Returns an index as `docker buildx` pushes it: two platforms, and an attestation of one of
    /// them.
    pub(crate) fn index(format: Format, text: &str) -> Self {
        let child = |platform: Platform| {
            let text = format!("{text} {}", platform.architecture);
            Self::of_layers(format, platform, vec![Layer::small(format, "hello", &text)])
        };
        let (amd64, arm64) = (child(AMD64), child(ARM64));
        let attestation = Self::attestation(format);
        let mut descriptors =
            [&amd64, &arm64, &attestation].map(|child| child.manifest.descriptor());
        descriptors[0]["platform"] = AMD64.to_json();
        descriptors[1]["platform"] = ARM64.to_json();
        descriptors[2]["platform"] = json!({ "architecture": "unknown", "os": "unknown" });
        descriptors[2]["annotations"] = json!({
            "vnd.docker.reference.digest": amd64.manifest.digest,
            "vnd.docker.reference.type": "attestation-manifest",
        });
        let index =
            json!({ "schemaVersion": 2, "mediaType": format.index(), "manifests": descriptors });
        Self {
            manifest: Content::json(format.index(), &index),
            blobs: Vec::new(),
            children: vec![amd64, arm64, attestation],
        }
    }

    fn attestation(format: Format) -> Self {
        let statement = json!({ "_type": "https://in-toto.io/Statement/v0.1", "predicate": {} });
        let statement = Content::json("application/vnd.in-toto+json", &statement);
        let config = json!({
            "architecture": "unknown",
            "os": "unknown",
            "rootfs": { "type": "layers", "diff_ids": [statement.digest] },
        });
        Self::of_contents(format, Content::json(format.config(), &config), vec![statement])
    }

    /// Returns the image and the children of an index, children first.
    pub(crate) fn parts(&self) -> Vec<&Self> {
        self.children.iter().chain([self]).collect()
    }

    /// Returns its manifests and blobs by digest, each once.
    pub(crate) fn contents(&self) -> Vec<&Content> {
        let parts = self.parts().into_iter();
        let mut contents: Vec<_> =
            parts.flat_map(|part| part.blobs.iter().chain([&part.manifest])).collect();
        contents.sort_by_key(|content| &content.digest);
        contents.dedup_by_key(|content| &content.digest);
        contents
    }
}
