//! Where a bundle is that has been built: an archive, its parts, a folder, or an entry of the store.

use std::io::{self, BufReader};

use camino::{Utf8Path, Utf8PathBuf};

use super::ctx::StoreArgs;
use super::failure::Failure;
use super::refused;
use crate::archive;
use crate::bundle::read::{AnyMedium, Opening, ReadError, SumsRead};
use crate::parts::{PartSet, PartsError};
use crate::store::{Store, folder};

/// A bundle of which nothing was parsed yet, and its place.
pub(super) struct Found {
    pub(super) sums: SumsRead<AnyMedium>,
    pub(super) place: Place,
}

/// Where a bundle was found.
pub(super) struct Place {
    pub(super) path: Utf8PathBuf,
    parts: Option<PartSet>,
}

/// Reads attestation and `SHA256SUMS` of the archive, the archive in parts, or the folder at `path`.
pub(super) fn open_path(path: &Utf8Path) -> Result<Found, Failure> {
    let (place, opening) = open(path)?;
    let sums = opening.and_then(Opening::read_sums).map_err(|error| place.failure(error))?;
    Ok(Found { sums, place })
}

/// Opens the archive, the index of an archive in parts, or the folder at `path`; the caller tells what is wrong with the
/// bundle itself.
pub(super) fn open(path: &Utf8Path) -> Result<(Place, Result<Opening<AnyMedium>, ReadError>), Failure> {
    let metadata = match fs_err::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let missing = Failure::input(format!("there is no file or folder `{path}`"));
            return Err(missing.hint("`@NAME` means the store, and a plain NAME a profile"));
        }
        Err(error) => return Err(error.into()),
    };
    let is_index = !metadata.is_dir() && is_parts_index(path);
    let parts = is_index.then(|| PartSet::find(path)).transpose()?;
    let opening = if let Some(parts) = &parts {
        archive::open(BufReader::new(parts.read())).map(Opening::boxed)
    } else if metadata.is_dir() {
        folder::open(path).map(Opening::boxed)
    } else if metadata.is_file() {
        archive::open_file(fs_err::File::open(path)?).map(Opening::boxed)
    } else {
        archive::open(BufReader::new(fs_err::File::open(path)?)).map(Opening::boxed)
    };
    Ok((Place { path: path.to_owned(), parts }, opening))
}

/// Opens an entry of the store.
pub(super) fn open_entry(store: &StoreArgs, reference: &str) -> Result<Found, Failure> {
    let store = Store::at(&store.store);
    let (entry, sums) = store.open(reference)?;
    Ok(Found { sums: sums.boxed(), place: Place { path: store.path_of(&entry), parts: None } })
}

impl Place {
    /// Reads the parts of an archive in parts; says which are bad, if any is.
    pub(super) fn bad_parts(&self) -> Option<PartsError> {
        self.parts.as_ref()?.check().err()
    }

    /// Says what is wrong with the bundle; with an archive in parts, which parts are bad.
    pub(super) fn failure(&self, error: ReadError) -> Failure {
        if let Some(bad) = self.bad_parts() {
            return bad.into();
        }
        refused::unreadable(&self.path, error)
    }
}

/// Tells whether a path is that of an index of parts, by its spelling alone.
pub(super) fn is_parts_index(path: &Utf8Path) -> bool {
    path.as_str().ends_with(crate::parts::SUFFIX)
}

impl From<PartsError> for Failure {
    fn from(error: PartsError) -> Self {
        use crate::fsio::ReadFileError;
        match error {
            PartsError::Io(error) | PartsError::IndexFile(ReadFileError::Io(error)) => error.into(),
            PartsError::Bad { .. } => refused::untrusted("TAMPERED", error)
                .hint("copy the bad parts again, to the same place; the good ones need not be touched"),
            PartsError::Index { .. } => refused::untrusted("BAD_FORM", error),
            PartsError::Whole { .. } => refused::untrusted("TAMPERED", error),
            PartsError::IndexFile(_) | PartsError::NoIndex { .. } | PartsError::NotAPart { .. } => {
                Self::input(error)
            }
        }
    }
}
