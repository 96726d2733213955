//! Every change to a name that the store makes on the disk, each announced before it is made. The
//! bytes of blobs grow unannounced: a kill may leave any part of them.
//!
//! An observer may end the process at any of them: so a test kills a build everywhere, and shows
//! that the store is whole each time.

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

/// How the names of folders begin in which something is made.
const WORK: &str = "work-";

/// How the names of links begin that are about to be renamed into place.
const LINK: &str = "link-";

/// Returns whether [`Disk`] made this in the folder for what is temporary.
pub(super) fn is_temporary(name: &str, item: &fs::DirEntry) -> bool {
    let is_random =
        |rest: &str| rest.len() == 6 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let Ok(kind) = item.file_type() else { return false };
    name.strip_prefix(WORK).is_some_and(|rest| kind.is_dir() && is_random(rest))
        || name.strip_prefix(LINK).is_some_and(|rest| kind.is_symlink() && is_random(rest))
}

/// A change that the store is about to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    MakeFolder,
    CreateFile,
    Write,
    SetMode,
    Link,
    Rename,
    Remove,
}

/// Is told of each change before it is made, and of the path.
pub type Observer = Arc<dyn Fn(Change, &Utf8Path) + Send + Sync>;

/// The disk, with an ear.
#[derive(Clone, Default)]
pub(super) struct Disk {
    observer: Option<Observer>,
}

impl Disk {
    pub(super) fn observed(observer: Observer) -> Self {
        Self { observer: Some(observer) }
    }

    fn about_to(&self, change: Change, path: &Utf8Path) {
        if let Some(observer) = &self.observer {
            observer(change, path);
        }
    }

    /// Makes a folder with mode 0755, whatever the umask.
    pub(super) fn make_folder(&self, path: &Utf8Path) -> io::Result<()> {
        self.about_to(Change::MakeFolder, path);
        fs::create_dir(path)?;
        self.about_to(Change::SetMode, path);
        fs::set_permissions(path, std::fs::Permissions::from_mode(MODE_FOLDER))
    }

    /// Makes a folder unless something is there already.
    pub(super) fn make_folder_if_absent(&self, path: &Utf8Path) -> io::Result<()> {
        match self.make_folder(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            made => made,
        }
    }

    /// Makes a folder of mode 0755 with a name of its own, which goes when the value is dropped.
    pub(super) fn make_unique_folder(&self, parent: &Utf8Path) -> io::Result<TempDir> {
        self.about_to(Change::MakeFolder, parent);
        let folder = tempfile::Builder::new().prefix(WORK).tempdir_in(parent)?;
        self.about_to(Change::SetMode, parent);
        fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(MODE_FOLDER))?;
        Ok(folder)
    }

    /// Puts a link in one step where nothing or another link is; `aside` is the folder in which it
    /// is made.
    pub(super) fn replace_link(
        &self,
        target: &str,
        path: &Utf8Path,
        aside: &Utf8Path,
    ) -> io::Result<()> {
        self.about_to(Change::Link, path);
        let make = |link: &Path| fs::os::unix::fs::symlink(target, link);
        let link = tempfile::Builder::new().prefix(LINK).make_in(aside, make)?.into_temp_path();
        self.about_to(Change::Rename, path);
        fs::rename(&link, path)?;
        // The name is taken: there is nothing left to remove.
        link.keep()?;
        Ok(())
    }

    /// Makes a file with mode 0644, whatever the umask, where nothing is.
    pub(super) fn write_file(&self, path: &Utf8Path, bytes: &[u8]) -> io::Result<()> {
        self.about_to(Change::CreateFile, path);
        let mut file = fs::OpenOptions::new().write(true).create_new(true).open(path)?;
        self.about_to(Change::Write, path);
        file.write_all(bytes)?;
        self.set_public(&file, path)
    }

    /// Opens a file to read and extend it, and makes it if it is not there; none if something else
    /// stands there.
    pub(super) fn open_to_extend(&self, path: &Utf8Path) -> io::Result<Option<fs::File>> {
        self.about_to(Change::CreateFile, path);
        open_to_extend(path, MODE_PUBLIC)
    }

    /// Gives an open file the mode 0644, whatever the umask was when it was made.
    pub(super) fn set_public(&self, file: &fs::File, path: &Utf8Path) -> io::Result<()> {
        self.about_to(Change::SetMode, path);
        file.set_permissions(std::fs::Permissions::from_mode(MODE_PUBLIC))
    }

    pub(super) fn rename(&self, from: &Utf8Path, to: &Utf8Path) -> io::Result<()> {
        self.about_to(Change::Rename, to);
        fs::rename(from, to)
    }

    /// Removes a file, a link, or a folder with all that is in it.
    pub(super) fn remove(&self, path: &Utf8Path) -> io::Result<()> {
        self.about_to(Change::Remove, path);
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
