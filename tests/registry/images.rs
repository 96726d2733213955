//! An image of two blobs, and an index around it.

use relay_bundle::images::manifest::MediaType;
use relay_bundle::model::digest::Digest;
use serde_json::{Value, json};

use crate::stub::{Answer, Seen};

pub(crate) const CONFIG: &[u8] = b"{\"architecture\":\"amd64\",\"os\":\"linux\"}";
pub(crate) const LAYER: &[u8] = b"not really a tar";

/// A document that a registry serves.
#[derive(Clone)]
pub(crate) struct Document {
    pub(crate) media_type: MediaType,
    pub(crate) bytes: Vec<u8>,
}

impl Document {
    pub(crate) fn new(media_type: MediaType, value: &Value) -> Self {
        Self { media_type, bytes: value.to_string().into_bytes() }
    }

    pub(crate) fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    pub(crate) fn answer(&self) -> Answer {
        Answer::of(self.media_type.as_str(), self.bytes.clone())
    }

    /// Serves documents by digest and under every tag; their blobs exist, too.
    pub(crate) fn serve(documents: &[Self], seen: &Seen) -> Answer {
        let name = seen.target.rsplit('/').next().unwrap();
        let blob =
            [CONFIG, LAYER].into_iter().find(|blob| name == format!("sha256:{}", Digest::of(blob)));
        if let Some(blob) = blob {
            return Answer::new(200, blob);
        }
        let by_digest =
            documents.iter().find(|document| name == format!("sha256:{}", document.digest()));
        match by_digest {
            Some(document) => document.answer(),
            None if name.starts_with("sha256:") => Answer::new(
                404,
                "{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\",\"message\":\"gone\"}]}",
            ),
            None => documents[0].answer(),
        }
    }
}

fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": format!("sha256:{}", Digest::of(bytes)), "size": bytes.len()})
}

pub(crate) fn manifest() -> Document {
    let media_type = MediaType::OciManifest;
    let value = json!({
        "schemaVersion": 2,
        "mediaType": media_type.as_str(),
        "config": descriptor("application/vnd.oci.image.config.v1+json", CONFIG),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar+gzip", LAYER)],
    });
    Document::new(media_type, &value)
}

/// Returns an index with `manifest` for `linux/amd64`, and another child.
pub(crate) fn index(manifest: &Document) -> Document {
    let mut child = descriptor(manifest.media_type.as_str(), &manifest.bytes);
    child["platform"] = json!({"os": "linux", "architecture": "amd64"});
    let mut other = descriptor(manifest.media_type.as_str(), b"other");
    other["platform"] = json!({"os": "linux", "architecture": "arm64"});
    index_of(&[child, other])
}

pub(crate) fn index_of(children: &[Value]) -> Document {
    let media_type = MediaType::OciIndex;
    let value =
        json!({"schemaVersion": 2, "mediaType": media_type.as_str(), "manifests": children});
    Document::new(media_type, &value)
}
