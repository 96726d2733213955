//! Files that nobody else may read: keys and passphrases.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileTypeExt as _;

use camino::Utf8Path;
use zeroize::Zeroizing;

use super::failure::Failure;
use crate::fsio::ReadFileError;
use crate::fsio::guard::{self, GuardError};

/// Reads a file of at most `limit` bytes that only this user or root can read or change.
///
/// # Errors
///
/// When it is not there, too large, no regular file, or open to others.
pub(super) fn read(path: &Utf8Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, Failure> {
    guard::read_private(path, limit).map_err(refused)
}

/// As [`read`], but of a pipe too: nobody else reads what a shell puts into one.
///
/// # Errors
///
/// As [`read`].
pub(super) fn read_file_or_pipe(path: &Utf8Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let metadata = fs_err::metadata(path).map_err(|error| refused(error.into()))?;
    if metadata.file_type().is_fifo() {
        return guard::read_secret(path, fs_err::File::open(path)?, limit).map_err(refused);
    }
    read(path, limit)
}

/// Reads what the caller opened, and calls it by `name`.
///
/// # Errors
///
/// When there is more than the limit, or it breaks off.
pub(super) fn read_opened(file: File, name: &str, limit: u64) -> Result<Zeroizing<Vec<u8>>, Failure> {
    guard::read_secret(name.into(), file, limit).map_err(refused)
}

/// Trouble of the disk is the world's; all else is a mistake in the command or in how the file was put there.
fn refused(error: GuardError) -> Failure {
    let remedy = error.remedy();
    let failure = match error {
        GuardError::Read(ReadFileError::Io(error)) if error.kind() != io::ErrorKind::NotFound => {
            Failure::world(error)
        }
        error => Failure::input(error),
    };
    remedy.into_iter().fold(failure, Failure::hint)
}
