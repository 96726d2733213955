//! Files that no other user may read: keys and passphrases.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileTypeExt as _;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use camino::Utf8Path;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::fsio::guard::{self, GuardError};
use crate::fsio::open_for_reading;

/// Part of the first and the last line of every private key in PEM.
const SECRET: &[u8] = b"PRIVATE KEY";

/// How long to wait for a program that opens a pipe for writing.
const WRITER_WAIT: Duration = Duration::from_secs(10);

/// Reads a file of at most `limit` bytes that only this user and root can read or change.
///
/// # Errors
///
/// When the file is missing, too large, not a regular file, or accessible to other users.
pub(super) fn read(path: &Utf8Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, Failure> {
    Ok(guard::read_private(path, limit)?)
}

/// Reads a private key like [`read`].
///
/// A file without a private key is returned regardless of its mode: it holds no secret, and the
/// caller can report its content instead of its mode.
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

/// Like [`read`], but also reads a pipe: no other user can read a pipe of the shell.
///
/// # Errors
///
/// As [`read`].
pub fn read_file_or_pipe(path: &Utf8Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let metadata = fs_err::metadata(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Failure::input(format!("file `{path}` does not exist")),
        _ => GuardError::from(error).into(),
    })?;
    if metadata.file_type().is_fifo() {
        let pipe = open_pipe(path)?;
        return Ok(guard::read_secret(path, pipe, limit)?);
    }
    read(path, limit)
}

/// Opens the pipe at `path` as soon as a program opens it for writing. That program may then take
/// its time: it may ask for a passphrase.
fn open_pipe(path: &Utf8Path) -> Result<fs_err::File, Failure> {
    let (sender, receiver) = mpsc::channel();
    let of_the_thread = path.to_owned();
    // Opening a pipe has no deadline of its own. After a timeout the command ends, and the thread
    // with it.
    thread::spawn(move || sender.send(fs_err::File::open(of_the_thread)));
    match receiver.recv_timeout(WRITER_WAIT) {
        Ok(opened) => Ok(opened?),
        Err(_) => Err(Failure::input(format!("`{path}` is a pipe that no program writes to"))
            .hint("start the program that writes to it, or pass a file")),
    }
}

/// Reads a file that the caller opened. Errors call it `name`.
///
/// # Errors
///
/// When the content exceeds the limit, or reading fails.
pub fn read_opened(file: File, name: &str, limit: u64) -> Result<Zeroizing<Vec<u8>>, Failure> {
    Ok(guard::read_secret(name.into(), file, limit)?)
}
