//! Opens a built bundle wherever it is: an archive, an archive in parts, a folder, or a store
//! entry.

use std::fs::Metadata;
use std::io::{self, BufReader};

use camino::{Utf8Path, Utf8PathBuf};

use super::archive;
use super::parts::{PartSet, PartsError, SUFFIX, is_part};
use crate::bundle::fault::ReadError;
use crate::bundle::layout::{ATTESTATION, SUMS};
use crate::bundle::medium::AnyMedium;
use crate::bundle::read::{Opening, SumsRead};
use crate::failure::{Failure, refused};
use crate::fsio::open_regular;
use crate::store::{EntryName, Store, folder};

/// The maximum number of suggested files for a folder without a bundle.
const MEANT_MAX: usize = 3;

/// A bundle's location and its opened `SHA256SUMS`; nothing is parsed yet.
pub struct FoundBundle {
    pub sums: SumsRead<AnyMedium>,
    pub place: BundleLocation,
}

/// The location of a bundle.
pub struct BundleLocation {
    pub path: Utf8PathBuf,
    parts: Option<PartSet>,
}

/// Reads the attestation and `SHA256SUMS` of the archive, the archive in parts, or the folder at
/// `path`.
pub fn open_path(path: &Utf8Path) -> Result<FoundBundle, Failure> {
    let (place, opening) = open(path, &[])?;
    let sums = opening.and_then(Opening::read_sums).map_err(|error| place.failure(error))?;
    Ok(FoundBundle { sums, place })
}

/// Opens the archive, the index of an archive in parts, or the folder at `path`.
///
/// Errors in the bundle itself are returned separately, for the caller to report with
/// [`BundleLocation::failure`]. `elsewhere` names parts that are not beside the index.
pub fn open(
    path: &Utf8Path,
    elsewhere: &[Utf8PathBuf],
) -> Result<(BundleLocation, Result<Opening<AnyMedium>, ReadError>), Failure> {
    let metadata = match fs_err::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let missing = Failure::input(format!("file or folder `{path}` does not exist"));
            return Err(
                missing.hint("use `@NAME` for an entry of the store; a plain NAME is a profile")
            );
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
    Ok((BundleLocation { path: path.to_owned(), parts }, opening))
}

/// Returns the failure for `--part` with a bundle that is not an index of parts.
pub fn no_index(argument: &str) -> Failure {
    Failure::input(format!("--part requires an index of parts, which `{argument}` is not"))
        .hint("the index of an archive in parts ends in `.parts`")
}

/// Opens a store entry.
pub fn open_entry(store: &Utf8Path, reference: &str) -> Result<FoundBundle, Failure> {
    let store = Store::at(store);
    let (entry, sums) = store.open(reference)?;
    Ok(FoundBundle {
        sums: sums.boxed(),
        place: BundleLocation { path: store.path_of(&entry), parts: None },
    })
}

impl BundleLocation {
    /// Reads every part of an archive in parts, and returns an error that names the bad ones, if
    /// any.
    pub fn bad_parts(&self) -> Option<PartsError> {
        self.parts.as_ref()?.check().err()
    }

    /// Returns the failure for a bundle that cannot be read; for an archive in parts, it names the
    /// bad parts.
    pub fn failure(&self, error: ReadError) -> Failure {
        if let Some(bad) = self.bad_parts() {
            return bad.into();
        }
        refused::unreadable(&self.path, error)
    }
}

/// Rejects a path that cannot be a whole bundle, and suggests the one that the user may mean.
///
/// # Errors
///
/// When `path` is a folder without a bundle, or a single part of an archive.
pub fn check_place(path: &Utf8Path, metadata: &Metadata) -> Result<(), Failure> {
    if metadata.is_dir() {
        return check_folder(path);
    }
    let Some(whole) = path.file_name().and_then(is_part) else { return Ok(()) };
    let index = path.with_file_name(format!("{whole}{SUFFIX}"));
    Err(Failure::input(format!("`{path}` is a single part of an archive"))
        .hint(format!("pass the index of the parts: `{index}`")))
}

/// Paths of streams that the process has open already, so they have a writer.
const OPEN_STREAMS: [&str; 3] = ["/dev/stdin", "/dev/fd/", "/proc/self/fd/"];

/// Rejects named pipes, on which a reader can block forever, and devices.
///
/// Streams that are open already are accepted, such as `<(…)` of a shell.
///
/// # Errors
///
/// When `path` is neither a file nor a folder nor such a stream.
fn check_waits(path: &Utf8Path, metadata: &Metadata) -> Result<(), Failure> {
    let is_open = OPEN_STREAMS.iter().any(|stream| path.as_str().starts_with(stream));
    if metadata.is_file() || metadata.is_dir() || is_open {
        return Ok(());
    }
    Err(Failure::input(format!("`{path}` is neither a regular file nor a folder"))
        .hint("pass the archive itself; `relay-bundle verify -` reads a bundle from stdin"))
}

/// Rejects a folder that has neither `SHA256SUMS` nor an attestation: it is an unrelated folder
/// rather than a damaged bundle.
fn check_folder(path: &Utf8Path) -> Result<(), Failure> {
    if holds_bundle(path) {
        return Ok(());
    }
    let mut meant = Vec::new();
    for item in path.read_dir_utf8()? {
        let item = item?.into_path();
        meant.extend((item.extension() == Some("tar") || is_parts_index(&item)).then_some(item));
    }
    meant.sort();
    let nothing = Failure::input(format!("`{path}` does not contain a bundle"));
    let hints = meant.iter().take(MEANT_MAX).map(|item| format!("did you mean `{item}`?"));
    Err(hints.fold(nothing, Failure::hint))
}

/// Returns whether a folder has `SHA256SUMS` or an attestation, or hides whether it has.
pub fn holds_bundle(folder: &Utf8Path) -> bool {
    [SUMS, ATTESTATION].iter().any(|name| match fs_err::symlink_metadata(folder.join(name)) {
        Err(error) => error.kind() != io::ErrorKind::NotFound,
        Ok(_) => true,
    })
}

/// Rejects a path that can be read only once, such as a pipe.
pub fn check_rereadable(path: &Utf8Path) -> Result<(), Failure> {
    if !path.exists() || path.is_file() || path.is_dir() {
        return Ok(());
    }
    Err(Failure::input(format!("`{path}` can be read only once, but is needed twice"))
        .hint("write the archive to a file first"))
}

/// Returns the store and the entry name of the folder at `path`, regardless of how the user named
/// it.
pub fn entry_at(path: &Utf8Path) -> Option<(Store, EntryName)> {
    let entry = EntryName::parse(path.file_name()?)?;
    let store = Store::at(path.parent()?);
    store.is_made().then_some((store, entry))
}

/// Returns whether a path names an index of parts, judging by its suffix only.
pub fn is_parts_index(path: &Utf8Path) -> bool {
    path.as_str().ends_with(SUFFIX)
}

/// Returns whether a path names one part of an archive, judging by its spelling only.
pub fn is_part_name(path: &Utf8Path) -> bool {
    path.file_name().and_then(is_part).is_some()
}
