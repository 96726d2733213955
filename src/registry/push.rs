//! Uploads blobs in a single request each, and manifests and tags, which are read back.

use std::io::Read;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, EXPECT, LOCATION};
use http::{Method, Uri};

use super::client::{Call, Registry};
use super::error::{RegistryAction, RegistryContent, RegistryError, RegistryFault, RequestFailure};
use super::host::Repository;
use super::manifest::{ManifestName, PulledManifest};
use super::presence::Availability;
use super::reply::RegistryReply;
use super::retry::{delay, delay_of_manifest};
use super::upload_body::{CallBody, UploadBody};
use super::{host::Wire, redirect};
use crate::images::manifest::MediaType;
use crate::images::reference::ImageReference;
use crate::model::digest::Digest;

/// Blobs up to this size are kept in memory, so that they can be sent again.
const SMALL_BYTES_MAX: u64 = 1 << 20;

/// A config or layer to upload, and its target repository.
#[derive(Clone, Copy, Debug)]
pub struct BlobUpload<'a> {
    pub image: &'a ImageReference,
    pub digest: Digest,
    /// The full size of the blob.
    pub size: u64,
}

/// Why uploading a blob failed.
#[derive(Debug)]
pub enum UploadFailure {
    /// A temporary failure: send the blob again from its first byte.
    Interrupted(RegistryError),
    Final(RegistryError),
}

/// A registry's answer to a request to mount a blob from another repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MountAnswer {
    Mounted,
    Refused,
}

/// The target of a tag.
#[derive(Debug)]
pub enum TagTarget {
    Nothing,
    Manifest(PulledManifest),
    /// A manifest that is not an image's.
    Other,
}

impl Registry {
    /// Uploads a blob in one request, whose URL contains the digest: a registry refuses other
    /// bytes.
    ///
    /// # Errors
    ///
    /// When the registry refuses it, or `content` cannot be read.
    pub fn push_blob(
        &self,
        upload: &BlobUpload,
        content: &mut dyn Read,
    ) -> Result<(), UploadFailure> {
        let BlobUpload { image, digest, size } = *upload;
        let repository = self.repository(image);
        let mut body = UploadBody::new(content, size);
        let failure = |failure: RequestFailure| {
            self.failed(RegistryAction::Push, RegistryContent::blob(image, digest), failure)
        };
        let failed = |last: RequestFailure| UploadFailure::Final(failure(last));

        if size <= SMALL_BYTES_MAX {
            let mut bytes = Vec::new();
            let read = body.read_to_end(&mut bytes);
            if let Err(error) = read {
                let why = body.take_failure().unwrap_or(RegistryFault::Source(error));
                return Err(failed(why.at(&repository.place())));
            }
            let sent =
                self.persist(|| self.put_blob(&repository, digest, &mut CallBody::Bytes(&bytes)));
            return sent.map_err(failed);
        }

        let mut failures = 0;
        loop {
            let sent = self.put_blob(&repository, digest, &mut CallBody::Stream(&mut body));
            let Err(last) = sent else { return Ok(()) };
            if let Some(why) = body.take_failure() {
                return Err(failed(why.at(&last.place)));
            }
            if body.is_begun() {
                let may_pass = delay(1, &last.why).is_some();
                let error = failure(last);
                return Err(if may_pass {
                    UploadFailure::Interrupted(error)
                } else {
                    UploadFailure::Final(error)
                });
            }
            failures = self.wait(failures, last).map_err(failed)?;
        }
    }

    /// Waits before an interrupted upload is repeated, and returns the number of failures so far.
    ///
    /// # Errors
    ///
    /// Returns `failure` after too many failures, or if it is final.
    pub fn await_upload(
        &self,
        failures: u32,
        failure: RegistryError,
    ) -> Result<u32, RegistryError> {
        match delay(failures + 1, &failure.why) {
            None => Err(failure),
            Some(delay) => {
                self.pause(delay);
                Ok(failures + 1)
            }
        }
    }

    /// Asks the registry to mount a blob from the repository of `from` into that of `image`, at the
    /// same registry, and asks whether it has done so.
    ///
    /// # Errors
    ///
    /// When the registry gives no usable answer. A registry without permission or support for the
    /// mount counts as [`MountAnswer::Refused`].
    pub fn mount(
        &self,
        upload: &BlobUpload,
        from: &ImageReference,
    ) -> Result<MountAnswer, RegistryError> {
        let BlobUpload { image, digest, size } = *upload;
        let repository = self.repository(image);
        let path =
            format!("blobs/uploads/?mount=sha256:{digest}&from={}", self.repository(from).path);
        let call = Call::new(Method::POST, path);

        let answered = self.persist(|| {
            let reply = self.send_body(&repository, &call, &mut CallBody::Bytes(&[]))?;
            match reply.answer.status {
                201 => Ok(MountAnswer::Mounted),
                202 => {
                    self.cancel(&repository, &reply);
                    Ok(MountAnswer::Refused)
                }
                400 | 401 | 403 | 404 | 405 => Ok(MountAnswer::Refused),
                _ => Err(reply.refused(RegistryFault::UnknownRepository)),
            }
        });

        let what = RegistryContent::blob(image, digest);
        let answer = answered.map_err(|last| self.failed(RegistryAction::Push, what, last))?;
        if answer == MountAnswer::Refused {
            return Ok(answer);
        }

        // Some registries and proxies answer 201 without mounting anything.
        match self.has_blob(image, digest, size) {
            Availability::There => Ok(MountAnswer::Mounted),
            Availability::Absent => Ok(MountAnswer::Refused),
            Availability::Unknown(error) => Err(error),
        }
    }

