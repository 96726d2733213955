//! `--archive`: a bundle of the store as one file.

use std::io::BufWriter;

use camino::Utf8Path;

use super::failure::Failure;
use crate::archive::{WriteError, write as write_archive};
use crate::fsio::{AtomicFile, Durability, MODE_PUBLIC};
use crate::store::{EntryName, Store};

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
