//! The lock of the store: shared by builds, exclusive for removals.
//!
//! The kernel releases a lock when its process ends. The holder of the exclusive lock therefore
//! knows that everything in `.tmp` is a leftover of a process that was killed.
//!
//! A second lock file serializes the processes that assign serials: signing builds and `sign`.

use std::fs::TryLockError;

use camino::Utf8Path;
use fs_err as fs;

use super::error::StoreError;
use crate::fsio::{MODE_PUBLIC, Sharing, Waits, lock_file, open_lock};

/// A lock that is held until the value is dropped: closing the file releases it.
#[derive(Debug)]
pub struct StoreLock {
    _file: fs::File,
}

impl StoreLock {
    /// Waits for running removals to end. Creates the lock file if it is missing.
    pub(super) fn shared(path: &Utf8Path, waits: &Waits) -> Result<Self, StoreError> {
        let file = open(path)?;
        lock_file(&file, Sharing::Shared, waits)?;
        Ok(Self { _file: file })
    }

    /// Waits until no other process uses the store. Creates the lock file if it is missing.
    pub(super) fn exclusive(path: &Utf8Path, waits: &Waits) -> Result<Self, StoreError> {
        let file = open(path)?;
        lock_file(&file, Sharing::Exclusive, waits)?;
        Ok(Self { _file: file })
    }

    /// Returns the exclusive lock, or `None` if another process uses the store.
    pub(super) fn try_exclusive(path: &Utf8Path) -> Result<Option<Self>, StoreError> {
        let file = open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }
}

fn open(path: &Utf8Path) -> Result<fs::File, StoreError> {
    let in_the_way = || StoreError::InTheWay { path: path.to_owned(), wanted: "a regular file" };
    // Other users may build into the same store.
    open_lock(path, MODE_PUBLIC)?.ok_or_else(in_the_way)
}
