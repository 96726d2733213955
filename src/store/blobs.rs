//! The blobs of images in the store: manifests, configs and layers, each once, under the name of
//! its digest.
//!
//! | path in the store | content |
//! |---|---|
//! | `.blobs/sha256/<hex>` | a blob: whole, and hashed before it got this name |
//! | `.blobs/.partial/<hex>` | a blob that is being fetched, or was when a process was killed; locked while it grows |
//! | `.blobs/.lock` | shared by those who add or read blobs, exclusive for their removal |

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::disk::Disk;
use super::lock::Lock;
use super::{Store, StoreError, check_own_folder, make_store_folder, read_folder, utf8};
use crate::bundle::carried::{Entry, Visitor};
use crate::bundle::content::{Content, visit_file};
use crate::bundle::read::Fault;
use crate::fsio::{Sharing, Waits, lock_file, open_named};
use crate::images::layout;
use crate::images::list::ImageList;
use crate::model::digest::{Digest, Hasher};

const FOLDER: &str = ".blobs";
const WHOLE: &str = "sha256";
const PARTIAL: &str = ".partial";
const LOCK: &str = ".lock";

/// Large enough that system calls cost little beside SHA-256.
const BUFFER_BYTES: usize = 128 << 10;

/// The blobs of a store.
#[derive(Debug)]
pub struct Blobs {
    /// The folder of the blobs, in that of the store.
    root: Utf8PathBuf,
    disk: Disk,
    waits: Waits,
}

/// The state of a blob in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobState {
    Whole,
    /// It has the right size and other bytes.
    Altered,
    Absent,
}

/// A blob that was there, and cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("`{path}` {}", if *state == BlobState::Absent { "is no longer there" } else { "was altered" })]
pub struct BadBlob {
    pub path: Utf8PathBuf,
    pub state: BlobState,
}

/// Why a blob was not visited to its end.
#[derive(Debug, thiserror::Error)]
pub enum BlobVisitError {
    #[error(transparent)]
    Bad(BadBlob),
    #[error("cannot read a blob of the store: {0}")]
    Read(io::Error),
    /// The visitor failed.
    #[error(transparent)]
    Stopped(io::Error),
}

/// The file of a blob.
struct BlobContent(fs::File);

impl io::Read for BlobContent {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Content for BlobContent {}

/// What [`Blobs::begin`] found.
#[expect(clippy::large_enum_variant, reason = "there is one at a time, and it is used at once")]
pub enum BlobStart {
    /// The blob is there.
    Stored,
    Partial(PartialBlob),
}

/// A blob that is being written; it keeps what it has if it is dropped before its end.
pub struct PartialBlob {
    disk: Disk,
    file: fs::File,
    path: Utf8PathBuf,
    target: Utf8PathBuf,
    digest: Digest,
    size: u64,
    bytes: u64,
    hasher: Hasher,
}

/// The result of writing a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobEnd {
    Stored,
    /// The bytes are others; they were discarded.
    Wrong {
        found: Digest,
    },
}

/// Blobs that no bundle of the store names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlobGarbage {
    /// Their sizes.
    pub blobs: BTreeMap<Digest, u64>,
    /// The bytes of those that were not fetched to their end.
    pub partial_bytes: u64,
}

impl Store {
    /// Returns the blobs of the store. Touches nothing.
    pub fn blobs(&self) -> Blobs {
        Blobs { root: self.root.join(FOLDER), disk: self.disk.clone(), waits: self.waits.clone() }
    }
}

impl Blobs {
    /// Keeps others from removing blobs until the value is dropped; makes the folders if they are
    /// not there.
    ///
    /// # Errors
    ///
    /// When something else stands in their place, or they cannot be made.
    pub fn share(&self) -> Result<Lock, StoreError> {
        self.make_folders()?;
        Lock::shared(&self.root.join(LOCK), &self.waits)
    }

