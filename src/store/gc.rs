//! Garbage: entries that no link reaches, and what killed builds left.

use std::io;

use camino::Utf8Path;
use walkdir::WalkDir;

use crate::store::lock::Lock;
use crate::store::{EntryName, LOCK, Store, StoreError, links};

/// What nothing in the store needs any more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Garbage {
    /// Sorted by name.
    pub entries: Vec<Unreachable>,
    /// The bytes of files that killed builds left in `.tmp`.
    pub leftover_bytes: u64,
}

/// An entry to which no profile's link and no pin leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreachable {
    pub entry: EntryName,
    /// The sizes of its files, added up.
    pub bytes: u64,
}

impl Garbage {
    /// Returns how many bytes its removal frees.
    pub fn bytes(&self) -> u64 {
        self.leftover_bytes + self.entries.iter().map(|entry| entry.bytes).sum::<u64>()
    }
}

impl Store {
    /// Returns what [`Store::collect_garbage`] would remove, and removes nothing. Waits for builds to end.
    ///
    /// # Errors
    ///
    /// When the store cannot be read, or a link cannot be followed.
    pub fn find_garbage(&self) -> Result<Garbage, StoreError> {
        // Without a lock file no one has built here.
        let _lock = if self.root.join(LOCK).exists() { Some(self.lock_exclusive()?) } else { None };
        self.garbage()
    }

    /// Removes what no link and no pin reaches, and returns it. Waits for builds to end.
    ///
    /// # Errors
    ///
    /// When the store cannot be read or written, or a link cannot be followed.
    pub fn collect_garbage(&self) -> Result<Garbage, StoreError> {
        if !self.root.is_dir() {
            return Ok(Garbage::default());
        }
        let _lock = self.lock_exclusive()?;
        let garbage = self.garbage()?;
        self.make_root()?;
        self.sweep()?;
        for unreachable in &garbage.entries {
            // A kill in the middle must not leave half an entry under its name.
            let (_work, folder) = self.make_work_folder()?;
            let doomed = folder.join("old");
            self.disk.rename(&self.path_of(&unreachable.entry), &doomed)?;
            self.disk.remove(&doomed)?;
        }
        Ok(garbage)
    }

    fn lock_exclusive(&self) -> Result<Lock, StoreError> {
        Lock::exclusive(&self.root.join(LOCK), &self.waits)
    }

    fn garbage(&self) -> Result<Garbage, StoreError> {
        let reachable = links::reachable(&self.root)?;
        let mut garbage = Garbage::default();
        for entry in self.entries()?.into_iter().filter(|entry| !reachable.contains(entry)) {
            let bytes = bytes_below(&self.path_of(&entry))?;
            garbage.entries.push(Unreachable { entry, bytes });
        }
        for path in self.leftovers()? {
            garbage.leftover_bytes += bytes_below(&path)?;
        }
        Ok(garbage)
    }
}

fn bytes_below(path: &Utf8Path) -> io::Result<u64> {
    let mut bytes = 0;
    // A link that a killed build left leads nowhere from here.
    for item in WalkDir::new(path).follow_root_links(false) {
        let metadata = item.map_err(io::Error::from)?.metadata().map_err(io::Error::from)?;
        if metadata.is_file() {
            bytes += metadata.len();
        }
    }
    Ok(bytes)
}
