//! Reads a bundle from a folder, and is strict about the files in it.
//!
//! Each file is opened once; its type and mode are checked and its bytes are hashed through the
//! same handle. A concurrent change is therefore detected, or has no effect.

use std::collections::BTreeSet;
use std::fs::Metadata;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use walkdir::WalkDir;

use crate::bundle::content::Content;
use crate::bundle::fault::{Fault, FormFault, ReadError};
use crate::bundle::layout::{ATTESTATION, SUMS};
use crate::bundle::limits::{ATTESTATION_BYTES_MAX, SUMS_BYTES_MAX, check_size};
use crate::bundle::medium::{Medium, SealedMedium};
use crate::bundle::read::Opening;
use crate::bundle::sums::Sums;
use crate::fsio::{MODE_PUBLIC, open_below};
use crate::hashing::{Crew, FileContent};
use crate::images::layout::is_in_layout;
use crate::model::safe_path::SafePath;

/// How often to retry opening a file that is being replaced: signers may replace an attestation at
/// any time.
const OPENED_MAX: usize = 100;

/// Opens the bundle in the folder at `path`, which may be a symbolic link to a folder.
///
/// # Errors
///
/// When the folder does not exist, or its attestation is unreadable, too large, or not a plain
/// file.
pub fn open(path: &Utf8Path) -> Result<Opening<Folder>, ReadError> {
    // A link such as `bundles/production` may change while the bundle is read.
    let root = Utf8PathBuf::try_from(fs::canonicalize(path)?).map_err(io::Error::other)?;
    Opening::new(Folder { root, open: None, crew: Arc::default() })
}

/// The folder of a bundle, opened by [`open`].
#[derive(Debug)]
pub struct Folder {
    root: Utf8PathBuf,
    open: Option<FileContent>,
    crew: Arc<Crew>,
}

impl Folder {
    /// Opens a file, checks its type and mode, and returns it with its size.
    fn open_strict(&self, name: &str) -> Result<(fs::File, u64), ReadError> {
        for _ in 0..OPENED_MAX {
            if let Some(opened) = self.try_open(name)? {
                return Ok(opened);
            }
        }
        let path = self.root.join(name);
        Err(io::Error::other(format!("`{path}` is replaced repeatedly while being opened")).into())
    }

    /// Opens a file, or returns `None` if it was replaced at the same time.
    fn try_open(&self, name: &str) -> Result<Option<(fs::File, u64)>, ReadError> {
        let not_there = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                Fault::Missing { path: name.to_owned() }
            }
            _ => Fault::Io(error),
        };
        Ok(open_below(&self.root, name.into(), not_there, |metadata| check_form(name, metadata))?)
    }

    fn read_small(&self, name: &str, limit: u64) -> Result<Vec<u8>, ReadError> {
        let (file, size) = self.open_strict(name)?;
        check_size(name, size, limit)?;
        let mut bytes = Vec::with_capacity(usize::try_from(size).map_err(io::Error::other)?);
        file.take(size).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

impl SealedMedium for Folder {
    fn read_attestation(&mut self) -> Result<Option<Vec<u8>>, ReadError> {
        match self.read_small(ATTESTATION, ATTESTATION_BYTES_MAX) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(ReadError { fault: Fault::Missing { .. }, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn read_sums(&mut self) -> Result<Vec<u8>, ReadError> {
        self.read_small(SUMS, SUMS_BYTES_MAX)
    }
}

impl Medium for Folder {
    fn begin(&mut self, sums: &Sums) -> Result<(), ReadError> {
        let found = list(&self.root, sums)?;
        match sums.iter().find(|(path, _)| !found.contains(path.as_str())) {
            Some((path, _)) => Err(Fault::Missing { path: path.to_string() }.into()),
            None => Ok(()),
        }
    }

    fn open_file(
        &mut self,
        path: &SafePath,
        _: &Sums,
    ) -> Result<(u64, &mut dyn Content), ReadError> {
        let (file, size) = self.open_strict(path.as_str())?;
        Ok((size, self.open.insert(FileContent::new(file, Arc::clone(&self.crew)))))
    }
}

/// Lists the files below `root`; refuses the first one that `SHA256SUMS` does not list.
///
/// Unlisted folders are not entered: a folder may contain more than fits into memory, and be nested
/// deeper than the longest path.
fn list(root: &Utf8Path, sums: &Sums) -> Result<BTreeSet<String>, ReadError> {
    let folders: BTreeSet<&str> = sums.iter().flat_map(|(path, _)| path.folders()).collect();
    let mut files = BTreeSet::new();
    for entry in WalkDir::new(root).min_depth(1) {
        let entry = entry.map_err(io::Error::from)?;
        let relative = entry.path().strip_prefix(root).map_err(io::Error::other)?;
        // A name that is not UTF-8 is converted to one that SHA256SUMS does not list.
        let name = relative.to_string_lossy().into_owned();
        if is_in_layout(&name) {
            return Err(Fault::ImagesInFolder { name }.into());
        }
        let metadata = entry.metadata().map_err(io::Error::from)?;
        if metadata.is_dir() {
            if !folders.contains(name.as_str()) {
                return Err(Fault::Form { name, form: FormFault::StrayFolder }.into());
            }
            continue;
        }
        check_form(&name, &metadata)?;
        if !matches!(name.as_str(), ATTESTATION | SUMS) && sums.get(&name).is_none() {
            return Err(Fault::Extra { name }.into());
        }
        files.insert(name);
    }
    Ok(files)
}

fn check_form(name: &str, metadata: &Metadata) -> Result<(), Fault> {
    let mode = metadata.permissions().mode() & 0o7777;
    let form = if metadata.is_symlink() {
        FormFault::Symlink
    } else if !metadata.is_file() {
        FormFault::NotRegular
    } else if metadata.nlink() > 1 {
        FormFault::HardLinked { links: metadata.nlink() }
    } else if mode != MODE_PUBLIC {
        FormFault::Mode { mode }
    } else {
        return Ok(());
    };
    Err(Fault::Form { name: name.to_owned(), form })
}
