//! The image blobs in the store: manifests, configs and layers, each stored once under its digest.
//!
//! | path in the store | content |
//! |---|---|
//! | `.blobs/sha256/<hex>` | a complete blob, hashed before it got this name |
//! | `.blobs/.partial/<hex>` | an incomplete blob; locked while a process fetches it |
//! | `.blobs/.lock` | shared by processes that add or read blobs, exclusive for their removal |

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::Store;
use super::disk::Disk;
use super::error::StoreError;
use super::layout::{check_own_folder, make_store_folder, read_folder, utf8};
use super::lock::StoreLock;
use crate::bundle::content::{BlobEntry, BlobVisitor};
use crate::bundle::content::{Content, visit_file};
use crate::bundle::fault::Fault;
use crate::fsio::{Sharing, Waits, lock_file, open_named};
use crate::images::layout;
use crate::images::list::ImageList;
use crate::model::digest::{Digest, Hasher};

const FOLDER: &str = ".blobs";
const WHOLE: &str = "sha256";
const PARTIAL: &str = ".partial";
const LOCK: &str = ".lock";

/// Large enough that system calls cost little compared to SHA-256.
const BUFFER_BYTES: usize = 128 << 10;

/// The blobs of a store.
#[derive(Debug)]
pub struct Blobs {
    /// The blob folder inside the store folder.
    root: Utf8PathBuf,
    disk: Disk,
    waits: Waits,
}

/// The state of a blob in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobState {
    Whole,
    /// The size matches, but the bytes do not.
    Altered,
    Absent,
}

/// A blob that existed earlier, and cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("`{path}` {}", if *state == BlobState::Absent { "is no longer there" } else { "was altered" })]
pub struct BadBlob {
    pub path: Utf8PathBuf,
    pub state: BlobState,
}

/// Why visiting a blob failed.
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

/// The result of [`Blobs::begin`].
#[expect(clippy::large_enum_variant, reason = "there is one at a time, and it is used at once")]
pub enum BlobStart {
    /// The store has the blob already.
    Stored,
    Partial(PartialBlob),
}

/// A blob that is being written; if dropped early, its bytes stay for the next attempt.
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
    /// The digest or the size is wrong; the bytes were discarded.
    Wrong {
        found: Digest,
    },
}

/// Blobs that no bundle in the store references.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlobGarbage {
    /// The blobs with their sizes.
    pub blobs: BTreeMap<Digest, u64>,
    /// The total size of incomplete blobs in bytes.
    pub partial_bytes: u64,
}

impl Store {
    /// Returns the blobs of the store, without accessing the disk.
    pub fn blobs(&self) -> Blobs {
        Blobs { root: self.root.join(FOLDER), disk: self.disk.clone(), waits: self.waits.clone() }
    }
}

impl Blobs {
    /// Prevents other processes from removing blobs until the returned lock is dropped. Creates
    /// missing folders.
    ///
    /// # Errors
    ///
    /// When a folder cannot be created, or something else has its name.
    pub fn share(&self) -> Result<StoreLock, StoreError> {
        self.make_folders()?;
        StoreLock::shared(&self.root.join(LOCK), &self.waits)
    }

    /// Passes a blob to `visit`, and withholds its last bytes until its digest matches.
    ///
    /// # Errors
    ///
    /// When the blob is missing, altered or unreadable; [`BlobVisitError::Stopped`] when `visit`
    /// fails.
    pub fn visit(
        &self,
        digest: Digest,
        size: u64,
        visit: &mut BlobVisitor<'_>,
    ) -> Result<(), BlobVisitError> {
        let bad = |state| BlobVisitError::Bad(BadBlob { path: self.path_of(&digest), state });
        let opened = self.open(&digest, size).map_err(BlobVisitError::Read)?;
        let mut content = BlobContent(opened.ok_or_else(|| bad(BlobState::Absent))?);
        let path = layout::path_of(&digest);
        let visited =
            visit_file(BlobEntry { path: &path, bytes: size, digest }, &mut content, visit);
        visited.map_err(|fault| match fault {
            Fault::Sink { error, .. } => BlobVisitError::Stopped(error),
            Fault::Io(error) => BlobVisitError::Read(error),
            // The file became shorter, or its bytes differ.
            _ => bad(BlobState::Altered),
        })
    }

