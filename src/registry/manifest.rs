//! Fetches manifests, and resolves image names to the manifest of one platform.

use http::HeaderName;
use http::header::{ACCEPT, CONTENT_TYPE};
use serde::Deserialize;

use super::client::{Call, Registry};
use super::error::RegistryAction::Fetch;
use super::error::{RegistryContent, RegistryError, RegistryFault, RequestFailure};
use super::host::Repository;
use super::place::RegistryPlace;
use super::reply::RegistryReply;
use crate::images::lock::LockedImage;
use crate::images::manifest::{
    Descriptor, ImageIndex, ImageManifest, MANIFEST_BYTES_MAX, MediaType,
};
use crate::images::platform::Platform;
use crate::images::reference::ImageReference;
use crate::model::digest::Digest;

/// The accepted media types. A registry returns a manifest in one of them, or, depending on the
/// registry, not at all.
pub(super) const ACCEPTED: &str = "application/vnd.oci.image.manifest.v1+json, \
                        application/vnd.oci.image.index.v1+json, \
                        application/vnd.docker.distribution.manifest.v2+json, \
                        application/vnd.docker.distribution.manifest.list.v2+json";
/// The header with the digest of a manifest.
pub(super) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
/// The media type prefix of a schema 1 manifest.
const SCHEMA_1: &str = "application/vnd.docker.distribution.manifest.v1+";
/// The default tag of a reference.
const LATEST: &str = "latest";

/// A manifest or index; its bytes are verified if the reference had a digest.
#[derive(Debug)]
pub struct PulledManifest {
    pub media_type: MediaType,
    pub bytes: Vec<u8>,
    pub digest: Digest,
}

/// The tag or digest of a requested manifest.
#[derive(Clone, Copy)]
pub(super) enum ManifestName<'a> {
    Tag(&'a str),
    Digest(Digest),
}

impl Registry {
    /// Resolves a name to its manifest or index, and to the platform's manifest below it.
    ///
    /// # Errors
    ///
    /// When the registry does not have it, denies access, or returns anything but a manifest with
    /// exactly one interpretation.
    pub fn resolve(
        &self,
        image: &ImageReference,
        platform: &Platform,
    ) -> Result<LockedImage, RegistryError> {
        let resolved = self.resolve_at(&self.repository(image), image, platform);
        resolved.map_err(|failure| self.failed(Fetch, RegistryContent::manifest(image), failure))
    }

    /// Fetches the manifest or index of a reference, by digest if it has one.
    ///
    /// # Errors
    ///
    /// Same as [`Registry::resolve`], except that the bytes are not parsed.
    pub fn pull_manifest(&self, image: &ImageReference) -> Result<PulledManifest, RegistryError> {
        let pulled = self.manifest(&self.repository(image), ManifestName::of(image));
        let pulled = pulled.map(|found| found.manifest);
        pulled.map_err(|failure| self.failed(Fetch, RegistryContent::manifest(image), failure))
    }

    fn resolve_at(
        &self,
        repository: &Repository,
        image: &ImageReference,
        platform: &Platform,
    ) -> Result<LockedImage, RequestFailure> {
        let top = self.manifest(repository, ManifestName::of(image))?;
        let tagged = top.manifest.digest;
        let is_index = top.manifest.media_type.is_index();
        let found = if is_index { self.child(repository, &top, platform)? } else { top };
        let PulledManifest { media_type, bytes, digest } = &found.manifest;
        let manifest =
            ImageManifest::parse(bytes, *media_type).map_err(|error| found.failed(error))?;
        if !is_index {
            self.check_platform(repository, &manifest.config, platform)?;
        }
        let blobs = manifest.blobs();
        Ok(LockedImage {
            tagged,
            digest: *digest,
            media_type: *media_type,
            size: bytes.len() as u64,
            blobs,
        })
    }

    /// Fetches the platform's manifest from an index.
    fn child(
        &self,
        repository: &Repository,
        index: &FoundManifest,
        platform: &Platform,
    ) -> Result<FoundManifest, RequestFailure> {
        let PulledManifest { media_type, bytes, .. } = &index.manifest;
        let parsed = ImageIndex::parse(bytes, *media_type).map_err(|error| index.failed(error))?;
        let listed = parsed.child(platform).map_err(|error| index.failed(error))?;
        let child = self.manifest(repository, ManifestName::Digest(listed.digest))?;
        let (wanted, found) = (listed.size, child.manifest.bytes.len() as u64);
        if wanted != found {
            return Err(child.failed(RegistryFault::WrongSize { wanted, found }));
        }
        // A nested index is not followed, and the media type must be the one that the index lists.
        let media_type = child.manifest.media_type;
        if media_type.is_index() || media_type.as_str() != listed.media_type {
            return Err(
                child.failed(RegistryFault::MediaType(format!("`{}`", media_type.as_str())))
            );
        }
        Ok(child)
    }

