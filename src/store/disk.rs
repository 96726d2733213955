//! Makes all of the store's directory changes, and announces each one to an observer first.
//! Appending to blobs is not announced: a killed process may leave a blob at any length.
//!
//! An observer may end the process at any change. A test uses this to kill a build at each one and
//! to check that the store stays consistent.

use std::fmt;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use camino::Utf8Path;
use fs_err as fs;
use tempfile::TempDir;

use crate::fsio::{MODE_PUBLIC, open_to_extend};

/// The mode of every folder in the store.
const MODE_FOLDER: u32 = 0o755;

/// The name prefix of work folders.
const WORK: &str = "work-";

/// The name prefix of links that are about to be renamed into place.
const LINK: &str = "link-";

/// Returns whether [`Disk`] created this item of the `.tmp` folder.
pub(super) fn is_temporary(name: &str, item: &fs::DirEntry) -> bool {
    let is_random =
        |rest: &str| rest.len() == 6 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let Ok(kind) = item.file_type() else { return false };
    name.strip_prefix(WORK).is_some_and(|rest| kind.is_dir() && is_random(rest))
        || name.strip_prefix(LINK).is_some_and(|rest| kind.is_symlink() && is_random(rest))
}

/// A change that the store is about to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreChange {
    MakeFolder,
    CreateFile,
    Write,
    SetMode,
    Link,
    Rename,
    Remove,
}

/// Called with each change and its path before the change is made.
pub type StoreObserver = Arc<dyn Fn(StoreChange, &Utf8Path) + Send + Sync>;

/// The disk, with an optional observer.
#[derive(Clone, Default)]
pub(super) struct Disk {
    observer: Option<StoreObserver>,
}

impl Disk {
    pub(super) fn observed(observer: StoreObserver) -> Self {
        Self { observer: Some(observer) }
    }

    fn about_to(&self, change: StoreChange, path: &Utf8Path) {
        if let Some(observer) = &self.observer {
            observer(change, path);
        }
    }

    /// Creates a folder with mode 0755, regardless of the umask.
    pub(super) fn make_folder(&self, path: &Utf8Path) -> io::Result<()> {
        self.about_to(StoreChange::MakeFolder, path);
        fs::create_dir(path)?;
        self.about_to(StoreChange::SetMode, path);
        fs::set_permissions(path, std::fs::Permissions::from_mode(MODE_FOLDER))
    }

    /// Creates a folder unless its path exists already.
    pub(super) fn make_folder_if_absent(&self, path: &Utf8Path) -> io::Result<()> {
        match self.make_folder(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            made => made,
        }
    }

    /// Creates a uniquely named folder with mode 0755, which is removed when the value is dropped.
    pub(super) fn make_unique_folder(&self, parent: &Utf8Path) -> io::Result<TempDir> {
        self.about_to(StoreChange::MakeFolder, parent);
        let folder = tempfile::Builder::new().prefix(WORK).tempdir_in(parent)?;
        self.about_to(StoreChange::SetMode, parent);
        fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(MODE_FOLDER))?;
        Ok(folder)
    }

    /// Creates a link at `path`, or replaces an existing one atomically. The new link is first
    /// created in the folder `aside`.
    pub(super) fn replace_link(
        &self,
        target: &str,
        path: &Utf8Path,
        aside: &Utf8Path,
    ) -> io::Result<()> {
        self.about_to(StoreChange::Link, path);
        let make = |link: &Path| fs::os::unix::fs::symlink(target, link);
        let link = tempfile::Builder::new().prefix(LINK).make_in(aside, make)?.into_temp_path();
        self.about_to(StoreChange::Rename, path);
        fs::rename(&link, path)?;
        // The link was renamed, so no temporary file is left to remove.
        link.keep()?;
        Ok(())
    }

    /// Creates a file with mode 0644, regardless of the umask; `path` must not exist.
    pub(super) fn write_file(&self, path: &Utf8Path, bytes: &[u8]) -> io::Result<()> {
        self.about_to(StoreChange::CreateFile, path);
        let mut file = fs::OpenOptions::new().write(true).create_new(true).open(path)?;
        self.about_to(StoreChange::Write, path);
        file.write_all(bytes)?;
        self.set_public(&file, path)
    }

    /// Opens a file to read and extend it, and creates it if it is missing. Returns `None` if the
    /// path is not a regular file or the file has other hard links.
    pub(super) fn open_to_extend(&self, path: &Utf8Path) -> io::Result<Option<fs::File>> {
        self.about_to(StoreChange::CreateFile, path);
        open_to_extend(path, MODE_PUBLIC)
    }

    /// Sets the mode of an open file to 0644, regardless of the umask at its creation.
    pub(super) fn set_public(&self, file: &fs::File, path: &Utf8Path) -> io::Result<()> {
        self.about_to(StoreChange::SetMode, path);
        file.set_permissions(std::fs::Permissions::from_mode(MODE_PUBLIC))
    }

    pub(super) fn rename(&self, from: &Utf8Path, to: &Utf8Path) -> io::Result<()> {
        self.about_to(StoreChange::Rename, to);
        fs::rename(from, to)
    }

    /// Removes a file, a link, or a folder with all of its contents.
    pub(super) fn remove(&self, path: &Utf8Path) -> io::Result<()> {
        self.about_to(StoreChange::Remove, path);
        if fs::symlink_metadata(path)?.is_dir() {
            fs::remove_dir_all(path)
        } else {
            fs::remove_file(path)
        }
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").field("observed", &self.observer.is_some()).finish()
    }
}
