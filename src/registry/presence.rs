//! Checks whether a registry has a manifest or blob.

use http::Method;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};

use super::client::{Call, Registry};
use super::error::{RegistryAction, RegistryContent, RegistryError, RegistryFault, RequestFailure};
use super::manifest::{ACCEPTED, CONTENT_DIGEST, ManifestName, media_type};
use super::reply::RegistryReply;
use crate::images::reference::ImageReference;
use crate::model::digest::Digest;

/// Whether a registry has a manifest or blob.
#[derive(Debug)]
pub enum Availability {
    There,
    Absent,
    /// The registry did not tell: missing permission, no answer, or an answer about something else.
    Unknown(RegistryError),
}

impl Registry {
    /// Looks up the manifest of a reference, by digest if it has one.
    ///
    /// A login page must not count as a manifest. The answer needs a manifest's media type, and its
    /// digest header, if present, must match the reference.
    pub fn has_manifest(&self, image: &ImageReference) -> Availability {
        let repository = self.repository(image);
        let name = ManifestName::of(image);
        let call =
            Call::new(Method::HEAD, format!("manifests/{}", name.text())).with(ACCEPT, ACCEPTED);
        let asked = self.persist(|| {
            let reply = self.send(&repository, &call)?;
            match reply.answer.status {
                200 => check_manifest(&reply, image.digest()).map(|()| true),
                404 if reply.is_home => Ok(false),
                _ => Err(reply.refused(RegistryFault::UnknownImage)),
            }
        });
        self.availability(asked, RegistryContent::manifest(image))
    }

    /// Looks up a config or layer of `size` bytes in the repository of `image`.
    pub fn has_blob(&self, image: &ImageReference, digest: Digest, size: u64) -> Availability {
        let repository = self.repository(image);
        let call = Call::new(Method::HEAD, format!("blobs/sha256:{digest}"));
        let asked = self.persist(|| {
            let reply = self.send(&repository, &call)?;
            match reply.answer.status {
                200 => check_size(&reply, size).map(|()| true),
                404 => Ok(false),
                _ => Err(reply.refused(RegistryFault::Gone(digest))),
            }
        });
        self.availability(asked, RegistryContent::blob(image, digest))
    }

    fn availability(
        &self,
        asked: Result<bool, RequestFailure>,
        what: RegistryContent,
    ) -> Availability {
        match asked {
            Ok(true) => Availability::There,
            Ok(false) => Availability::Absent,
            Err(failure) => Availability::Unknown(self.failed(RegistryAction::Ask, what, failure)),
        }
    }
}

fn check_manifest(reply: &RegistryReply, wanted: Option<Digest>) -> Result<(), RequestFailure> {
    let place = &reply.answer.place;
    media_type(reply.answer.header(&CONTENT_TYPE)).map_err(|why| why.at(place))?;
    let (Some(wanted), Some(found)) = (wanted, reply.answer.header(&CONTENT_DIGEST)) else {
        return Ok(());
    };
    match Digest::from_prefixed(found) {
        Ok(found) if found == wanted => Ok(()),
        Ok(found) => Err(RegistryFault::WrongDigest { wanted, found }.at(place)),
        Err(_) => Err(RegistryFault::OtherDigest { wanted, found: found.to_owned() }.at(place)),
    }
}

fn check_size(reply: &RegistryReply, wanted: u64) -> Result<(), RequestFailure> {
    let named = reply.answer.header(&CONTENT_LENGTH).and_then(|text| text.parse().ok());
    // Some proxies report the length of the answer itself, whose body is empty.
    match named.filter(|found| ![0, wanted].contains(found)) {
        Some(found) => Err(RegistryFault::WrongSize { wanted, found }.at(&reply.answer.place)),
        None => Ok(()),
    }
}
