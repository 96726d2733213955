//! The store: every bundle that was built here, under a name that proves its content.
//!
//! An entry is rendered in `.tmp` and renamed into place, so it is there whole or not at all, and
//! it never changes afterwards but for its attestation. Entries are not synced: what a power cut
//! tears is found when it is read, since every read hashes, and a build makes it again. Blobs of
//! images are synced, since not every use hashes them. `docs/format/store.md` specifies the layout.

pub mod blobs;
mod disk;
mod entry;
pub mod folder;
mod gc;
mod links;
mod lock;
mod register;

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use tempfile::TempDir;

pub use self::disk::{Change, Observer};
pub use self::entry::{EntryName, ID_DIGITS, InvalidName, NAME_BYTES_MAX};
pub use self::gc::{Garbage, GarbageScope, Unreachable};
pub use self::lock::Lock;
pub use self::register::{Outcome, Registered};

use self::disk::Disk;
use self::folder::Folder;
use crate::bundle::limits::LimitExceeded;
use crate::bundle::read::{Fault, ReadError, SumsRead};
use crate::fsio::{self, Waits};

const TMP: &str = ".tmp";
const LOCK: &str = ".lock";
const SERIALS_LOCK: &str = ".serials.lock";
const PINS: &str = ".pins";

/// A folder of bundles, by default `bundles/`.
#[derive(Clone, Debug)]
pub struct Store {
    root: Utf8PathBuf,
    disk: Disk,
    waits: Waits,
}

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(transparent)]
    Name(#[from] InvalidName),
    #[error("`{reference}` is not in the store `{store}`")]
    NotFound { reference: String, store: Utf8PathBuf },
    #[error("`{reference}` is the beginning of more than one id: {}", entries.join(", "))]
    Ambiguous { reference: String, entries: Vec<String> },
    #[error("the link `{link}` does not lead to an entry of the store")]
    BadLink { link: Utf8PathBuf },
    #[error("`{path}` is in the way: a link should stand there")]
    NotALink { path: Utf8PathBuf },
    #[error("`{path}` is in the way: {wanted} should stand there")]
    InTheWay { path: Utf8PathBuf, wanted: &'static str },
    #[error("store entry `{entry}`: {error}")]
    Read { entry: EntryName, error: Box<ReadError> },
    #[error("store entry `{entry}`: {why}")]
    Images { entry: EntryName, why: String },
    #[error(transparent)]
    Limit(#[from] LimitExceeded),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl StoreError {
    /// Returns what a person can do, if this program knows.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Io(error) => fsio::remedy(error),
            Self::Read { error, .. } => match &error.fault {
                Fault::Io(error) => fsio::remedy(error),
                _ => Some("build the profile again: that replaces an entry which was altered"),
            },
            Self::NotALink { .. } | Self::InTheWay { .. } => Some("move it away"),
            Self::BadLink { .. } => Some("build the profile again, or remove the link"),
            Self::Ambiguous { .. } => Some("give more digits"),
            Self::Name(_) | Self::NotFound { .. } | Self::Images { .. } | Self::Limit(_) => None,
        }
    }
}

impl Store {
    /// Names the store in the folder `root`. Touches nothing: the first build makes the folder.
    pub fn at(root: impl Into<Utf8PathBuf>) -> Self {
        Self { root: root.into(), disk: Disk::default(), waits: Waits::default() }
    }

    /// Names a store of which `observer` hears each change before it is made.
    pub fn observed(root: impl Into<Utf8PathBuf>, observer: Observer) -> Self {
        Self { root: root.into(), disk: Disk::observed(observer), waits: Waits::default() }
    }

    /// Tells `waits` of a lock that is not free.
    #[must_use]
    pub fn telling(self, waits: Waits) -> Self {
        Self { waits, ..self }
    }

    /// Returns the folder of the store.
    pub fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// Returns whether builds have used the folder as a store.
    pub fn is_made(&self) -> bool {
        fs::symlink_metadata(self.root.join(LOCK)).is_ok_and(|metadata| metadata.is_file())
    }

