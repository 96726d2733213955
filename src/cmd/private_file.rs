//! Files that nobody else may read: keys and passphrases.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileTypeExt as _;

use camino::Utf8Path;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::fsio::guard::{self, GuardError};
use crate::fsio::open_for_reading;

/// What every private key in PEM has in its first line and its last.
const SECRET: &[u8] = b"PRIVATE KEY";

/// Reads a file of at most `limit` bytes that only this user or root can read or change.
///
/// # Errors
///
/// When it is not there, too large, no regular file, or open to others.
pub(super) fn read(path: &Utf8Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, Failure> {
    Ok(guard::read_private(path, limit)?)
}

/// As [`read`], of a private key. A file that holds none is returned whatever its mode: nothing in
/// it is secret, and the caller says what it is instead of whom it is open to.
///
/// # Errors
///
/// As [`read`].
pub(super) fn read_key(path: &Utf8Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, Failure> {
    match guard::read_private(path, limit) {
        Err(error @ GuardError::NotPrivate { .. }) => {
            let file = guard::read_secret(path, open_for_reading(path)?, limit)?;
            let is_secret = file.windows(SECRET.len()).any(|window| window == SECRET);
            if is_secret { Err(error.into()) } else { Ok(file) }
        }
        read => Ok(read?),
    }
}

/// As [`read`], but of a pipe too: nobody else reads what a shell puts into one.
///
/// # Errors
///
/// As [`read`].
pub(super) fn read_file_or_pipe(
    path: &Utf8Path,
    limit: u64,
) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let metadata = fs_err::metadata(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Failure::input(format!("there is no file `{path}`")),
        _ => GuardError::from(error).into(),
    })?;
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
pub(super) fn read_opened(
    file: File,
    name: &str,
    limit: u64,
) -> Result<Zeroizing<Vec<u8>>, Failure> {
    Ok(guard::read_secret(name.into(), file, limit)?)
}