    /// Uploads a manifest by digest, and checks it by reading it back.
    ///
    /// # Errors
    ///
    /// When the registry refuses it, or stores different content.
    pub fn push_manifest(
        &self,
        image: &ImageReference,
        manifest: &PulledManifest,
    ) -> Result<(), RegistryError> {
        let name = ManifestName::Digest(manifest.digest);
        let sent = self.put_manifest(&self.repository(image), name, manifest);
        let what = RegistryContent::manifest(image);
        sent.map_err(|last| self.failed(RegistryAction::Push, what, last))
    }

    /// Sets the tag of a reference without a digest, and checks it by reading it back.
    ///
    /// # Errors
    ///
    /// Same as [`Registry::push_manifest`].
    pub fn set_tag(
        &self,
        tag: &ImageReference,
        manifest: &PulledManifest,
    ) -> Result<(), RegistryError> {
        let sent = self.put_manifest(&self.repository(tag), ManifestName::of(tag), manifest);
        let what = RegistryContent::manifest(tag);
        sent.map_err(|last| self.failed(RegistryAction::Push, what, last))
    }

    /// Returns the target of the tag of a reference without a digest.
    ///
    /// # Errors
    ///
    /// When the registry gives no usable answer.
    pub fn tagged(&self, tag: &ImageReference) -> Result<TagTarget, RegistryError> {
        match self.manifest(&self.repository(tag), ManifestName::of(tag)) {
            Ok(found) => Ok(TagTarget::Manifest(found.manifest)),
            Err(failure) => match failure.why {
                RegistryFault::UnknownImage => Ok(TagTarget::Nothing),
                RegistryFault::MediaType(_) | RegistryFault::Schema1 => Ok(TagTarget::Other),
                _ => Err(self.failed(RegistryAction::Ask, RegistryContent::manifest(tag), failure)),
            },
        }
    }

    fn put_manifest(
        &self,
        repository: &Repository,
        name: ManifestName,
        manifest: &PulledManifest,
    ) -> Result<(), RequestFailure> {
        let PulledManifest { media_type, bytes, digest } = manifest;
        let call = Call::new(Method::PUT, format!("manifests/{}", name.text()))
            .with(CONTENT_TYPE, media_type.as_str());
        let send = || {
            let reply = self.send_body(repository, &call, &mut CallBody::Bytes(bytes))?;
            match reply.answer.status {
                200..=204 => Ok(()),
                _ => Err(reply.refused(RegistryFault::UnknownRepository)),
            }
        };
        self.persist_by(delay_of_manifest, send)?;
        let found = self.manifest(repository, name)?;
        let (wanted, there) = (*digest, found.manifest.digest);
        if there != wanted {
            return Err(found.failed(RegistryFault::WrongDigest { wanted, found: there }));
        }
        check_type(*media_type, found.manifest.media_type).map_err(|why| found.failed(why))
    }

    /// Starts an upload and sends all bytes.
    fn put_blob(
        &self,
        repository: &Repository,
        digest: Digest,
        body: &mut CallBody,
    ) -> Result<(), RequestFailure> {
        let opening = Call::new(Method::POST, "blobs/uploads/".to_owned());
        let begun = self.send_body(repository, &opening, &mut CallBody::Bytes(&[]))?;
        if begun.answer.status != 202 {
            return Err(begun.refused(RegistryFault::UnknownRepository));
        }
        let session = self.session(repository, &begun)?;
        let uri = with_digest(&session, digest)
            .ok_or_else(|| RegistryFault::BadRedirect.at(&begun.answer.place))?;
        let mut call = Call::to(Method::PUT, uri).with(CONTENT_TYPE, "application/octet-stream");
        if let CallBody::Stream(body) = body {
            // The registry can refuse before the body is sent, which cannot be read a second time.
            call = call.with(CONTENT_LENGTH, &body.size().to_string()).with(EXPECT, "100-continue");
        }
        let reply = self.send_body(repository, &call, body)?;
        match reply.answer.status {
            200 | 201 | 204 => Ok(()),
            _ => Err(reply.refused(RegistryFault::UploadLost)),
        }
    }

    /// Returns the URL of an upload session.
    fn session(
        &self,
        repository: &Repository,
        begun: &RegistryReply,
    ) -> Result<Uri, RequestFailure> {
        let place = &begun.answer.place;
        let from = self.address(repository, "blobs/uploads/");
        let location = begun.answer.header(&LOCATION);
        let target = location.and_then(|location| redirect::target(&from, location));
        let target = target.ok_or_else(|| RegistryFault::BadRedirect.at(place))?;
        self.transport.check(&target, Wire::of(&from)).map_err(|why| why.at(place))?;
        Ok(target)
    }

    /// Cancels an unused upload session. If that fails, the registry removes the session later on
    /// its own.
    fn cancel(&self, repository: &Repository, begun: &RegistryReply) {
        if let Ok(session) = self.session(repository, begun) {
            let _ = self.send(repository, &Call::to(Method::DELETE, session));
        }
    }
}

fn check_type(wanted: MediaType, found: MediaType) -> Result<(), RegistryFault> {
    if wanted == found { Ok(()) } else { Err(RegistryFault::WrongType { wanted, found }) }
}

/// Adds the digest to the URL of an upload session.
fn with_digest(session: &Uri, digest: Digest) -> Option<Uri> {
    let separator = if session.query().is_some() { '&' } else { '?' };
    format!("{session}{separator}digest=sha256:{digest}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_is_added_to_upload_query() {
        let digest = Digest::of(b"");
        for (session, separator) in
            [("https://r.example/u/1", '?'), ("https://r.example/u/1?_state=x", '&')]
        {
            let uri = with_digest(&session.parse().unwrap(), digest).unwrap();
            assert_eq!(uri.to_string(), format!("{session}{separator}digest=sha256:{digest}"));
        }
    }
}
