//! Where a bundle is that has been built: an archive, its parts, a folder, or an entry of the
//! store.

use std::fs::Metadata;
use std::io::{self, BufReader};

use camino::{Utf8Path, Utf8PathBuf};

use crate::bundle::layout::{ATTESTATION, SUMS};
use crate::bundle::read::{AnyMedium, Opening, ReadError, SumsRead};
use crate::failure::{Failure, refused};
use crate::fsio::open_regular;
use crate::media::archive;
use crate::media::parts::{PartFault, PartSet, PartsError, SUFFIX, is_part};
use crate::store::{EntryName, Store, folder};

/// How many files of a folder without a bundle are named.
const MEANT_MAX: usize = 3;

/// A bundle of which nothing was parsed yet, and its place.
pub struct Found {
    pub sums: SumsRead<AnyMedium>,
    pub place: Place,
}

/// Where a bundle was found.
pub struct Place {
    pub path: Utf8PathBuf,
    parts: Option<PartSet>,
}

/// Reads attestation and `SHA256SUMS` of the archive, the archive in parts, or the folder at
/// `path`.
pub fn open_path(path: &Utf8Path) -> Result<Found, Failure> {
    let (place, opening) = open(path, &[])?;
    let sums = opening.and_then(Opening::read_sums).map_err(|error| place.failure(error))?;
    Ok(Found { sums, place })
}

/// Opens the archive, the index of an archive in parts, or the folder at `path`; the caller tells
/// what is wrong with the bundle itself. `elsewhere` are parts that do not lie beside the index.
pub fn open(
    path: &Utf8Path,
    elsewhere: &[Utf8PathBuf],
) -> Result<(Place, Result<Opening<AnyMedium>, ReadError>), Failure> {
    let metadata = match fs_err::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let missing = Failure::input(format!("there is no file or folder `{path}`"));
            return Err(missing.hint("`@NAME` means the store, and a plain NAME a profile"));
        }
        Err(error) => return Err(error.into()),
    };
    check_place(path, &metadata)?;
    check_waits(path, &metadata)?;
    let is_index = !metadata.is_dir() && is_parts_index(path);
    let mut parts = is_index.then(|| PartSet::find(path)).transpose()?;
    for part in elsewhere {
        parts.as_mut().ok_or_else(|| no_index(path.as_str()))?.replace(part)?;
    }
    let opening = if let Some(parts) = &parts {
        archive::open(BufReader::new(parts.read())).map(Opening::boxed)
    } else if metadata.is_dir() {
        folder::open(path).map(Opening::boxed)
    } else if metadata.is_file() {
        archive::open_file(open_regular(path)?.0).map(Opening::boxed)
    } else {
        archive::open(BufReader::new(fs_err::File::open(path)?)).map(Opening::boxed)
    };
    Ok((Place { path: path.to_owned(), parts }, opening))
}

/// Says that parts were named for what is in none.
pub fn no_index(argument: &str) -> Failure {
    Failure::input(format!("--part names a part, and `{argument}` is no index of parts"))
        .hint("the index of an archive in parts ends in `.parts`")
}

/// Opens an entry of the store.
pub fn open_entry(store: &Utf8Path, reference: &str) -> Result<Found, Failure> {
    let store = Store::at(store);
    let (entry, sums) = store.open(reference)?;
    Ok(Found { sums: sums.boxed(), place: Place { path: store.path_of(&entry), parts: None } })
}

impl Place {
    /// Reads the parts of an archive in parts; says which are bad, if any is.
    pub fn bad_parts(&self) -> Option<PartsError> {
        self.parts.as_ref()?.check().err()
    }

    /// Says what is wrong with the bundle; with an archive in parts, which parts are bad.
    pub fn failure(&self, error: ReadError) -> Failure {
        if let Some(bad) = self.bad_parts() {
            return bad.into();
        }
        refused::unreadable(&self.path, error)
    }
}

/// Refuses what cannot be a whole bundle, and names the one that may be meant.
///
/// # Errors
///
/// For a folder without a bundle, and for one part of an archive.
pub fn check_place(path: &Utf8Path, metadata: &Metadata) -> Result<(), Failure> {
    if metadata.is_dir() {
        return check_folder(path);
    }
    let Some(whole) = path.file_name().and_then(is_part) else { return Ok(()) };
    let index = path.with_file_name(format!("{whole}{SUFFIX}"));
    Err(Failure::input(format!("`{path}` is one part of an archive, and all are wanted"))
        .hint(format!("name their index: `{index}`")))
}

