//! age key pairs for sealed secrets and recovery, in files of the form that `age-keygen` writes.

use std::io;

use camino::Utf8Path;
use zeroize::Zeroizing;

use super::private_file;
use crate::failure::Failure;
use crate::fsio::{Durability, MODE_PRIVATE, create_new};
use crate::model::text::AgeRecipient;
use crate::model::timestamp::Timestamp;
use crate::sealed::{IDENTITIES_BYTES_MAX, Identities, InvalidIdentities, NewIdentity};

/// Generates a pair, and returns its public key. Writes the private key to `path` with mode 0600,
/// and its public key above it.
///
/// # Errors
///
/// When the file exists, or the disk fails.
pub fn make_pair(path: &Utf8Path, now: Timestamp) -> Result<AgeRecipient, Failure> {
    let NewIdentity { public, line } = NewIdentity::generate();
    let file = Zeroizing::new(format!("# created: {now}\n# public key: {public}\n{}\n", *line));
    create_new(path, file.as_bytes(), MODE_PRIVATE, Durability::Synced).map_err(
        |error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                Failure::input(format!("`{path}` already exists, and keys are never overwritten"))
                    .hint("choose another file for the new key: --out FILE")
                    .hint(format!("its public half: relay-bundle keygen --age --public {path}"))
            }
            _ => error.into(),
        },
    )?;
    Ok(public)
}

/// Returns the public keys of a file of private keys.
///
/// # Errors
///
/// When the file is unreadable, open to other users, or holds anything but age keys.
pub fn public_keys(path: &Utf8Path) -> Result<Vec<AgeRecipient>, Failure> {
    let file = private_file::read_file_or_pipe(path, IDENTITIES_BYTES_MAX)?;
    let identities = Identities::parse(&file);
    let identities = identities.map_err(|error| Failure::input(format!("`{path}`: {error}")))?;
    Ok(identities.recipients())
}

/// Reads the private keys that open sealed secrets.
///
/// # Errors
///
/// As [`public_keys`].
pub fn load_identities(path: &Utf8Path) -> Result<Identities, Failure> {
    let file = private_file::read_file_or_pipe(path, IDENTITIES_BYTES_MAX)?;
    Identities::parse(&file).map_err(|error| {
        let failure = Failure::input(format!("`{path}` cannot open secrets: {error}"));
        // The other messages say what to do.
        match error {
            InvalidIdentities::None | InvalidIdentities::Malformed(_) => failure.hint(
                "create a key: relay-bundle keygen --age; secrets are sealed for its public half",
            ),
            _ => failure,
        }
    })
}
