//! Opens the very file that has a name: not what a link leads to, not a pipe, and nothing that took the name meanwhile.

use std::fs::{Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use camino::Utf8Path;
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;

/// Opens the file at `path`, and returns it with its size; none if another one took its name meanwhile.
///
/// `check` is asked before the file is opened, and of the opened file.
///
/// # Errors
///
/// When `check` refuses the file; or what `failed` makes of an error of the system.
pub fn open_named<E>(
    path: &Utf8Path,
    failed: impl Fn(io::Error) -> E,
    check: impl Fn(&Metadata) -> Result<(), E>,
) -> Result<Option<(fs::File, u64)>, E> {
    // Before opening: a pipe would block, and a link would lead elsewhere.
    let named = fs::symlink_metadata(path).map_err(&failed)?;
    check(&named)?;
    let file = fs::File::open(path).map_err(&failed)?;
    let opened = file.metadata().map_err(&failed)?;
    check(&opened)?;
    let is_same = (named.dev(), named.ino()) == (opened.dev(), opened.ino());
    Ok(is_same.then_some((file, opened.len())))
}

/// Opens the file at `path`, which is only ever locked, and makes it with this mode if it is not there; none if something
/// else stands there.
///
/// # Errors
///
/// When it can neither be made nor opened.
pub fn open_lock(path: &Utf8Path, mode: u32) -> io::Result<Option<fs::File>> {
    match fs::OpenOptions::new().read(true).write(true).create_new(true).mode(mode).open(path) {
        Ok(file) => {
            // Whatever the umask is.
            file.set_permissions(Permissions::from_mode(mode))?;
            Ok(Some(file))
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            // Before opening: a pipe would block, and a link would lead elsewhere.
            if fs::symlink_metadata(path)?.is_file() { fs::File::open(path).map(Some) } else { Ok(None) }
        }
        Err(error) => Err(error),
    }
}

/// Tells whether anything is at `path`, be it a link that leads nowhere.
///
/// # Errors
///
/// When it cannot be asked.
pub fn is_there(path: &Utf8Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
