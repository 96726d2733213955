//! Downloads blobs, which are configs and layers. They are streamed in constant memory, and resumed
//! after a failure.

use std::io;

use http::header::{CONTENT_LENGTH, CONTENT_RANGE, RANGE};

use super::client::{Call, Registry};
use super::error::{RegistryAction, RegistryContent, RegistryError, RegistryFault, RequestFailure};
use super::host::Repository;
use super::place::RegistryPlace;
use super::range;
use super::reply::RegistryReply;
use crate::images::manifest::{Descriptor, MANIFEST_BYTES_MAX};
use crate::images::reference::ImageReference;
use crate::model::digest::Digest;

/// The read buffer size.
const BUFFER_BYTES: usize = 64 << 10;
/// The progress in bytes that resets the failure count.
const PROGRESS_BYTES: u64 = 1 << 20;

/// A request for a config or layer of an image.
#[derive(Clone, Copy, Debug)]
pub struct BlobRequest<'a> {
    pub image: &'a ImageReference,
    pub digest: Digest,
    /// The full size of the blob.
    pub size: u64,
    /// The number of bytes that exist locally; the request is for the rest.
    pub from: u64,
}

/// Receives the bytes of a blob. The sink must hash them, because the registry is not trusted.
pub trait BlobSink {
    /// Prepares for bytes from `offset` on: either the end of the previous bytes, or 0 if the
    /// registry cannot resume and sends the blob from the start.
    ///
    /// # Errors
    ///
    /// When existing bytes cannot be discarded.
    fn begin(&mut self, offset: u64) -> io::Result<()>;

    /// Appends the next bytes.
    ///
    /// # Errors
    ///
    /// When the bytes cannot be stored.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
}

/// A download in progress.
struct Download<'a> {
    size: u64,
    /// The number of bytes that the sink has.
    at: u64,
    sink: &'a mut dyn BlobSink,
}

impl Registry {
    /// Streams a blob of exactly `size` bytes into a sink, and reconnects after connection
    /// failures.
    ///
    /// # Errors
    ///
    /// When the registry does not have the blob, denies access, or sends a different number of
    /// bytes; or when the sink fails.
    pub fn pull_blob(
        &self,
        wanted: &BlobRequest,
        sink: &mut dyn BlobSink,
    ) -> Result<(), RegistryError> {
        let BlobRequest { image, digest, size, from } = *wanted;
        let repository = self.repository(image);
        let mut download = Download { size, at: if from < size { from } else { 0 }, sink };
        let (mut failures, mut farthest) = (0, download.at);
        let pulled = loop {
            let Err(failure) = self.pull_once(&repository, digest, &mut download) else {
                break Ok(());
            };
            // Only bytes beyond the farthest position count as progress: a registry that always
            // restarts would otherwise be retried forever.
            if download.at >= farthest.saturating_add(PROGRESS_BYTES) {
                (failures, farthest) = (0, download.at);
            }
            match self.wait(failures, failure) {
                Ok(number) => failures = number,
                Err(failure) => break Err(failure),
            }
        };
        pulled.map_err(|failure| {
            self.failed(RegistryAction::Fetch, RegistryContent::blob(image, digest), failure)
        })
    }

    /// Reads a config into memory. Typical ones have a few kilobytes; the limit is that of
    /// manifests.
    pub(super) fn small_blob(
        &self,
        repository: &Repository,
        blob: &Descriptor,
    ) -> Result<(Vec<u8>, RegistryPlace), RequestFailure> {
        let wanted = blob.digest;
        let reply = self.send(repository, &Call::get(format!("blobs/sha256:{wanted}")))?;
        if reply.answer.status != 200 {
            return Err(reply.refused(RegistryFault::Gone(wanted)));
        }
        let mut answer = reply.answer;
        let bytes = answer.read_all(MANIFEST_BYTES_MAX)?;
        let found = Digest::of(&bytes);
        if found != wanted {
            return Err(RegistryFault::WrongDigest { wanted, found }.at(&answer.place));
        }
        Ok((bytes, answer.place))
    }

    fn pull_once(
        &self,
        repository: &Repository,
        digest: Digest,
        download: &mut Download,
    ) -> Result<(), RequestFailure> {
        let call = || Call::get(format!("blobs/sha256:{digest}"));
        if download.at > 0 {
            let rest = call().with(RANGE, &format!("bytes={}-", download.at));
            let reply = self.send(repository, &rest)?;
            match download.answer_to_range(&reply) {
                RangeAnswer::Continues => return download.receive(reply),
                RangeAnswer::StartsAgain => {
                    download.at = 0;
                    return download.receive(reply);
                }
                RangeAnswer::Refused => return Err(reply.refused(RegistryFault::Gone(digest))),
                // Retry below without the `Range` header.
                RangeAnswer::Unusable => download.at = 0,
            }
        }
        let reply = self.send(repository, &call())?;
        match reply.answer.status {
            200 => download.receive(reply),
            _ => Err(reply.refused(RegistryFault::Gone(digest))),
        }
    }
}

/// The answer of a registry to a request for the rest of a blob.
enum RangeAnswer {
    Continues,
    StartsAgain,
    Unusable,
    Refused,
}

impl Download<'_> {
    fn answer_to_range(&self, reply: &RegistryReply) -> RangeAnswer {
        match reply.answer.status {
            200 => RangeAnswer::StartsAgain,
            206 if range::continues(reply.answer.header(&CONTENT_RANGE), self.at, self.size) => {
                RangeAnswer::Continues
            }
            206 | 416 => RangeAnswer::Unusable,
            _ => RangeAnswer::Refused,
        }
    }

    /// Passes the bytes of an answer to the sink, never more than the expected size.
    fn receive(&mut self, reply: RegistryReply) -> Result<(), RequestFailure> {
        let mut answer = reply.answer;
        let place = answer.place.clone();

        let (wanted, rest) = (self.size, self.size - self.at);
        let announced =
            answer.header(&CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
        if let Some(found) = announced.filter(|length| *length != rest) {
            return Err(RegistryFault::WrongSize { wanted: rest, found }.at(&place));
        }

        let failed = |error| RegistryFault::Sink(error).at(&place);
        self.sink.begin(self.at).map_err(failed)?;
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let read = answer.read(&mut buffer)?;
            let after = self.at + read as u64;
            if after > self.size {
                return Err(RegistryFault::TooLong { wanted }.at(&place));
            }
            if read == 0 && after < self.size {
                let why = format!("the answer ended after {after} of {wanted} bytes");
                return Err(RegistryFault::Connection(why).at(&place));
            }
            if read == 0 {
                return Ok(());
            }
            self.sink.write(&buffer[..read]).map_err(failed)?;
            self.at = after;
        }
    }
}
