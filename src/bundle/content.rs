//! Streams the bytes of one file, hashing them as they pass or in the background.
//!
//! Pure: `hashing` implements the [`Hashing`] trait on other cores.

use std::collections::VecDeque;
use std::io::{self, Read};

use super::fault::{Fault, ReadError};
use crate::model::digest::{Digest, Hasher};
use crate::model::safe_path::SafePath;

/// The maximum number of files that are hashed in the background; in a folder, each is an open
/// file.
const WAITING_MAX: usize = 64;

/// The bytes of an open file of a bundle.
pub trait Content: Read {
    /// Skips the next `bytes` bytes and returns how many existed.
    fn skip(&mut self, bytes: u64) -> io::Result<u64> {
        io::copy(&mut self.take(bytes), &mut io::sink())
    }

    /// Starts hashing the next `bytes` bytes in the background and moves the reader past them.
    /// Returns `None` and leaves the reader in place if the caller must read them.
    fn hash_beside(&mut self, bytes: u64) -> Option<Pending> {
        let _ = bytes;
        None
    }

    /// Returns a hasher for `bytes` bytes that the caller reads; it may run on another core.
    fn hasher(&self, bytes: u64) -> Box<dyn Hashing> {
        let _ = bytes;
        Box::new(Hasher::default())
    }
}

impl Content for &[u8] {}

/// A digest under computation.
pub trait Hashing {
    /// Appends `bytes`.
    fn update(&mut self, bytes: &[u8]);

    /// Returns the digest of all bytes.
    fn finish(self: Box<Self>) -> Digest;
}

impl Hashing for Hasher {
    fn update(&mut self, bytes: &[u8]) {
        Self::update(self, bytes);
    }

    fn finish(self: Box<Self>) -> Digest {
        Self::finish(*self)
    }
}

/// The digest and length of the bytes that were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hashed {
    pub digest: Digest,
    pub bytes: u64,
}

/// A file that is hashed in the background; calling it waits for the result.
pub type Pending = Box<dyn FnOnce() -> io::Result<Hashed>>;

/// Large enough that system calls cost little compared to SHA-256.
pub(super) const BUFFER_BYTES: usize = 128 << 10;

/// A manifest, config or layer that is about to be read.
#[derive(Clone, Copy, Debug)]
pub struct BlobEntry<'a> {
    pub path: &'a SafePath,
    pub bytes: u64,
    pub digest: Digest,
}

/// A callback for the bytes of each manifest, config and layer.
pub type BlobVisitor<'a> = dyn FnMut(BlobEntry<'_>, &mut dyn Read) -> io::Result<()> + 'a;

/// A visitor that ignores the bytes; they are verified nevertheless.
pub fn hash_only(_: BlobEntry<'_>, _: &mut dyn Read) -> io::Result<()> {
    Ok(())
}

/// Reads a file of `bytes` bytes; the caller has checked the size limit.
pub(super) fn read_whole(
    name: &str,
    bytes: u64,
    content: &mut dyn Content,
) -> Result<Vec<u8>, Fault> {
    let mut file = Vec::with_capacity(
        usize::try_from(bytes).map_err(|error| Fault::Io(io::Error::other(error)))?,
    );
    content.take(bytes).read_to_end(&mut file).map_err(Fault::Io)?;
    if (file.len() as u64) < bytes {
        Err(Fault::Truncated { name: name.to_owned() })
    } else {
        Ok(file)
    }
}

/// Passes one file to `visit`, withholding its last bytes until the digest matches.
///
/// # Errors
///
/// Returns an error if the file is too short, was altered or cannot be read; [`Fault::Sink`] if
/// `visit` fails.
pub fn visit_file(
    entry: BlobEntry<'_>,
    content: &mut dyn Content,
    visit: &mut BlobVisitor<'_>,
) -> Result<(), Fault> {
    match visit_checked(entry, content, visit, &mut vec![0; BUFFER_BYTES])? {
        None => Ok(()),
        Some(pending) => {
            compare(entry.path, entry.bytes, entry.digest, pending().map_err(Fault::Io)?)
        }
    }
}

/// Passes a file to `visit` and verifies it; returns a pending result if it is hashed in the
/// background.
pub(super) fn visit_checked(
    entry: BlobEntry<'_>,
    content: &mut dyn Content,
    visit: &mut BlobVisitor<'_>,
    buffer: &mut [u8],
) -> Result<Option<Pending>, Fault> {
    let mut file = CheckedReader {
        inner: content,
        left: entry.bytes,
        wanted: entry.digest,
        hasher: None,
        end: None,
    };
    let visited = visit(entry, &mut file);
    if visited.is_ok() {
        if let Some(pending) = file.hash_beside() {
            return Ok(Some(pending));
        }
        file.drain(buffer);
    }
    let (path, wanted) = (entry.path.to_string(), entry.digest);
    match file.end {
        Some(ReadEnd::Failed(error)) => return Err(Fault::Io(error)),
        // Report the altered file rather than the visitor's error, which may be a consequence.
        Some(ReadEnd::Altered(found)) => return Err(Fault::Tampered { path, wanted, found }),
        Some(ReadEnd::Short) => return Err(Fault::Truncated { name: path }),
        Some(ReadEnd::Good) | None => {}
    }
    visited.map(|()| None).map_err(|error| Fault::Sink { path, error })
}

