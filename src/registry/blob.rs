//! Blobs: configs and layers, which stream through in constant memory and continue where they
//! stopped.

use std::io;

use http::header::{CONTENT_LENGTH, CONTENT_RANGE, RANGE};

use super::client::{Call, Registry};
use super::error::{RegistryContent, RegistryError, RegistryFault, RegistryPlace, RequestFailure};
use super::host::Repository;
use super::range;
use super::reply::RegistryReply;
use crate::images::manifest::{Descriptor, MANIFEST_BYTES_MAX};
use crate::images::reference::Reference;
use crate::model::digest::Digest;

/// How much is read at once.
const BUFFER_BYTES: usize = 64 << 10;
/// How much more must come before failures are counted from the beginning.
const PROGRESS_BYTES: u64 = 1 << 20;

/// A config or layer of an image.
#[derive(Clone, Copy, Debug)]
pub struct BlobRequest<'a> {
    pub image: &'a Reference,
    pub digest: Digest,
    /// All its bytes.
    pub size: u64,
    /// How many bytes there are already; the rest is asked for.
    pub from: u64,
}

/// Takes the bytes of a blob, and hashes them: the registry's word is not believed.
pub trait BlobSink {
    /// Prepares for the bytes from `offset` on. That is where the last ones ended, or 0: then all
    /// come again, because the registry cannot continue.
    ///
    /// # Errors
    ///
    /// When what is there cannot be discarded.
    fn begin(&mut self, offset: u64) -> io::Result<()>;

    /// Appends the next bytes.
    ///
    /// # Errors
    ///
    /// When the bytes cannot be kept.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
}

/// A blob on its way.
struct Download<'a> {
    size: u64,
    /// How much the sink has.
    at: u64,
    sink: &'a mut dyn BlobSink,
}

impl Registry {
    /// Streams a blob into a sink: exactly `size` bytes in the end. Connections that break are made
    /// again.
    ///
    /// # Errors
    ///
    /// When the registry does not have it, does not let us, or sends more or less; or the sink
    /// cannot keep it.
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
            // Bytes that came before are no progress: a registry that always starts again would
            // never be given up.
            if download.at >= farthest.saturating_add(PROGRESS_BYTES) {
                (failures, farthest) = (0, download.at);
            }
            match self.wait(failures, failure) {
                Ok(number) => failures = number,
                Err(failure) => break Err(failure),
            }
        };
        pulled.map_err(|failure| {
            failure.fetching(RegistryContent::Blob { image: image.clone(), digest })
        })
    }

    /// Reads a config. Usual ones have some kilobytes; one above the limit of manifests is refused.
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
                // Without the header, it is asked again below.
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

/// How a registry answers a request for the rest of a blob.
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

    /// Passes the bytes of an answer on; none beyond the size.
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
