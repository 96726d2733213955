//! Opens exactly the file that has a name: not the target of a link, not a pipe, and not a file
//! that takes the name during the open.
//!
//! No open in this module blocks. If a pipe replaces a file between the check and the open, the
//! open returns at once, and the second check, on the open file, refuses it.

use std::fs::{Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use rustix::fs::{CWD, Mode, OFlags, openat};

/// Why reading a file failed.
#[derive(Debug, thiserror::Error)]
pub enum ReadFileError {
    #[error("`{path}` exceeds the limit of {limit} bytes")]
    TooLarge { path: Utf8PathBuf, limit: u64 },
    #[error("`{path}` is not a regular file")]
    NotRegular { path: Utf8PathBuf },
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Returns the metadata of the file at `path`, with a plain error message if it is missing.
///
/// # Errors
///
/// When the file is missing or its metadata cannot be read.
pub fn metadata(path: &Utf8Path) -> io::Result<std::fs::Metadata> {
    fs::metadata(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            io::Error::new(error.kind(), format!("file `{path}` does not exist"))
        }
        _ => error,
    })
}

/// Returns the folder of the file at `path`.
pub fn folder_of(path: &Utf8Path) -> &Utf8Path {
    path.parent().filter(|folder| !folder.as_str().is_empty()).unwrap_or(Utf8Path::new("."))
}

/// Opens `path` for reading without ever blocking on a pipe.
///
/// # Errors
///
/// When it cannot be opened.
pub fn open_for_reading(path: &Utf8Path) -> io::Result<fs::File> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    fs::OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// Opens the regular file at `path`, or the one that a link at `path` points to, and returns it
/// with its size.
///
/// # Errors
///
/// When the file does not exist, is not regular, or cannot be opened.
pub fn open_regular(path: &Utf8Path) -> Result<(fs::File, u64), ReadFileError> {
    let not_regular = || ReadFileError::NotRegular { path: path.to_owned() };
    // Check before opening, too: opening a device can have side effects.
    if !metadata(path)?.is_file() {
        return Err(not_regular());
    }
    let file = open_for_reading(path)?;
    let opened = file.metadata()?;
    if opened.is_file() { Ok((file, opened.len())) } else { Err(not_regular()) }
}

/// Opens the file at `path` and returns it with its size, or `None` if it was replaced during the
/// open.
///
/// `check` is called before the file is opened, and again for the opened file.
///
/// # Errors
///
/// When `check` refuses the file; system errors are converted by `failed`.
pub fn open_named<E>(
    path: &Utf8Path,
    failed: impl Fn(io::Error) -> E,
    check: impl Fn(&Metadata) -> Result<(), E>,
) -> Result<Option<(fs::File, u64)>, E> {
    let (folder, name) = (folder_of(path), path.file_name().unwrap_or_default());
    open_below(folder, name.as_ref(), failed, check)
}

/// Same as [`open_named`] for a relative path below the folder `root`; no folder on the way may be
/// a link either.
///
/// # Errors
///
/// Same as [`open_named`].
pub fn open_below<E>(
    root: &Utf8Path,
    relative: &Utf8Path,
    failed: impl Fn(io::Error) -> E,
    check: impl Fn(&Metadata) -> Result<(), E>,
) -> Result<Option<(fs::File, u64)>, E> {
    let path = root.join(relative);
    let named = fs::symlink_metadata(&path).map_err(&failed)?;
    check(&named)?;
    let file = match open_beneath(root, relative) {
        Ok(file) => fs::File::from_parts(file, path.as_std_path()),
        // A link replaced it.
        Err(rustix::io::Errno::LOOP) => return Ok(None),
        Err(error) => {
            let error = io::Error::from(error);
            let why = format!("failed to open file `{path}`: {}", error.kind());
            return Err(failed(io::Error::new(error.kind(), why)));
        }
    };
    let opened = file.metadata().map_err(&failed)?;
    check(&opened)?;
    let is_same = (named.dev(), named.ino()) == (opened.dev(), opened.ino());
    Ok(is_same.then_some((file, opened.len())))
}

/// Opens a file folder by folder, each relative to its parent, and follows no link.
fn open_beneath(root: &Utf8Path, relative: &Utf8Path) -> rustix::io::Result<std::fs::File> {
    let (always, none) = (OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty());
    let mut folder = openat(CWD, root.as_std_path(), always | OFlags::DIRECTORY, none)?;
    let mut names = relative.iter().peekable();
    while let Some(name) = names.next() {
        let kind = if names.peek().is_some() { OFlags::DIRECTORY } else { OFlags::empty() };
        folder = openat(&folder, name, always | kind | OFlags::NOFOLLOW, none)?;
    }
    Ok(folder.into())
}

/// Opens the lock file at `path`, and creates it with this mode if it is missing. Returns `None` if
/// something other than a regular file has the name.
///
/// # Errors
///
/// When it can be neither created nor opened.
pub fn open_lock(path: &Utf8Path, mode: u32) -> io::Result<Option<fs::File>> {
    match fs::OpenOptions::new().read(true).write(true).create_new(true).mode(mode).open(path) {
        Ok(file) => {
            // The umask may have reduced the mode.
            file.set_permissions(Permissions::from_mode(mode))?;
            Ok(Some(file))
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let regular = |metadata: &Metadata| if metadata.is_file() { Ok(()) } else { Err(None) };
            match open_named(path, Some, regular) {
                Ok(opened) => Ok(opened.map(|(file, _)| file)),
                Err(None) => Ok(None),
                Err(Some(error)) => Err(error),
            }
        }
        Err(error) => Err(error),
    }
}

/// Opens the file at `path` to read and extend it, and creates it with this mode if it is missing.
/// Returns `None` if something other than a regular file has the name, or if the file has other
/// hard links.
///
/// # Errors
///
/// When it can be neither created nor opened.
pub fn open_to_extend(path: &Utf8Path, mode: u32) -> io::Result<Option<fs::File>> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(mode);
    let file = match options.custom_flags(flags.bits().cast_signed()).open(path) {
        Ok(file) => file,
        Err(_) if fs::symlink_metadata(path).is_ok_and(|metadata| !metadata.is_file()) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    // A file with another hard link would be changed there, too.
    Ok(Some(file).filter(|file| file.metadata().is_ok_and(|it| it.is_file() && it.nlink() == 1)))
}

/// Returns whether anything exists at `path`, including a dangling link.
///
/// # Errors
///
/// When its metadata cannot be read.
pub fn is_there(path: &Utf8Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
