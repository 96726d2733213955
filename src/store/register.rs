//! Adds bundles to the store: they are rendered in `.tmp` and renamed into place.

use std::collections::BTreeSet;
use std::fs::Metadata;
use std::io::{self, Read as _};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::entry::{EntryName, InvalidName};
use super::error::StoreError;
use super::layout::{LOCK, SERIALS_LOCK, TMP, read_folder, utf8};
use super::lock::StoreLock;
use super::{Store, read_sums};
use crate::bundle::fault::{Fault, ReadError};
use crate::bundle::files::BundleFiles;
use crate::bundle::layout::{ATTESTATION, SUMS};
use crate::bundle::limits::{ATTESTATION_BYTES_MAX, check_size};
use crate::bundle::read::{Files, SumsRead};
use crate::fsio::open_named;
use crate::model::digest::Digest;

/// The name of an altered entry in the work folder until it is removed.
const REPLACED: &str = "old";

/// The result of [`Store::register`].
#[derive(Debug)]
pub struct Registered {
    /// The folder of the entry.
    pub path: Utf8PathBuf,
    pub entry: EntryName,
    pub content_id: Digest,
    pub outcome: EntryOutcome,
}

/// How [`Store::register`] found and changed the entry.
#[derive(Debug)]
pub enum EntryOutcome {
    /// The entry was missing.
    New,
    /// The entry existed, and every byte matched.
    Existed,
    /// The entry existed, but was torn or altered, and was rebuilt. Its attestation was kept, if it
    /// had one.
    Replaced { reason: ReadError },
}

/// The state of an entry on disk.
enum EntryState {
    Absent,
    Whole,
    Altered(ReadError),
}

impl Store {
    /// Adds a bundle to the store, and points the link `profile` to it.
    ///
    /// Builds may run concurrently. An existing entry is read and hashed, and is rebuilt if it does
    /// not match.
    ///
    /// # Errors
    ///
    /// When a name is not allowed, when something other than a link has the name of the profile, or
    /// when the disk cannot be read or written.
    pub fn register(
        &self,
        files: &BundleFiles,
        name: &str,
        profile: &str,
    ) -> Result<Registered, StoreError> {
        let build = Build::new(files, name, profile)?;
        self.make_root()?;
        self.sweep_if_alone()?;
        let mut lock = StoreLock::shared(&self.root.join(LOCK), &self.waits)?;
        self.check_link_place(profile)?;
        let outcome = if let Some(outcome) = self.add(&build)? {
            outcome
        } else {
            // Two builds must not repair an entry at the same time: the second would remove the
            // first one's result.
            drop(lock);
            lock = StoreLock::exclusive(&self.root.join(LOCK), &self.waits)?;
            self.add_or_replace(&build)?
        };
        self.point(profile, &build.entry)?;
        drop(lock);
        let Build { entry, content_id, .. } = build;
        Ok(Registered { path: self.path_of(&entry), entry, content_id, outcome })
    }

    /// Adds or atomically replaces the attestation of an entry.
    ///
    /// # Errors
    ///
    /// When the entry does not exist, the attestation is too large, or the disk cannot be written.
    pub fn attach(&self, entry: &EntryName, attestation: &[u8]) -> Result<(), StoreError> {
        check_size(ATTESTATION, attestation.len() as u64, ATTESTATION_BYTES_MAX)?;
        let path = self.path_of(entry);
        if !path.is_dir() {
            return Err(self.not_found(entry.as_str()));
        }
        self.make_root()?;
        let _lock = StoreLock::shared(&self.root.join(LOCK), &self.waits)?;
        // Not beside the target: a file that a killed process leaves there would be refused as an
        // extra file.
        let (_work, folder) = self.make_work_folder()?;
        let file = folder.join(ATTESTATION);
        self.disk.write_file(&file, attestation)?;
        Ok(self.disk.rename(&file, &path.join(ATTESTATION))?)
    }