    /// Shows a blob to `visit`; withholds its last bytes until its digest matches.
    ///
    /// # Errors
    ///
    /// When it is not there, is another one or cannot be read; or [`BlobVisitError::Stopped`] when
    /// `visit` failed.
    pub fn visit(
        &self,
        digest: Digest,
        size: u64,
        visit: &mut Visitor<'_>,
    ) -> Result<(), BlobVisitError> {
        let bad = |state| BlobVisitError::Bad(BadBlob { path: self.path_of(&digest), state });
        let opened = self.open(&digest, size).map_err(BlobVisitError::Read)?;
        let mut content = BlobContent(opened.ok_or_else(|| bad(BlobState::Absent))?);
        let path = layout::path_of(&digest);
        let visited = visit_file(Entry { path: &path, bytes: size, digest }, &mut content, visit);
        visited.map_err(|fault| match fault {
            Fault::Sink { error, .. } => BlobVisitError::Stopped(error),
            Fault::Io(error) => BlobVisitError::Read(error),
            // It is shorter by now, or has other bytes.
            _ => bad(BlobState::Altered),
        })
    }

    /// Opens a blob; none if it is not there, or of another size. **Its bytes are not checked.**
    ///
    /// # Errors
    ///
    /// When it cannot be opened.
    fn open(&self, digest: &Digest, size: u64) -> io::Result<Option<fs::File>> {
        let is_it = |metadata: &std::fs::Metadata| {
            if metadata.is_file() && metadata.len() == size { Ok(()) } else { Err(None) }
        };
        match open_named(&self.path_of(digest), Some, is_it) {
            Ok(opened) => Ok(opened.map(|(file, _)| file)),
            Err(None) => Ok(None),
            Err(Some(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(Some(error)) => Err(error),
        }
    }

    /// Returns the manifests, configs and layers of `images` that are not there, each with its
    /// size.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read.
    pub fn missing(&self, images: &ImageList) -> io::Result<BTreeMap<Digest, u64>> {
        let mut missing = BTreeMap::new();
        for (digest, one) in images.carryable() {
            if self.open(&digest, one.size())?.is_none() {
                missing.insert(digest, one.size());
            }
        }
        Ok(missing)
    }

    /// Returns the manifests, configs and layers of `images` that are not there, or not with the
    /// bytes that they should have.
    ///
    /// # Errors
    ///
    /// When one cannot be read.
    pub fn bad(&self, images: &ImageList) -> io::Result<BTreeMap<Digest, u64>> {
        let mut bad = BTreeMap::new();
        for (digest, one) in images.carryable() {
            if self.look_at(&digest, one.size())? != BlobState::Whole {
                bad.insert(digest, one.size());
            }
        }
        Ok(bad)
    }

    /// Hashes a blob.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn look_at(&self, digest: &Digest, size: u64) -> io::Result<BlobState> {
        match self.visit(*digest, size, &mut |_, _| Ok(())) {
            Ok(()) => Ok(BlobState::Whole),
            Err(BlobVisitError::Bad(BadBlob { state, .. })) => Ok(state),
            Err(BlobVisitError::Read(error) | BlobVisitError::Stopped(error)) => Err(error),
        }
    }

    /// Removes a blob that was found to be altered.
    ///
    /// # Errors
    ///
    /// When it cannot be removed.
    pub fn discard(&self, digest: &Digest) -> io::Result<()> {
        self.disk.remove(&self.path_of(digest))
    }

    /// Begins a blob, or goes on where a killed process ended: what that wrote is hashed again.
    /// Waits while another process writes it.
    ///
    /// # Errors
    ///
    /// When the file cannot be made, locked or read.
    pub fn begin(&self, digest: Digest, size: u64) -> Result<BlobStart, StoreError> {
        let path = self.root.join(PARTIAL).join(digest.to_string());
        let in_the_way =
            || StoreError::InTheWay { path: path.clone(), wanted: "a file that grows" };
        loop {
            if self.open(&digest, size)?.is_some() {
                return Ok(BlobStart::Stored);
            }
            let file = self.disk.open_to_extend(&path)?.ok_or_else(in_the_way)?;
            lock_file(&file, Sharing::Exclusive, &self.waits)?;
            // Another process may have written the blob to its end, and renamed the file.
            if is_at(&file, &path)? {
                let (disk, target, hasher) =
                    (self.disk.clone(), self.path_of(&digest), Hasher::default());
                let mut partial =
                    PartialBlob { disk, file, path, target, digest, size, bytes: 0, hasher };
                partial.resume()?;
                return Ok(BlobStart::Partial(partial));
            }
        }
    }

    /// Waits until no other process uses the blobs; none if there are none.
    pub(super) fn lock_exclusive(&self) -> Result<Option<Lock>, StoreError> {
        let path = self.root.join(LOCK);
        if path.exists() { Lock::exclusive(&path, &self.waits).map(Some) } else { Ok(None) }
    }

    /// Returns what is not `named`; the caller holds the exclusive lock.
    pub(super) fn find_garbage(&self, named: &BTreeSet<Digest>) -> Result<BlobGarbage, StoreError> {
        // Through a link, files would be removed that are not ours.
        self.folders().iter().try_for_each(|folder| check_own_folder(folder))?;
        let mut garbage = BlobGarbage::default();
        for item in read_folder(&self.root.join(WHOLE))? {
            let digest = item.file_name().to_str().and_then(|name| name.parse::<Digest>().ok());
            let digest = digest.filter(|_| item.file_type().is_ok_and(|kind| kind.is_file()));
            if let Some(digest) = digest.filter(|digest| !named.contains(digest)) {
                garbage.blobs.insert(digest, item.metadata()?.len());
            }
        }
        for item in self.list_partial()? {
            garbage.partial_bytes += item.metadata()?.len();
        }
        Ok(garbage)
    }

    /// Removes what was found; the caller holds the exclusive lock.
    pub(super) fn remove(&self, garbage: &BlobGarbage) -> Result<(), StoreError> {
        for digest in garbage.blobs.keys() {
            self.disk.remove(&self.path_of(digest))?;
        }
        for item in self.list_partial()? {
            self.disk.remove(&utf8(item.path())?)?;
        }
        Ok(())
    }

    fn list_partial(&self) -> Result<Vec<fs::DirEntry>, StoreError> {
        let is_ours = |item: &fs::DirEntry| {
            item.file_name().to_str().is_some_and(|name| name.parse::<Digest>().is_ok())
                && item.file_type().is_ok_and(|kind| kind.is_file())
        };
        Ok(read_folder(&self.root.join(PARTIAL))?.into_iter().filter(is_ours).collect())
    }

    /// Returns the path of a blob, whether or not it is there.
    pub fn path_of(&self, digest: &Digest) -> Utf8PathBuf {
        self.root.join(WHOLE).join(digest.to_string())
    }

    fn folders(&self) -> [Utf8PathBuf; 3] {
        [self.root.clone(), self.root.join(WHOLE), self.root.join(PARTIAL)]
    }

    fn make_folders(&self) -> Result<(), StoreError> {
        if let Some(store) = self.root.parent() {
            make_store_folder(&self.disk, store)?;
        }
        for folder in self.folders() {
            self.disk.make_folder_if_absent(&folder)?;
            check_own_folder(&folder)?;
        }
        Ok(())
    }
}

impl PartialBlob {
    /// Returns how many bytes are there.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Forgets the bytes that are there.
    ///
    /// # Errors
    ///
    /// When the file cannot be cut.
    pub fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        (self.bytes, self.hasher) = (0, Hasher::default());
        Ok(())
    }

