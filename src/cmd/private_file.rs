//! Files that nobody else may read: keys and passphrases.

use std::fs::Metadata;
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};

use camino::Utf8Path;
use zeroize::Zeroizing;

use super::failure::Failure;
use crate::fsio::MODE_PRIVATE;

/// The permission bits that let others at a file.
const OTHERS: u32 = 0o077;

/// Reads a file of at most `limit` bytes that only its owner may read or write, and whose owner is this user or root.
///
/// The file is asked, not its name: links may lead to it, and it cannot be exchanged between check and use.
///
/// # Errors
///
/// When it is not there, too large, no regular file, or open to others.
pub(super) fn read(path: &Utf8Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, Failure> {
    // Before opening: a pipe would block until somebody writes.
    let is_file = fs_err::metadata(path).map_err(|error| missing_or_world(error, path))?.is_file();
    if !is_file {
        return Err(Failure::input(format!("`{path}` is no regular file")));
    }
    let file = fs_err::File::open(path).map_err(|error| missing_or_world(error, path))?;
    check(path, &file.metadata()?)?;
    read_to_limit(file, path.as_str(), limit)
}

/// As [`read`], but of a pipe too: nobody else reads what a shell puts into one.
///
/// # Errors
///
/// As [`read`].
pub(super) fn read_file_or_pipe(path: &Utf8Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let metadata = fs_err::metadata(path).map_err(|error| missing_or_world(error, path))?;
    if metadata.file_type().is_fifo() {
        return read_to_limit(fs_err::File::open(path)?, path.as_str(), limit);
    }
    read(path, limit)
}

/// Reads all of a stream, which must have no more than `limit` bytes.
///
/// # Errors
///
/// When it has more, or breaks off.
pub(super) fn read_to_limit(
    stream: impl Read,
    name: &str,
    limit: u64,
) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let room = usize::try_from(limit).expect("limits of small files fit") + 1;
    // Room for all of it: a vector that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    stream.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() == room {
        return Err(Failure::input(format!("`{name}` has more than {limit} bytes")));
    }
    Ok(bytes)
}

fn check(path: &Utf8Path, metadata: &Metadata) -> Result<(), Failure> {
    if !metadata.is_file() {
        return Err(Failure::input(format!("`{path}` is no regular file")));
    }
    let (owner, user) = (metadata.uid(), rustix::process::geteuid().as_raw());
    if owner != user && owner != 0 {
        return Err(Failure::input(format!(
            "`{path}` belongs to user {owner}, who could exchange it, and this is user {user}"
        ))
        .hint(format!("take it over: chown {user} {path}")));
    }
    let mode = metadata.mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(Failure::input(format!("`{path}` has the mode {mode:04o}: others can get at it"))
            .hint(format!("chmod {MODE_PRIVATE:o} {path}")));
    }
    Ok(())
}

/// A file that is not there is a mistake in the command, anything else a trouble of the disk.
fn missing_or_world(error: io::Error, path: &Utf8Path) -> Failure {
    match error.kind() {
        io::ErrorKind::NotFound => Failure::input(format!("there is no file `{path}`")),
        _ => error.into(),
    }
}
