//! `--archive`: a bundle of the store as one file.

use std::io::{self, BufWriter, Read as _};
use std::path::PathBuf;

use camino::Utf8Path;

use super::failure::Failure;
use crate::archive::{WriteError, write as write_archive};
use crate::bundle::layout::{ATTESTATION, SUMS};
use crate::fsio::{AtomicFile, Durability, MODE_PUBLIC, folder_of};
use crate::store::{EntryName, Store};

/// Refuses a path that no archive can be written to, before anything is done.
pub(super) fn check(path: &Utf8Path, profile: &str, store: &Utf8Path) -> Result<(), Failure> {
    if path == "-" {
        return Err(Failure::input("`--archive` writes a file, not to stdout")
            .hint(format!("name the file: --archive {profile}.tar")));
    }
    let folder = folder_of(path);
    if folder.is_dir() {
        return check_target(path, store);
    }
    Err(Failure::input(format!("`--archive {path}`: there is no folder `{folder}`"))
        .hint("make the folder first, or write to another one"))
}

/// Refuses a place inside the store, and to replace what is no archive of ours.
fn check_target(path: &Utf8Path, store: &Utf8Path) -> Result<(), Failure> {
    let refuse = |why: &str, hint: &str| Err(Failure::input(format!("`--archive {path}`: {why}")).hint(hint));
    if real(path)?.starts_with(real(store)?) {
        return refuse("the path is inside the store", "write the archive beside the store");
    }
    match fs_err::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
        Ok(metadata) if metadata.is_dir() => refuse("there is a folder", "name a file in it"),
        Ok(metadata) if !metadata.is_file() => {
            refuse("what is there is no regular file", "name a new file, or remove what is there")
        }
        Ok(_) if !begins_like_ours(path)? => refuse(
            "the file there is no archive of a bundle",
            "name a new file, or remove the one that is there",
        ),
        Ok(_) => Ok(()),
    }
}

/// Returns the path of something that may not be there yet, free of links up to its name.
fn real(path: &Utf8Path) -> io::Result<PathBuf> {
    match fs_err::canonicalize(folder_of(path)) {
        Ok(folder) => {
            let named = path.file_name().map_or_else(|| path.into(), |name| folder.join(name));
            // The last name of a folder may be a link too; that of a file stays, since a rename replaces it.
            Ok(if named.is_dir() { fs_err::canonicalize(named)? } else { named })
        }
        // Nothing that is there can be inside a folder that is not.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(path.into()),
        Err(error) => Err(error),
    }
}

/// Tells whether the first header of a file is one that our archives begin with.
fn begins_like_ours(path: &Utf8Path) -> io::Result<bool> {
    let mut start = Vec::new();
    fs_err::File::open(path)?.take(512).read_to_end(&mut start)?;
    let is_first =
        |name: &str| start.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(&[0]));
    Ok([ATTESTATION, SUMS].into_iter().any(is_first) && start.get(257..262) == Some(b"ustar"))
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
