//! The store's own folders and files.

use std::io;
use std::path::PathBuf;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::disk::Disk;
use super::error::StoreError;

pub(super) const TMP: &str = ".tmp";
pub(super) const LOCK: &str = ".lock";
pub(super) const SERIALS_LOCK: &str = ".serials.lock";
pub(super) const PINS: &str = ".pins";

/// Creates the folder of a store with mode 0755, unless it exists.
pub(super) fn make_store_folder(disk: &Disk, root: &Utf8Path) -> io::Result<()> {
    if root.is_dir() {
        return Ok(());
    }
    if let Some(parent) = root.parent() {
        fs::create_dir_all(parent)?;
    }
    disk.make_folder_if_absent(root)
}

/// Refuses anything else in place of the store's own folder: following a link could remove or trust
/// files outside of the store.
pub(super) fn check_own_folder(path: &Utf8Path) -> Result<(), StoreError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err(StoreError::InTheWay { path: path.to_owned(), wanted: "a folder" }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Lists a folder; a missing folder is empty.
pub(super) fn read_folder(path: &Utf8Path) -> io::Result<Vec<fs::DirEntry>> {
    match fs::read_dir(path) {
        Ok(items) => items.collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

pub(super) fn utf8(path: PathBuf) -> io::Result<Utf8PathBuf> {
    Utf8PathBuf::try_from(path).map_err(io::Error::other)
}
