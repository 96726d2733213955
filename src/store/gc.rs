//! Garbage collection: finds and removes unreferenced entries and leftovers of killed builds.

use std::collections::BTreeSet;
use std::io;

use camino::Utf8Path;
use walkdir::WalkDir;

use super::blobs::BlobGarbage;
use super::entry::EntryName;
use super::error::StoreError;
use super::layout::LOCK;
use super::lock::StoreLock;
use super::{Store, links};
use crate::bundle::open::images_of;
use crate::bundle::read::Files;
use crate::images::list::ImageList;

/// Unreferenced entries and blobs of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreGarbage {
    /// Sorted by name.
    pub entries: Vec<Unreachable>,
    /// The total size of files that killed builds left in `.tmp`.
    pub leftover_bytes: u64,
    /// Image blobs that no referenced entry lists; empty for [`GarbageScope::Entries`].
    pub blobs: BlobGarbage,
}

/// An entry that neither a profile link nor a pin references.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreachable {
    pub entry: EntryName,
    /// The total size of its files.
    pub bytes: u64,
}

impl StoreGarbage {
    /// Returns the number of bytes that the removal frees.
    pub fn bytes(&self) -> u64 {
        let entries: u64 = self.entries.iter().map(|entry| entry.bytes).sum();
        let blobs: u64 = self.blobs.blobs.values().sum();
        self.leftover_bytes + entries + blobs + self.blobs.partial_bytes
    }
}

/// The kinds of garbage to collect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GarbageScope {
    Entries,
    EntriesAndBlobs,
}

impl Store {
    /// Returns the garbage that [`Store::collect_garbage`] would remove, without removing it. Waits
    /// for running builds.
    ///
    /// # Errors
    ///
    /// When the store cannot be read, or a link cannot be followed.
    pub fn find_garbage(&self, scope: GarbageScope) -> Result<StoreGarbage, StoreError> {
        // Builds take this lock first, too: waiting for a fetch must not block builds.
        let _blobs = self.lock_blobs(scope)?;
        // Without a lock file, no build has used this store.
        let _lock = if self.root.join(LOCK).exists() { Some(self.lock_exclusive()?) } else { None };
        self.garbage(scope)
    }

    /// Removes unreferenced entries and leftovers, and returns them. Waits for running builds.
    ///
    /// # Errors
    ///
    /// When the store cannot be read or written, or a link cannot be followed.
    pub fn collect_garbage(&self, scope: GarbageScope) -> Result<StoreGarbage, StoreError> {
        if !self.root.is_dir() {
            return Ok(StoreGarbage::default());
        }
        let _blobs = self.lock_blobs(scope)?;
        let _lock = self.lock_exclusive()?;
        let garbage = self.garbage(scope)?;
        self.make_root()?;
        self.sweep()?;
        for unreachable in &garbage.entries {
            // If the process is killed here, no partial entry may remain under its name.
            let (_work, folder) = self.make_work_folder()?;
            let doomed = folder.join("old");
            self.disk.rename(&self.path_of(&unreachable.entry), &doomed)?;
            self.disk.remove(&doomed)?;
        }
        if scope == GarbageScope::EntriesAndBlobs {
            self.blobs().remove(&garbage.blobs)?;
        }
        Ok(garbage)
    }

    /// Waits until no other process uses the blobs, if they are in scope.
    fn lock_blobs(&self, scope: GarbageScope) -> Result<Option<StoreLock>, StoreError> {
        match scope {
            GarbageScope::Entries => Ok(None),
            GarbageScope::EntriesAndBlobs => self.blobs().lock_exclusive(),
        }
    }

    fn lock_exclusive(&self) -> Result<StoreLock, StoreError> {
        StoreLock::exclusive(&self.root.join(LOCK), &self.waits)
    }

    fn garbage(&self, scope: GarbageScope) -> Result<StoreGarbage, StoreError> {
        let reachable = links::reachable(&self.root)?;
        let mut garbage = StoreGarbage::default();
        for entry in self.entries()?.into_iter().filter(|entry| !reachable.contains(entry)) {
            let bytes = bytes_below(&self.path_of(&entry))?;
            garbage.entries.push(Unreachable { entry, bytes });
        }
        for path in self.leftovers()? {
            garbage.leftover_bytes += bytes_below(&path)?;
        }
        if scope == GarbageScope::EntriesAndBlobs {
            let mut named = BTreeSet::new();
            for entry in reachable {
                named.extend(
                    self.images_of(&entry)?
                        .iter()
                        .flat_map(ImageList::carryable)
                        .map(|(digest, _)| digest),
                );
            }
            garbage.blobs = self.blobs().find_garbage(&named)?;
        }
        Ok(garbage)
    }

    /// Returns the images of an entry, or `None` if it does not pin its images.
    fn images_of(&self, entry: &EntryName) -> Result<Option<ImageList>, StoreError> {
        let about = |error| StoreError::Read { entry: entry.clone(), error: Box::new(error) };
        let (_, sums) = self.open(entry.as_str())?;
        let contents = sums.into_files().and_then(Files::read_to_end).map_err(about)?;
        let images = images_of(&contents.files);
        images.map_err(|error| StoreError::Images { entry: entry.clone(), why: error.to_string() })
    }
}

fn bytes_below(path: &Utf8Path) -> io::Result<u64> {
    let mut bytes = 0;
    // Do not follow a link that a killed build left.
    for item in WalkDir::new(path).follow_root_links(false) {
        let metadata = item.map_err(io::Error::from)?.metadata().map_err(io::Error::from)?;
        if metadata.is_file() {
            bytes += metadata.len();
        }
    }
    Ok(bytes)
}