    /// Opens a blob, or returns `None` if it is missing or has another size. **Its bytes are not
    /// checked.**
    ///
    /// # Errors
    ///
    /// When the file cannot be opened.
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

    /// Returns the manifests, configs and layers of `images` that are missing from the store, with
    /// their sizes.
    ///
    /// # Errors
    ///
    /// When a blob cannot be opened.
    pub fn missing(&self, images: &ImageList) -> io::Result<BTreeMap<Digest, u64>> {
        let mut missing = BTreeMap::new();
        for (digest, one) in images.carryable() {
            if self.open(&digest, one.size())?.is_none() {
                missing.insert(digest, one.size());
            }
        }
        Ok(missing)
    }

    /// Hashes the manifests, configs and layers of `images`, and returns those that are missing or
    /// altered, with their sizes.
    ///
    /// # Errors
    ///
    /// When a blob cannot be read.
    pub fn bad(&self, images: &ImageList) -> io::Result<BTreeMap<Digest, u64>> {
        let mut bad = BTreeMap::new();
        for (digest, one) in images.carryable() {
            if self.look_at(&digest, one.size())? != BlobState::Whole {
                bad.insert(digest, one.size());
            }
        }
        Ok(bad)
    }

    /// Hashes a blob and returns its state.
    ///
    /// # Errors
    ///
    /// When the blob cannot be read.
    pub fn look_at(&self, digest: &Digest, size: u64) -> io::Result<BlobState> {
        match self.visit(*digest, size, &mut |_, _| Ok(())) {
            Ok(()) => Ok(BlobState::Whole),
            Err(BlobVisitError::Bad(BadBlob { state, .. })) => Ok(state),
            Err(BlobVisitError::Read(error) | BlobVisitError::Stopped(error)) => Err(error),
        }
    }

    /// Removes an altered blob.
    ///
    /// # Errors
    ///
    /// When it cannot be removed.
    pub fn discard(&self, digest: &Digest) -> io::Result<()> {
        self.disk.remove(&self.path_of(digest))
    }

    /// Starts a blob, or resumes one that a killed process left behind; its bytes are hashed again.
    ///
    /// Waits while another process writes the same blob.
    ///
    /// # Errors
    ///
    /// When the file cannot be created, locked or read.
    pub fn begin(&self, digest: Digest, size: u64) -> Result<BlobStart, StoreError> {
        let path = self.root.join(PARTIAL).join(digest.to_string());
        let in_the_way = || StoreError::InTheWay {
            path: path.clone(),
            wanted: "a regular file without other hard links",
        };
        loop {
            if self.open(&digest, size)?.is_some() {
                return Ok(BlobStart::Stored);
            }
            let file = self.disk.open_to_extend(&path)?.ok_or_else(in_the_way)?;
            lock_file(&file, Sharing::Exclusive, &self.waits)?;
            // Another process may have completed the blob and renamed the file.
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

    /// Waits until no other process uses the blobs. Returns `None` if the store never had any.
    pub(super) fn lock_exclusive(&self) -> Result<Option<StoreLock>, StoreError> {
        let path = self.root.join(LOCK);
        if path.exists() { StoreLock::exclusive(&path, &self.waits).map(Some) } else { Ok(None) }
    }

    /// Returns the blobs that are not in `named`, and incomplete ones. The caller holds the
    /// exclusive lock.
    pub(super) fn find_garbage(&self, named: &BTreeSet<Digest>) -> Result<BlobGarbage, StoreError> {
        // Following a link could remove files outside of the store.
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

    /// Removes garbage. The caller holds the exclusive lock.
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

    /// Returns the path of a blob, whether or not it exists.
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
    /// Returns the number of bytes written so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Discards the bytes written so far.
    ///
    /// # Errors
    ///
    /// When the file cannot be truncated.
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
    /// When they exceed the size of the blob, or cannot be written.
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

    /// Moves the blob to its final path if its digest and size match.
    ///
    /// The file is synced first: not every command hashes a stored blob, so a power failure must
    /// not leave a file of the right size with other bytes.
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

    /// Hashes the bytes of an earlier attempt, or discards them if they exceed the size of the
    /// blob.
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
