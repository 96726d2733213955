//! The bytes of one file on their way: hashed as they pass, or beside the files that follow.
//!
//! Pure: what hashes on another core lives in `hashing`, and is met here as a trait.

use std::collections::VecDeque;
use std::io::{self, Read};

use crate::bundle::carried::{Entry, Visitor};
use crate::bundle::read::{Fault, ReadError};
use crate::model::digest::{Digest, Hasher};
use crate::model::safe_path::SafePath;

/// How many files may be hashed beside others at a time: each of a folder is an open file.
const WAITING_MAX: usize = 64;

/// The bytes of an open file of a bundle.
pub trait Content: Read {
    /// Passes over the next `bytes` bytes, and returns how many there were.
    fn skip(&mut self, bytes: u64) -> io::Result<u64> {
        io::copy(&mut self.take(bytes), &mut io::sink())
    }

    /// Begins to hash the next `bytes` bytes while the caller goes on, and leaves the reader behind
    /// them; none, and the reader where it is, if they are to be read here.
    fn hash_beside(&mut self, bytes: u64) -> Option<Pending> {
        let _ = bytes;
        None
    }

    /// Returns what hashes `bytes` bytes while they are read: here, or on another core.
    fn hasher(&self, bytes: u64) -> Box<dyn Hashing> {
        let _ = bytes;
        Box::new(Hasher::default())
    }
}

impl Content for &[u8] {}

/// A digest in the making.
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

/// What was read of a file before it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hashed {
    pub digest: Digest,
    pub bytes: u64,
}

/// A file that is hashed beside others: waits until that is done.
pub type Pending = Box<dyn FnOnce() -> io::Result<Hashed>>;

/// Large enough that system calls cost little beside SHA-256.
pub(super) const BUFFER_BYTES: usize = 128 << 10;

/// Shows one file to `visit`; withholds its last bytes until the digest matches.
///
/// # Errors
///
/// When it is shorter, has other bytes or cannot be read; or [`Fault::Sink`] when `visit` failed.
pub fn visit_file(
    entry: Entry<'_>,
    content: &mut dyn Content,
    visit: &mut Visitor<'_>,
) -> Result<(), Fault> {
    match visit_checked(entry, content, visit, &mut vec![0; BUFFER_BYTES])? {
        None => Ok(()),
        Some(pending) => {
            compare(entry.path, entry.bytes, entry.digest, pending().map_err(Fault::Io)?)
        }
    }
}

/// Shows a file to `visit` and checks it; returns what to wait for if it is hashed beside others.
pub(super) fn visit_checked(
    entry: Entry<'_>,
    content: &mut dyn Content,
    visit: &mut Visitor<'_>,
    buffer: &mut [u8],
) -> Result<Option<Pending>, Fault> {
    let mut file = Checked {
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
        Some(End::Failed(error)) => return Err(Fault::Io(error)),
        // What the visitor made of it does not count: it may have been stopped by just that.
        Some(End::Altered(found)) => return Err(Fault::Tampered { path, wanted, found }),
        Some(End::Short) => return Err(Fault::Truncated { name: path }),
        Some(End::Good) | None => {}
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

/// The files that are hashed beside others, in their order.
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
    /// Adds a file; waits for the first one if there are many.
    pub(super) fn add(
        &mut self,
        entry: Entry<'_>,
        offset: Option<u64>,
        pending: Pending,
    ) -> Result<(), ReadError> {
        if self.0.len() == WAITING_MAX {
            self.settle_first()?;
        }
        let Entry { path, bytes, digest, .. } = entry;
        self.0.push_back(Waiting { path: path.clone(), bytes, wanted: digest, offset, pending });
        Ok(())
    }

    /// Waits for all files, and returns what is wrong with the first bad one, whichever was found
    /// first.
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
            // The others come later in the order of the files.
            self.0.clear();
            ReadError { fault, offset }
        })
    }
}

/// Reads `left` more bytes of a file, and hashes them. The last ones are handed out only if all are
/// the right ones.
struct Checked<'a> {
    inner: &'a mut dyn Content,
    left: u64,
    wanted: Digest,
    /// None until something is read.
    hasher: Option<Box<dyn Hashing>>,
    /// None until no more is read; kept here, so that a visitor's own failure is told from it.
    end: Option<End>,
}

/// Why a file is read no further.
enum End {
    Good,
    Altered(Digest),
    /// The medium has fewer bytes.
    Short,
    /// The medium could not be read.
    Failed(io::Error),
}

impl Checked<'_> {
    /// Only a file of which nothing was read can be hashed elsewhere.
    fn hash_beside(&mut self) -> Option<Pending> {
        let untouched = self.hasher.is_none() && self.end.is_none();
        if untouched { self.inner.hash_beside(self.left) } else { None }
    }

    /// Reads what is left, or until the medium ends or fails.
    fn drain(&mut self, buffer: &mut [u8]) {
        loop {
            match self.read(buffer) {
                Ok(0) => return,
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return,
                Ok(_) | Err(_) => {}
            }
        }
    }

    /// Takes note of what was read.
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
            self.end = Some(End::Good);
            return Ok(());
        }
        self.end = Some(End::Altered(found));
        Err(io::ErrorKind::InvalidData.into())
    }
}

impl Read for Checked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.end {
            None => {}
            Some(End::Good) => return Ok(0),
            Some(End::Altered(_) | End::Short) => return Err(io::ErrorKind::InvalidData.into()),
            Some(End::Failed(error)) => return Err(error.kind().into()),
        }
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        match self.inner.read(&mut buffer[..wanted]) {
            Ok(0) if wanted > 0 => {
                self.end = Some(End::Short);
                Err(io::ErrorKind::UnexpectedEof.into())
            }
            Ok(read) => self.hash(&buffer[..read]).map(|()| read),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let kind = error.kind();
                self.end = Some(End::Failed(error));
                Err(kind.into())
            }
        }
    }
}
