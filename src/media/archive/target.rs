//! The file that an archive is written to, whole or not at all.

use std::io::{self, BufWriter, Read as _, Write};
use std::path::PathBuf;

use camino::Utf8Path;

use super::write::WriteError;
use crate::bundle::layout::{ATTESTATION, SUMS};
use crate::failure::Failure;
use crate::fsio::{
    AtomicFile, Durability, Locked, MODE_PUBLIC, Waits, folder_of, is_there, lock_named,
    open_for_reading,
};

/// A path to write an archive to.
pub struct ArchiveTarget<'a> {
    pub path: &'a Utf8Path,
    /// The option that named the path, with a trailing space, or nothing.
    pub option: &'a str,
    /// A valid path, for hints.
    pub example: &'a str,
}

impl ArchiveTarget<'_> {
    /// Rejects a path that no archive can be written to, before any work is done.
    pub fn check(&self, store: &Utf8Path) -> Result<(), Failure> {
        let Self { path, option, example } = self;
        if *path == "-" {
            return Err(self
                .refused("an archive is written to a file, not to stdout")
                .hint(format!("pass the file: {option}{example}")));
        }
        let folder = folder_of(path);
        if !folder.is_dir() {
            return Err(self
                .refused(&format!("folder `{folder}` does not exist"))
                .hint("create it, or choose another folder"));
        }
        self.check_outside(store, "inside the store")?;
        self.check_replaceable()
    }

    /// Rejects a path inside a folder whose files belong to the store or to a bundle.
    pub fn check_outside(&self, folder: &Utf8Path, place: &str) -> Result<(), Failure> {
        if real(self.path)?.starts_with(real(folder)?) {
            let failure = self.refused(&format!("the path is {place}"));
            return Err(failure.hint("write the archive beside it"));
        }
        Ok(())
    }

    /// Refuses to replace anything but an archive of ours.
    fn check_replaceable(&self) -> Result<(), Failure> {
        let (why, hint) = match fs_err::symlink_metadata(self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error.into()),
            Ok(metadata) if metadata.is_dir() => ("it is a folder", "choose a file in it"),
            Ok(metadata) if !metadata.is_file() => (
                "it exists, and is not a regular file",
                "choose a new file, or remove the existing one",
            ),
            Ok(_) if begins_like_ours(self.path)? => return Ok(()),
            Ok(_) => (
                "it exists, and is not the archive of a bundle",
                "choose a new file, or remove the existing one",
            ),
        };
        Err(self.refused(why).hint(hint))
    }

    /// Locks the existing archive, if any.
    fn lock(&self, waits: &Waits) -> io::Result<Option<Locked>> {
        is_there(self.path)?.then(|| lock_named(self.path, waits)).transpose()
    }

    fn refused(&self, why: &str) -> Failure {
        Failure::input(format!("`{}{}`: {why}", self.option, self.path))
    }

    /// Writes the archive through `write`, whole and synced or not at all. Returns its size.
    ///
    /// An existing archive is locked before it is replaced, so a concurrent signer adds a signature
    /// either to the old archive or to the new one. Any other file that has appeared at the path
    /// stays.
    pub fn write(
        &self,
        waits: &Waits,
        progress: &mut dyn FnMut(u64),
        write: impl FnOnce(&mut dyn Write) -> Result<u64, ArchiveError>,
    ) -> Result<u64, ArchiveError> {
        let mut file = AtomicFile::create(self.path, MODE_PUBLIC, Durability::Synced)
            .map_err(WriteError::Output)?;
        let bytes = write(&mut BufWriter::new(Watched { out: &mut file, progress }))?;
        let _lock = self.lock(waits).map_err(WriteError::Output)?;
        self.check_replaceable().map_err(ArchiveError::Failure)?;
        file.commit().map_err(WriteError::Output)?;
        Ok(bytes)
    }
}

/// Why an archive was not written.
pub enum ArchiveError {
    Write(WriteError),
    /// A file that must not be replaced has appeared at the path since the first check, or a blob
    /// cannot go into the archive.
    Failure(Failure),
}

impl From<WriteError> for ArchiveError {
    fn from(error: WriteError) -> Self {
        Self::Write(error)
    }
}

impl From<Failure> for ArchiveError {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<ArchiveError> for Failure {
    fn from(error: ArchiveError) -> Self {
        match error {
            ArchiveError::Write(error) => error.into(),
            ArchiveError::Failure(failure) => failure,
        }
    }
}

/// A writer that reports how much it has written.
struct Watched<'a, W> {
    out: W,
    progress: &'a mut dyn FnMut(u64),
}

impl<W: Write> Write for Watched<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        (self.progress)(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Returns the path without links in its folder. The file itself need not exist.
fn real(path: &Utf8Path) -> io::Result<PathBuf> {
    match fs_err::canonicalize(folder_of(path)) {
        Ok(folder) => {
            let named = path.file_name().map_or_else(|| path.into(), |name| folder.join(name));
            // The last component may be a link to a folder, which is resolved. A link to a file is
            // kept, since a rename replaces it.
            Ok(if named.is_dir() { fs_err::canonicalize(named)? } else { named })
        }
        // An existing folder cannot contain a path whose parent folder does not exist.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(path.into()),
        Err(error) => Err(error),
    }
}

/// Returns whether a file starts with the header that our archives start with.
fn begins_like_ours(path: &Utf8Path) -> io::Result<bool> {
    let mut start = Vec::new();
    open_for_reading(path)?.take(512).read_to_end(&mut start)?;
    let is_first =
        |name: &str| start.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(&[0]));
    Ok([ATTESTATION, SUMS].into_iter().any(is_first) && start.get(257..262) == Some(b"ustar"))
}
