//! Where a bundle is that has been built: an archive, its parts, a folder, or an entry of the store.

use std::io::{self, BufReader};

use camino::{Utf8Path, Utf8PathBuf};

use super::ctx::StoreArgs;
use super::failure::Failure;
use crate::archive;
use crate::bundle::read::{AnyMedium, Fault, Opening, ReadError, SumsRead};
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

/// Opens the archive, the index of an archive in parts, or the folder at `path`.
pub(super) fn open_path(path: &Utf8Path) -> Result<Found, Failure> {
    let mut place = Place { path: path.to_owned(), parts: None };
    let opening = place.open()?;
    let sums = opening.read_sums().map_err(|error| place.failure(error))?;
    Ok(Found { sums, place })
}

/// Opens an entry of the store.
pub(super) fn open_entry(store: &StoreArgs, reference: &str) -> Result<Found, Failure> {
    let store = Store::at(&store.store);
    let (entry, sums) = store.open(reference)?;
    Ok(Found { sums: sums.boxed(), place: Place { path: store.path_of(&entry), parts: None } })
}

impl Place {
    fn open(&mut self) -> Result<Opening<AnyMedium>, Failure> {
        let path = self.path.clone();
        let metadata = match fs_err::metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let missing = Failure::input(format!("there is no file or folder `{path}`"));
                return Err(missing.hint("`@NAME` means the store, and a plain NAME a profile"));
            }
            Err(error) => return Err(error.into()),
        };
        let opening = if metadata.is_dir() {
            folder::open(&path).map(Opening::boxed)
        } else if is_parts_index(&path) {
            let set = self.parts.insert(PartSet::find(&path)?);
            archive::open(BufReader::new(set.read())).map(Opening::boxed)
        } else if metadata.is_file() {
            archive::open_file(fs_err::File::open(&path)?).map(Opening::boxed)
        } else {
            archive::open(BufReader::new(fs_err::File::open(&path)?)).map(Opening::boxed)
        };
        opening.map_err(|error| self.failure(error))
    }

    /// Says what is wrong with the bundle; with an archive in parts, which parts are bad.
    pub(super) fn failure(&self, error: ReadError) -> Failure {
        if let Some(Err(bad)) = self.parts.as_ref().map(PartSet::check) {
            return bad.into();
        }
        let path = &self.path;
        match error.fault {
            Fault::Io(error) => error.into(),
            _ => {
                Failure::untrusted(error).hint(format!("`{path}` is no bundle, or was altered or cut short"))
            }
        }
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
            PartsError::Bad { .. } => Self::untrusted(error)
                .hint("copy the bad parts again, to the same place; the good ones need not be touched"),
            PartsError::Index { .. } | PartsError::Whole { .. } => Self::untrusted(error),
            PartsError::IndexFile(_) | PartsError::NoIndex { .. } | PartsError::NotAPart { .. } => {
                Self::input(error)
            }
        }
    }
}