    /// Waits until no other process assigns serials in this store, and holds the lock until the
    /// value is dropped.
    ///
    /// # Errors
    ///
    /// When the folder or the lock file cannot be created.
    pub fn lock_serials(&self) -> Result<StoreLock, StoreError> {
        self.make_root()?;
        StoreLock::exclusive(&self.root.join(SERIALS_LOCK), &self.waits)
    }

    /// Removes leftovers of killed builds, unless another process uses the store.
    fn sweep_if_alone(&self) -> Result<(), StoreError> {
        if self.leftovers()?.is_empty() {
            return Ok(());
        }
        if let Some(_lock) = StoreLock::try_exclusive(&self.root.join(LOCK))? {
            self.sweep()?;
        }
        Ok(())
    }

    /// Adds the entry unless it exists; returns `None` if it exists and was altered.
    fn add(&self, build: &Build<'_>) -> Result<Option<EntryOutcome>, StoreError> {
        let mut state = self.inspect(build)?;
        if matches!(state, EntryState::Absent) {
            if self.render_into_place(build)? {
                return Ok(Some(EntryOutcome::New));
            }
            state = self.inspect(build)?;
        }
        Ok(matches!(state, EntryState::Whole).then_some(EntryOutcome::Existed))
    }

    /// Adds the entry, or replaces an altered one. The caller holds the exclusive lock.
    fn add_or_replace(&self, build: &Build<'_>) -> Result<EntryOutcome, StoreError> {
        match self.inspect(build)? {
            EntryState::Whole => Ok(EntryOutcome::Existed),
            EntryState::Absent => {
                self.render_into_place(build)?;
                Ok(EntryOutcome::New)
            }
            EntryState::Altered(reason) => {
                self.replace(build)?;
                Ok(EntryOutcome::Replaced { reason })
            }
        }
    }