    /// Appends bytes.
    ///
    /// # Errors
    ///
    /// When they are more than the blob has, or cannot be written.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.bytes + bytes.len() as u64 > self.size {
            return Err(io::Error::other(format!(
                "sha256:{} has only {} bytes",
                self.digest, self.size
            )));
        }
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Gives the blob its name, if its bytes are the right ones.
    ///
    /// They are synced first: not every command hashes a stored blob, so a power cut must not leave
    /// a file of the right size with other bytes.
    ///
    /// # Errors
    ///
    /// When the file cannot be synced or renamed.
    pub fn finish(mut self) -> io::Result<BlobEnd> {
        let found = self.hasher.clone().finish();
        if (found, self.bytes) == (self.digest, self.size) {
            self.disk.set_public(&self.file, &self.path)?;
            self.file.sync_data()?;
            self.disk.rename(&self.path, &self.target)?;
            return Ok(BlobEnd::Stored);
        }
        self.restart()?;
        Ok(BlobEnd::Wrong { found })
    }

    /// Hashes what is there; more than the blob has is of no use.
    fn resume(&mut self) -> io::Result<()> {
        if self.file.metadata()?.len() > self.size {
            return self.restart();
        }
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            match self.file.read(&mut buffer)? {
                0 => return Ok(()),
                read => {
                    self.hasher.update(&buffer[..read]);
                    self.bytes += read as u64;
                }
            }
        }
    }
}

fn is_at(file: &fs::File, path: &Utf8Path) -> io::Result<bool> {
    let opened = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(named) => Ok((opened.dev(), opened.ino()) == (named.dev(), named.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
