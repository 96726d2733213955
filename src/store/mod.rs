//! The store: all locally built bundles, each under a name that is derived from its content.
//!
//! An entry is rendered in `.tmp` and renamed into place, so it is complete or absent, and only its
//! attestation changes afterwards. Entries are not synced: every read hashes them, so damage by a
//! power failure is detected, and the next build repairs it. Image blobs are synced, since not
//! every use hashes them. `docs/format/store.md` specifies the layout.

pub mod blobs;
mod disk;
mod entry;
mod error;
pub mod folder;
mod gc;
mod layout;
mod links;
mod lock;
mod register;

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use tempfile::TempDir;

pub use self::disk::{StoreChange, StoreObserver};
pub use self::entry::{EntryName, ID_DIGITS, InvalidName, NAME_BYTES_MAX};
pub use self::error::StoreError;
pub use self::gc::{GarbageScope, StoreGarbage, Unreachable};
pub use self::lock::StoreLock;
pub use self::register::{EntryOutcome, Registered};

use self::disk::Disk;
use self::folder::Folder;
use self::layout::{LOCK, TMP, check_own_folder, make_store_folder, read_folder, utf8};
use crate::bundle::fault::{Fault, ReadError};
use crate::bundle::read::SumsRead;
use crate::fsio::Waits;

/// The folder of the store, unless the operator names another one.
pub const DEFAULT_FOLDER: &str = "bundles";

/// A folder of bundles.
#[derive(Clone, Debug)]
pub struct Store {
    root: Utf8PathBuf,
    disk: Disk,
    waits: Waits,
}

impl Store {
    /// Returns the store in the folder `root`, without accessing the disk: the first build creates
    /// the folder.
    pub fn at(root: impl Into<Utf8PathBuf>) -> Self {
        Self { root: root.into(), disk: Disk::default(), waits: Waits::default() }
    }

    /// Returns a store that announces each change to `observer` before making it.
    pub fn observed(root: impl Into<Utf8PathBuf>, observer: StoreObserver) -> Self {
        Self { root: root.into(), disk: Disk::observed(observer), waits: Waits::default() }
    }

    /// Sets the callback for locks that another process holds.
    #[must_use]
    pub fn telling(self, waits: Waits) -> Self {
        Self { waits, ..self }
    }

    /// Returns the folder of the store.
    pub fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// Returns whether a build has used the folder as a store.
    pub fn is_made(&self) -> bool {
        fs::symlink_metadata(self.root.join(LOCK)).is_ok_and(|metadata| metadata.is_file())
    }

    /// Returns the folder of an entry, whether or not it exists.
    pub fn path_of(&self, entry: &EntryName) -> Utf8PathBuf {
        self.root.join(entry.as_str())
    }

    /// Returns the entry for `reference`: an entry name, a link such as a profile's, or at least 8
    /// digits of a content id, with or without `sha256:`.
    ///
    /// # Errors
    ///
    /// When no entry or several entries match, or a link points elsewhere.
    pub fn find(&self, reference: &str) -> Result<EntryName, StoreError> {
        if let Some(entry) = EntryName::parse(reference) {
            return if self.path_of(&entry).is_dir() {
                Ok(entry)
            } else {
                Err(self.not_found(reference))
            };
        }
        let link = self.root.join(reference);
        if Utf8Path::new(reference).file_name() == Some(reference) && link.is_symlink() {
            return links::target(&self.root, &link)?.ok_or(StoreError::BadLink { link });
        }
        let digits = id_digits(reference).ok_or_else(|| self.not_found(reference))?;
        let head = &digits[..digits.len().min(ID_DIGITS)];
        let mut found = self.entries()?;
        found.retain(|entry| entry.id().starts_with(head));
        match found.len() {
            0 => Err(self.not_found(reference)),
            1 => Ok(found.remove(0)),
            _ => Err(StoreError::Ambiguous {
                reference: reference.to_owned(),
                entries: found.iter().map(ToString::to_string).collect(),
            }),
        }
    }