fn compare(path: &SafePath, bytes: u64, wanted: Digest, found: Hashed) -> Result<(), Fault> {
    let path = path.to_string();
    if found.bytes < bytes {
        return Err(Fault::Truncated { name: path });
    }
    if found.digest == wanted {
        Ok(())
    } else {
        Err(Fault::Tampered { path, wanted, found: found.digest })
    }
}

/// The files that are hashed in the background, in bundle order.
#[derive(Default)]
pub(super) struct Beside(VecDeque<Waiting>);

struct Waiting {
    path: SafePath,
    bytes: u64,
    wanted: Digest,
    offset: Option<u64>,
    pending: Pending,
}

impl Beside {
    /// Adds a file; if the queue is full, waits for the oldest one.
    pub(super) fn add(
        &mut self,
        entry: BlobEntry<'_>,
        offset: Option<u64>,
        pending: Pending,
    ) -> Result<(), ReadError> {
        if self.0.len() == WAITING_MAX {
            self.settle_first()?;
        }
        let BlobEntry { path, bytes, digest, .. } = entry;
        self.0.push_back(Waiting { path: path.clone(), bytes, wanted: digest, offset, pending });
        Ok(())
    }

    /// Waits for all files. Returns the error of the first bad file in bundle order, whichever
    /// finished first.
    pub(super) fn settle(&mut self) -> Result<(), ReadError> {
        while !self.0.is_empty() {
            self.settle_first()?;
        }
        Ok(())
    }

    fn settle_first(&mut self) -> Result<(), ReadError> {
        let Some(Waiting { path, bytes, wanted, offset, pending }) = self.0.pop_front() else {
            return Ok(());
        };
        let checked =
            pending().map_err(Fault::Io).and_then(|found| compare(&path, bytes, wanted, found));
        checked.map_err(|fault| {
            // Later files no longer matter: the first error in bundle order is reported.
            self.0.clear();
            ReadError { fault, offset }
        })
    }
}

/// Reads and hashes the `left` remaining bytes of a file. Releases the last ones only if the digest
/// matches.
struct CheckedReader<'a> {
    inner: &'a mut dyn Content,
    left: u64,
    wanted: Digest,
    /// `None` until something is read.
    hasher: Option<Box<dyn Hashing>>,
    /// `None` while more can be read. Kept here to distinguish it from an error of the visitor.
    end: Option<ReadEnd>,
}

/// Why reading a file ended.
enum ReadEnd {
    Good,
    Altered(Digest),
    /// The medium ended too early.
    Short,
    /// Reading the medium failed.
    Failed(io::Error),
}

impl CheckedReader<'_> {
    /// Starts hashing in the background, which is only possible for an untouched file.
    fn hash_beside(&mut self) -> Option<Pending> {
        let untouched = self.hasher.is_none() && self.end.is_none();
        if untouched { self.inner.hash_beside(self.left) } else { None }
    }

    /// Reads the remaining bytes, until the medium ends or fails.
    fn drain(&mut self, buffer: &mut [u8]) {
        loop {
            match self.read(buffer) {
                Ok(0) => return,
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return,
                Ok(_) | Err(_) => {}
            }
        }
    }

    /// Hashes bytes that were read, and compares the digest after the last ones.
    fn hash(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (inner, left) = (&*self.inner, self.left);
        let hasher = self.hasher.get_or_insert_with(|| inner.hasher(left));
        hasher.update(bytes);
        self.left -= bytes.len() as u64;
        if self.left > 0 {
            return Ok(());
        }
        let found = self.hasher.take().map_or_else(|| Digest::of(b""), Hashing::finish);
        if found == self.wanted {
            self.end = Some(ReadEnd::Good);
            return Ok(());
        }
        self.end = Some(ReadEnd::Altered(found));
        Err(io::ErrorKind::InvalidData.into())
    }
}

impl Read for CheckedReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.end {
            None => {}
            Some(ReadEnd::Good) => return Ok(0),
            Some(ReadEnd::Altered(_) | ReadEnd::Short) => {
                return Err(io::ErrorKind::InvalidData.into());
            }
            Some(ReadEnd::Failed(error)) => return Err(error.kind().into()),
        }
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        match self.inner.read(&mut buffer[..wanted]) {
            Ok(0) if wanted > 0 => {
                self.end = Some(ReadEnd::Short);
                Err(io::ErrorKind::UnexpectedEof.into())
            }
            Ok(read) => self.hash(&buffer[..read]).map(|()| read),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let kind = error.kind();
                self.end = Some(ReadEnd::Failed(error));
                Err(kind.into())
            }
        }
    }
}