    /// Checks the platform of an image without an index, if its config names a platform.
    fn check_platform(
        &self,
        repository: &Repository,
        config: &Descriptor,
        platform: &Platform,
    ) -> Result<(), RequestFailure> {
        let (bytes, place) = self.persist(|| self.small_blob(repository, config))?;
        let Ok(ConfigPlatform { os: Some(os), architecture: Some(architecture) }) =
            serde_json::from_slice(&bytes)
        else {
            return Ok(());
        };
        let (wanted, found) = (platform.to_string(), format!("{os}/{architecture}"));
        // Many configs omit the variant.
        if wanted == found || wanted.strip_prefix(&found).is_some_and(|rest| rest.starts_with('/'))
        {
            return Ok(());
        }
        Err(RegistryFault::OtherPlatform { wanted, found }.at(&place))
    }

    pub(super) fn manifest(
        &self,
        repository: &Repository,
        name: ManifestName,
    ) -> Result<FoundManifest, RequestFailure> {
        let call = Call::get(format!("manifests/{}", name.text())).with(ACCEPT, ACCEPTED);
        self.persist(|| {
            let reply = self.send(repository, &call)?;
            match reply.answer.status {
                200 => name.receive(reply),
                _ => Err(reply.refused(name.missing())),
            }
        })
    }
}

/// The platform fields of a config.
#[derive(Deserialize)]
struct ConfigPlatform {
    os: Option<String>,
    architecture: Option<String>,
}

/// A manifest with the place that returned it.
pub(super) struct FoundManifest {
    pub(super) manifest: PulledManifest,
    place: RegistryPlace,
}

impl FoundManifest {
    pub(super) fn failed(&self, why: impl Into<RegistryFault>) -> RequestFailure {
        why.into().at(&self.place)
    }
}

impl<'a> ManifestName<'a> {
    /// Returns the name of an image's manifest; a digest takes precedence over a tag.
    pub(super) fn of(image: &'a ImageReference) -> Self {
        image.digest().map_or_else(|| Self::Tag(image.tag().unwrap_or(LATEST)), Self::Digest)
    }

    pub(super) fn text(self) -> String {
        match self {
            Self::Tag(tag) => tag.to_owned(),
            Self::Digest(digest) => digest.prefixed(),
        }
    }

    /// Reads an answer and checks it against the requested name.
    fn receive(self, reply: RegistryReply) -> Result<FoundManifest, RequestFailure> {
        let mut answer = reply.answer;
        let place = answer.place.clone();
        let media_type = media_type(answer.header(&CONTENT_TYPE)).map_err(|why| why.at(&place))?;
        let bytes = answer.read_all(MANIFEST_BYTES_MAX)?;
        let digest = Digest::of(&bytes);
        if let Self::Digest(wanted) = self
            && wanted != digest
        {
            return Err(RegistryFault::WrongDigest { wanted, found: digest }.at(&place));
        }
        Ok(FoundManifest { manifest: PulledManifest { media_type, bytes, digest }, place })
    }

    fn missing(self) -> RegistryFault {
        match self {
            Self::Tag(_) => RegistryFault::UnknownImage,
            Self::Digest(digest) => RegistryFault::Gone(digest),
        }
    }
}

pub(super) fn media_type(header: Option<&str>) -> Result<MediaType, RegistryFault> {
    let text = header.unwrap_or_default();
    let name = text.split(';').next().unwrap_or_default().trim();
    MediaType::of(text).ok_or_else(|| match name {
        "" => RegistryFault::MediaType("an answer without a type".to_owned()),
        text if text.starts_with(SCHEMA_1) => RegistryFault::Schema1,
        text if is_media_type(text) => RegistryFault::MediaType(format!("`{text}`")),
        // The text may be anything, such as a whole page.
        _ => RegistryFault::MediaType("an answer of an unknown type".to_owned()),
    })
}

/// Returns whether a text looks like the name of a media type.
fn is_media_type(name: &str) -> bool {
    let is_name =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
    name.len() <= 100
        && ["application/", "audio/", "image/", "multipart/", "text/", "video/"]
            .iter()
            .filter_map(|kind| name.strip_prefix(kind))
            .any(|rest| !rest.is_empty() && rest.bytes().all(is_name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_readable_media_type_is_in_accept_header() {
        let accepted: Vec<&str> = ACCEPTED.split(", ").collect();
        assert_eq!(accepted, MediaType::ALL.map(MediaType::as_str));
    }

    #[test]
    fn type_of_answer_decides_how_it_is_read() {
        for media_type_of in MediaType::ALL {
            let parameters = format!("{}; charset=utf-8", media_type_of.as_str());
            assert_eq!(media_type(Some(&parameters)).ok(), Some(media_type_of));
        }
        let schema_1 =
            media_type(Some("application/vnd.docker.distribution.manifest.v1+prettyjws"));
        assert!(matches!(schema_1, Err(RegistryFault::Schema1)));
        assert!(
            matches!(media_type(Some("text/html")), Err(RegistryFault::MediaType(text)) if text == "`text/html`")
        );
        assert!(matches!(media_type(None), Err(RegistryFault::MediaType(_))));
    }
}