/// Where the streams stand that a process has open: someone writes to them.
const OPEN_STREAMS: [&str; 3] = ["/dev/stdin", "/dev/fd/", "/proc/self/fd/"];

/// Refuses a named pipe, on which a reader waits for ever, and a device; a stream that is open
/// already, such as `<(…)` of a shell, is read.
///
/// # Errors
///
/// For all that is neither a file nor a folder nor such a stream.
pub fn check_waits(path: &Utf8Path, metadata: &Metadata) -> Result<(), Failure> {
    let is_open = OPEN_STREAMS.iter().any(|stream| path.as_str().starts_with(stream));
    if metadata.is_file() || metadata.is_dir() || is_open {
        return Ok(());
    }
    Err(Failure::input(format!("`{path}` is neither a regular file nor a folder"))
        .hint("name the archive itself; `relay-bundle verify -` reads a bundle from stdin"))
}

/// A folder that holds neither of the files with which a bundle begins is none that was altered: it
/// is another folder.
fn check_folder(path: &Utf8Path) -> Result<(), Failure> {
    let is_there = |name: &str| match fs_err::symlink_metadata(path.join(name)) {
        Err(error) => error.kind() != io::ErrorKind::NotFound,
        Ok(_) => true,
    };
    if is_there(SUMS) || is_there(ATTESTATION) {
        return Ok(());
    }
    let mut meant = Vec::new();
    for item in path.read_dir_utf8()? {
        let item = item?.into_path();
        meant.extend((item.extension() == Some("tar") || is_parts_index(&item)).then_some(item));
    }
    meant.sort();
    let nothing = Failure::input(format!("there is no bundle in `{path}`"));
    let hints = meant.iter().take(MEANT_MAX).map(|item| format!("is `{item}` meant?"));
    Err(hints.fold(nothing, Failure::hint))
}

/// Refuses a path that can be read only once, such as a pipe.
pub fn check_rereadable(path: &Utf8Path) -> Result<(), Failure> {
    if !path.exists() || path.is_file() || path.is_dir() {
        return Ok(());
    }
    Err(Failure::input(format!("`{path}` can be read only once, and is needed twice"))
        .hint("write the archive to a file first"))
}

/// Returns the entry of a store whose folder is at `path`, however it was named.
pub fn entry_at(path: &Utf8Path) -> Option<(Store, EntryName)> {
    let entry = EntryName::parse(path.file_name()?)?;
    let store = Store::at(path.parent()?);
    store.is_made().then_some((store, entry))
}

/// Returns whether a path is that of an index of parts, by its spelling alone.
pub fn is_parts_index(path: &Utf8Path) -> bool {
    path.as_str().ends_with(SUFFIX)
}

/// Returns whether a path is that of one part of an archive, by its spelling alone.
pub fn is_part_name(path: &Utf8Path) -> bool {
    path.file_name().and_then(is_part).is_some()
}

impl From<PartsError> for Failure {
    fn from(error: PartsError) -> Self {
        use crate::fsio::ReadFileError;
        match error {
            PartsError::Io(error) | PartsError::IndexFile(ReadFileError::Io(error))
                if error.kind() != io::ErrorKind::NotFound =>
            {
                error.into()
            }
            PartsError::Bad { ref bad, .. } => {
                let failure = match bad.iter().find_map(|bad| code_of(&bad.fault)) {
                    Some(code) => refused::untrusted(code, error),
                    None => refused::unread(Self::world(error)),
                };
                failure
                    .hint("copy the bad parts again, to the same place; the good ones need not be touched")
                    .hint("`verify` and `join` take a part that was copied to another place: --part FILE")
            }
            PartsError::Index { .. } => refused::untrusted("BAD_FORM", error),
            PartsError::Whole { .. } => refused::untrusted("TAMPERED", error),
            PartsError::Io(_)
            | PartsError::IndexFile(_)
            | PartsError::NoIndex { .. }
            | PartsError::NotAPart { .. } => Self::input(error),
        }
    }
}

/// Returns the code of a part that is not the one that was made; none if the medium failed, and
/// nothing is known of it.
fn code_of(fault: &PartFault) -> Option<&'static str> {
    match fault {
        PartFault::Missing => Some("MISSING_FILE"),
        PartFault::NotRegular => Some("BAD_FORM"),
        PartFault::Size { wanted, found } if found < wanted => Some("TRUNCATED"),
        PartFault::Size { .. } | PartFault::Altered { .. } => Some("TAMPERED"),
        PartFault::Io(_) => None,
    }
}
