//! Files that nobody else may read: keys and passphrases.

use std::fs::File;
use std::os::unix::fs::FileTypeExt as _;

use camino::Utf8Path;
use zeroize::Zeroizing;

use super::failure::Failure;
use crate::fsio::guard::{self, GuardError};

/// Reads a file of at most `limit` bytes that only this user or root can read or change.
///
/// # Errors
///
/// When it is not there, too large, no regular file, or open to others.
pub(super) fn read(path: &Utf8Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, Failure> {
    Ok(guard::read_private(path, limit)?)
}

/// As [`read`], but of a pipe too: nobody else reads what a shell puts into one.
///
/// # Errors
///
/// As [`read`].
pub(super) fn read_file_or_pipe(path: &Utf8Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let metadata = fs_err::metadata(path).map_err(GuardError::from)?;
    if metadata.file_type().is_fifo() {
        return Ok(guard::read_secret(path, fs_err::File::open(path)?, limit)?);
    }
    read(path, limit)
}

/// Reads what the caller opened, and calls it by `name`.
///
/// # Errors
///
/// When there is more than the limit, or it breaks off.
pub(super) fn read_opened(file: File, name: &str, limit: u64) -> Result<Zeroizing<Vec<u8>>, Failure> {
    Ok(guard::read_secret(name.into(), file, limit)?)
}
