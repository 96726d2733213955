//! `--archive`: a bundle of the store as one file.

use std::io::BufWriter;

use camino::Utf8Path;

use super::failure::Failure;
use crate::archive::{WriteError, write as write_archive};
use crate::fsio::{AtomicFile, Durability, MODE_PUBLIC, folder_of};
use crate::store::{EntryName, Store};

/// Refuses a path that no archive can be written to, before anything is done.
pub(super) fn check(path: &Utf8Path, profile: &str) -> Result<(), Failure> {
    if path == "-" {
        return Err(Failure::input("`--archive` writes a file, not to stdout")
            .hint(format!("name the file: --archive {profile}.tar")));
    }
    let folder = folder_of(path);
    if folder.is_dir() {
        return Ok(());
    }
    Err(Failure::input(format!("`--archive {path}`: there is no folder `{folder}`"))
        .hint("make the folder first, or write to another one"))
}

/// Writes the archive of a store entry to `path`: whole, on the disk, or not at all.
pub(super) fn write(path: &Utf8Path, store: &Store, entry: &EntryName) -> Result<(), Failure> {
    let (_, sums) = store.open(entry.as_str())?;
    let attestation = sums.attestation().map(<[u8]>::to_vec);
    let files = sums.into_files().map_err(Failure::untrusted)?;
    let mut file = AtomicFile::create(path, MODE_PUBLIC, Durability::Synced)?;
    write_archive(BufWriter::new(&mut file), attestation.as_deref(), files).map_err(|error| match error {
        WriteError::Source(_) => Failure::untrusted(error),
        _ => Failure::world(error),
    })?;
    Ok(file.commit()?)
}