    /// Opens the entry for `reference`, which is resolved by [`Store::find`], and checks its name
    /// against its `SHA256SUMS`.
    ///
    /// # Errors
    ///
    /// Same as [`Store::find`], and when the entry cannot be read or its content id differs from
    /// its name.
    pub fn open(&self, reference: &str) -> Result<(EntryName, SumsRead<Folder>), StoreError> {
        let entry = self.find(reference)?;
        match read_sums(&self.path_of(&entry), asked_id(reference, &entry)) {
            Ok(bundle) => Ok((entry, bundle)),
            Err(error) => Err(StoreError::Read { entry, error: Box::new(error) }),
        }
    }

    /// Returns the entries, sorted by name; empty if the store does not exist.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read.
    pub fn entries(&self) -> Result<Vec<EntryName>, StoreError> {
        let mut entries = Vec::new();
        for item in read_folder(&self.root)? {
            if let Some(entry) = item.file_name().to_str().and_then(EntryName::parse)
                && item.file_type()?.is_dir()
            {
                entries.push(entry);
            }
        }
        entries.sort();
        Ok(entries)
    }

    /// Returns the unverified attestations of all builds of a profile. Entries without an
    /// attestation and unreadable entries are skipped.
    ///
    /// Entries are selected by name, so that a store with many profiles is not read for one of
    /// them.
    ///
    /// # Errors
    ///
    /// When the folder of the store cannot be read.
    pub fn attestations(&self, name: &str, profile: &str) -> Result<Vec<Vec<u8>>, StoreError> {
        let entries = self.entries()?.into_iter().filter(|entry| entry.is_of(name, profile));
        let opened = entries.filter_map(|entry| folder::open(&self.path_of(&entry)).ok());
        Ok(opened.filter_map(|opened| opened.attestation().map(<[u8]>::to_vec)).collect())
    }

    fn not_found(&self, reference: &str) -> StoreError {
        StoreError::NotFound { reference: reference.to_owned(), store: self.root.clone() }
    }

    fn make_root(&self) -> Result<(), StoreError> {
        make_store_folder(&self.disk, &self.root)?;
        let folder = self.root.join(TMP);
        self.disk.make_folder_if_absent(&folder)?;
        check_own_folder(&folder)
    }

    /// Lists the items in `.tmp` that builds created, and no other files there.
    fn leftovers(&self) -> Result<Vec<Utf8PathBuf>, StoreError> {
        let folder = self.root.join(TMP);
        check_own_folder(&folder)?;
        let mut leftovers = Vec::new();
        for item in read_folder(&folder)? {
            if item.file_name().to_str().is_some_and(|name| disk::is_temporary(name, &item)) {
                leftovers.push(utf8(item.path())?);
            }
        }
        Ok(leftovers)
    }

    /// Removes leftovers of killed processes from `.tmp`. The caller holds the exclusive lock.
    fn sweep(&self) -> Result<(), StoreError> {
        for path in self.leftovers()? {
            self.finish_replacement(&path)?;
            self.disk.remove(&path)?;
        }
        Ok(())
    }

    /// Creates a folder in `.tmp` that is removed when the value is dropped.
    fn make_work_folder(&self) -> io::Result<(TempDir, Utf8PathBuf)> {
        let work = self.disk.make_unique_folder(&self.root.join(TMP))?;
        let path = utf8(work.path().to_owned())?;
        Ok((work, path))
    }
}

/// Opens a bundle folder, and checks that its content id starts with the digits `wanted`.
fn read_sums(path: &Utf8Path, wanted: &str) -> Result<SumsRead<Folder>, ReadError> {
    let bundle = folder::open(path)?.read_sums()?;
    let found = bundle.content_id();
    if found.to_string().starts_with(wanted) {
        Ok(bundle)
    } else {
        Err(Fault::OtherContent { wanted: wanted.to_owned(), found }.into())
    }
}

/// Returns the digits that the content id of an entry must start with: the longer ones of the
/// `reference` that led to it, or those of its name. A link may have the name of any id.
pub fn asked_id<'a>(reference: &'a str, entry: &'a EntryName) -> &'a str {
    id_digits(reference).filter(|digits| digits.len() > ID_DIGITS).unwrap_or(entry.id())
}

/// Returns the digits of a content id reference, if `reference` is one.
fn id_digits(reference: &str) -> Option<&str> {
    let digits = reference.strip_prefix("sha256:").unwrap_or(reference);
    let is_hex = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (is_hex && (8..=64).contains(&digits.len())).then_some(digits)
}
