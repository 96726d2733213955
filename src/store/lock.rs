//! The lock of the store: shared by builds, exclusive for whoever removes something.
//!
//! A lock goes with the process that holds it. So whoever has the exclusive lock knows that
//! everything in `.tmp` was left by the dead.
//!
//! A second file has the lock of those who give out serials: a build that signs, and `sign`.

use std::fs::TryLockError;

use camino::Utf8Path;
use fs_err as fs;

use crate::fsio::{MODE_PUBLIC, Sharing, Waits, lock_file, open_lock};
use crate::store::StoreError;

/// A lock that is held until it is dropped: closing the file releases it.
#[derive(Debug)]
pub struct Lock {
    _file: fs::File,
}

impl Lock {
    /// Waits until no one removes anything; makes the file of the lock if there is none.
    pub(super) fn shared(path: &Utf8Path, waits: &Waits) -> Result<Self, StoreError> {
        let file = open(path)?;
        lock_file(&file, Sharing::Shared, waits)?;
        Ok(Self { _file: file })
    }

    /// Waits until no one else uses the store; makes the file of the lock if there is none.
    pub(super) fn exclusive(path: &Utf8Path, waits: &Waits) -> Result<Self, StoreError> {
        let file = open(path)?;
        lock_file(&file, Sharing::Exclusive, waits)?;
        Ok(Self { _file: file })
    }

    /// Returns the exclusive lock if no one else uses the store now.
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
    let in_the_way =
        || StoreError::InTheWay { path: path.to_owned(), wanted: "the file of the lock" };
    // Others may build into the same store.
    open_lock(path, MODE_PUBLIC)?.ok_or_else(in_the_way)
}