    /// Returns the folder of an entry, whether or not it is there.
    pub fn path_of(&self, entry: &EntryName) -> Utf8PathBuf {
        self.root.join(entry.as_str())
    }

    /// Returns the entry that `reference` means: its name, a link such as a profile's, or at least
    /// 8 digits of a content id, with or without `sha256:`.
    ///
    /// # Errors
    ///
    /// When there is none or more than one, or a link leads elsewhere.
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

    /// Opens the entry that `reference` means, as in [`Store::find`]; its name agrees with its
    /// `SHA256SUMS`.
    ///
    /// # Errors
    ///
    /// As [`Store::find`], and when the entry cannot be read or its content is not what its name
    /// says.
    pub fn open(&self, reference: &str) -> Result<(EntryName, SumsRead<Folder>), StoreError> {
        let entry = self.find(reference)?;
        let wanted =
            id_digits(reference).filter(|digits| digits.len() > ID_DIGITS).unwrap_or(entry.id());
        match read_sums(&self.path_of(&entry), wanted) {
            Ok(bundle) => Ok((entry, bundle)),
            Err(error) => Err(StoreError::Read { entry, error: Box::new(error) }),
        }
    }

    /// Returns the entries, sorted by name; none if there is no store.
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

    /// Returns the attestations of all builds of a profile, as they are. An entry that cannot be
    /// read has none.
    ///
    /// Entries are told apart by their names: a store with many profiles is not read for one of
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

    /// Lists what builds made in `.tmp`, and nothing that somebody else keeps there.
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

    /// Rids `.tmp` of what killed processes left; the caller holds the exclusive lock.
    fn sweep(&self) -> Result<(), StoreError> {
        for path in self.leftovers()? {
            self.finish_replacement(&path)?;
            self.disk.remove(&path)?;
        }
        Ok(())
    }

    /// Makes a folder in `.tmp` that goes when the value is dropped.
    fn make_work_folder(&self) -> io::Result<(TempDir, Utf8PathBuf)> {
        let work = self.disk.make_unique_folder(&self.root.join(TMP))?;
        let path = utf8(work.path().to_owned())?;
        Ok((work, path))
    }
}

/// Makes the folder of a store, with mode 0755, unless it is there.
fn make_store_folder(disk: &Disk, root: &Utf8Path) -> io::Result<()> {
    if root.is_dir() {
        return Ok(());
    }
    if let Some(parent) = root.parent() {
        fs::create_dir_all(parent)?;
    }
    disk.make_folder_if_absent(root)
}

/// Opens a folder whose content id begins with the digits `wanted`.
fn read_sums(path: &Utf8Path, wanted: &str) -> Result<SumsRead<Folder>, ReadError> {
    let bundle = folder::open(path)?.read_sums()?;
    let found = bundle.content_id();
    if found.to_string().starts_with(wanted) {
        Ok(bundle)
    } else {
        Err(Fault::OtherContent { wanted: wanted.to_owned(), found }.into())
    }
}

/// Returns the digits of a reference to a content id, if it is one.
fn id_digits(reference: &str) -> Option<&str> {
    let digits = reference.strip_prefix("sha256:").unwrap_or(reference);
    let is_hex = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (is_hex && (8..=64).contains(&digits.len())).then_some(digits)
}

/// Refuses what stands in place of a folder of ours: through a link, we would remove or trust what
/// is not ours.
fn check_own_folder(path: &Utf8Path) -> Result<(), StoreError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err(StoreError::InTheWay { path: path.to_owned(), wanted: "a folder" }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Lists a folder; one that does not exist is empty.
fn read_folder(path: &Utf8Path) -> io::Result<Vec<fs::DirEntry>> {
    match fs::read_dir(path) {
        Ok(items) => items.collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn utf8(path: std::path::PathBuf) -> io::Result<Utf8PathBuf> {
    Utf8PathBuf::try_from(path).map_err(io::Error::other)
}
