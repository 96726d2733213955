//! Reads the passphrase of a key.

use std::fmt::Display;
use std::io::IsTerminal as _;

use camino::Utf8Path;
use zeroize::Zeroizing;

use super::private_file;
use crate::failure::Failure;
use crate::trust::passphrase::{InvalidPassphrase, PASSPHRASE_BYTES_MAX, Passphrase};

/// Where a passphrase is. It is never an argument or a variable, which other processes can see.
#[derive(Clone, Copy, Debug)]
pub enum PassphraseSource<'a> {
    /// A file that no other user can read, or a pipe.
    File(&'a Utf8Path),
    /// A file descriptor that the caller opened.
    Descriptor(u32),
}

impl PassphraseSource<'_> {
    /// Reads the passphrase.
    ///
    /// # Errors
    ///
    /// When the source is unreadable, open to other users, or not a valid passphrase.
    pub fn read(self) -> Result<Passphrase, Failure> {
        // One more byte for the line feed.
        let limit = PASSPHRASE_BYTES_MAX as u64 + 1;
        match self {
            Self::File(path) => {
                let line = private_file::read_file_or_pipe(path, limit)?;
                Passphrase::from_line(&line).map_err(|error| no_passphrase(path, error))
            }
            Self::Descriptor(number) => {
                let line = read_descriptor(number, limit)?;
                let name = format!("file descriptor {number}");
                Passphrase::from_line(&line).map_err(|error| no_passphrase(&name, error))
            }
        }
    }
}

/// Reads a descriptor that the caller opened.
fn read_descriptor(number: u32, limit: u64) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let name = format!("file descriptor {number}");
    // Taking over a descriptor needs unsafe Rust. Opening it by its name does not.
    let file = std::fs::File::open(format!("/dev/fd/{number}")).map_err(|error| {
        Failure::input(format!("{name} cannot be read: {error}")).hint(format!(
            "open it in the shell: relay-bundle … --passphrase-fd {number} {number}< FILE"
        ))
    })?;
    if file.is_terminal() {
        return Err(Failure::input(format!(
            "{name} is a terminal, which would show the passphrase"
        ))
        .hint("omit --passphrase-fd to type it without echo"));
    }
    private_file::read_opened(file, &name, limit)
}

fn no_passphrase(origin: &(impl Display + ?Sized), error: InvalidPassphrase) -> Failure {
    Failure::input(format!("`{origin}`: {error}"))
}