    fn inspect(&self, build: &Build<'_>) -> Result<EntryState, StoreError> {
        let path = self.path_of(&build.entry);
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(EntryState::Absent),
            Err(error) => return Err(error.into()),
            Ok(metadata) if !metadata.is_dir() => {
                return Ok(EntryState::Altered(
                    Fault::Extra { name: build.entry.to_string() }.into(),
                ));
            }
            Ok(_) => {}
        }
        let checked = read_sums(&path, &build.content_id.to_string())
            .and_then(SumsRead::into_files)
            .and_then(Files::read_to_end);
        match checked {
            Ok(_) => Ok(EntryState::Whole),
            // A read error does not justify discarding an entry.
            Err(error @ ReadError { fault: Fault::Io(_), .. }) => {
                Err(StoreError::Read { entry: build.entry.clone(), error: Box::new(error) })
            }
            Err(error) => Ok(EntryState::Altered(error)),
        }
    }

    /// Renders the entry and renames it into place; returns `false` if another process added it
    /// first.
    fn render_into_place(&self, build: &Build<'_>) -> Result<bool, StoreError> {
        let (work, folder) = self.make_work_folder()?;
        self.render(build, &folder, None)?;
        match self.disk.rename(&folder, &self.path_of(&build.entry)) {
            Ok(()) => {
                // The work folder was renamed, so it must not be removed.
                drop(work.keep());
                Ok(true)
            }
            Err(error) if is_taken(&error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Replaces an altered entry. The caller holds the exclusive lock.
    fn replace(&self, build: &Build<'_>) -> Result<(), StoreError> {
        let path = self.path_of(&build.entry);
        let (_work, folder) = self.make_work_folder()?;
        let [old, new] = [REPLACED, build.entry.as_str()].map(|name| folder.join(name));
        self.disk.make_folder(&new)?;
        self.render(build, &new, salvage_attestation(&path)?.as_deref())?;
        self.disk.rename(&path, &old)?;
        // If the process is killed here, the entry is missing: `finish_replacement` restores it
        // with its signatures.
        self.disk.rename(&new, &path)?;
        Ok(self.disk.remove(&old)?)
    }

    /// Completes a replacement whose process was killed before its last rename, if `work` was its
    /// work folder.
    pub(super) fn finish_replacement(&self, work: &Utf8Path) -> Result<(), StoreError> {
        if fs::symlink_metadata(work.join(REPLACED)).is_err() {
            return Ok(());
        }
        for item in read_folder(work)? {
            if let Some(entry) = item.file_name().to_str().and_then(EntryName::parse)
                && fs::symlink_metadata(self.path_of(&entry)).is_err()
            {
                self.disk.rename(&utf8(item.path())?, &self.path_of(&entry))?;
            }
        }
        Ok(())
    }

    /// Writes the files of the bundle into an empty folder.
    fn render(
        &self,
        build: &Build<'_>,
        folder: &Utf8Path,
        attestation: Option<&[u8]>,
    ) -> io::Result<()> {
        let parents: BTreeSet<_> =
            build.files.iter().flat_map(|(path, _)| path.folders()).collect();
        for parent in parents {
            self.disk.make_folder(&folder.join(parent))?;
        }
        for (path, file) in build.files.iter() {
            self.disk.write_file(&folder.join(path.as_str()), file.bytes())?;
        }
        self.disk.write_file(&folder.join(SUMS), build.sums.as_bytes())?;
        attestation.map_or(Ok(()), |bytes| self.disk.write_file(&folder.join(ATTESTATION), bytes))
    }

    fn check_link_place(&self, profile: &str) -> Result<(), StoreError> {
        let path = self.root.join(profile);
        match fs::symlink_metadata(&path) {
            Ok(metadata) if !metadata.is_symlink() => Err(StoreError::NotALink { path }),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Points the link of `profile` to `entry` atomically.
    fn point(&self, profile: &str, entry: &EntryName) -> Result<(), StoreError> {
        let path = self.root.join(profile);
        if path.read_link_utf8().is_ok_and(|target| target == entry.as_str()) {
            return Ok(());
        }
        Ok(self.disk.replace_link(entry.as_str(), &path, &self.root.join(TMP))?)
    }
}

/// The bundle that [`Store::register`] adds.
struct Build<'a> {
    files: &'a BundleFiles,
    /// The bytes of `SHA256SUMS`.
    sums: String,
    content_id: Digest,
    entry: EntryName,
}

impl<'a> Build<'a> {
    fn new(files: &'a BundleFiles, name: &str, profile: &str) -> Result<Self, InvalidName> {
        let sums = files.sums().encode();
        let content_id = Digest::of(sums.as_bytes());
        let entry = EntryName::new(&content_id, name, profile)?;
        Ok(Self { files, sums, content_id, entry })
    }
}

/// Reads the attestation of an altered entry, without verifying it.
///
/// A rebuild cannot recreate signatures, and their users verify them.
fn salvage_attestation(entry: &Utf8Path) -> Result<Option<Vec<u8>>, StoreError> {
    let path = entry.join(ATTESTATION);
    let small_file = |metadata: &Metadata| {
        if metadata.is_file() && metadata.len() <= ATTESTATION_BYTES_MAX {
            Ok(())
        } else {
            Err(None)
        }
    };
    let opened = open_named(&path, Some, small_file);
    let is_absent = |error: &io::Error| {
        matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
    };
    match opened {
        Ok(Some((file, size))) => {
            let mut bytes = Vec::new();
            file.take(size).read_to_end(&mut bytes)?;
            Ok(Some(bytes))
        }
        Ok(None) | Err(None) => Ok(None),
        Err(Some(error)) if is_absent(&error) => Ok(None),
        Err(Some(error)) => Err(error.into()),
    }
}

fn is_taken(error: &io::Error) -> bool {
    use io::ErrorKind::{AlreadyExists, DirectoryNotEmpty, NotADirectory};
    matches!(error.kind(), AlreadyExists | DirectoryNotEmpty | NotADirectory)
}
