//! A bundle that can be signed in place: a folder, an entry of the store or an archive. Its
//! attestation is replaced in one step, and signatures that are added concurrently are kept.

use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::PermissionsExt as _;

use camino::{Utf8Path, Utf8PathBuf};

use super::error::SigningTargetError;
use super::releases::Releases;
use super::seen::SeenAttestation;
use crate::bundle::content::hash_only;
use crate::bundle::fault::ReadError;
use crate::bundle::layout::ATTESTATION;
use crate::bundle::medium::AnyMedium;
use crate::bundle::open::{Bundle, InvalidBundle, images_of};
use crate::bundle::read::{Files, Opening, SumsRead};
use crate::bundle::sealed::check_sealed;
use crate::failure::{Failure, refused};
use crate::fsio::{
    AtomicFile, Durability, Locked, MODE_PUBLIC, Waits, folder_of, lock_named, open_regular,
};
use crate::media::archive::{self, WriteError, Writer};
use crate::media::medium::{check_place, entry_at, is_parts_index};
use crate::model::digest::Digest;
use crate::store::{self, EntryName, Store, folder};

/// A bundle on disk.
pub struct SigningTarget {
    /// The path as given by the operator, or the path of the entry.
    shown: Utf8PathBuf,
    place: TargetLocation,
    waits: Waits,
}

enum TargetLocation {
    /// The path of a folder, with links resolved.
    Folder(Utf8PathBuf),
    Entry(Store, EntryName),
    /// The path of a file, with links resolved.
    Archive(Utf8PathBuf),
}

/// Turns the current attestation into the new one. Returns `None` if they are equal.
pub(super) type Update<'a> = dyn FnOnce(Option<&[u8]>) -> Result<Option<Vec<u8>>, Failure> + 'a;

impl SigningTarget {
    /// Returns the bundle of a store entry.
    pub fn entry(store: Store, entry: EntryName, waits: Waits) -> Self {
        Self { shown: store.path_of(&entry), place: TargetLocation::Entry(store, entry), waits }
    }

    /// Finds the bundle at a path.
    ///
    /// # Errors
    ///
    /// When nothing is there, or no bundle that can be signed in place.
    pub fn at(path: &Utf8Path, waits: Waits) -> Result<Self, Failure> {
        let metadata = match fs_err::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(SigningTargetError::Missing(path.to_owned()).into());
            }
            Err(error) => return Err(error.into()),
        };
        check_place(path, &metadata)?;
        let real = path.canonicalize_utf8()?;
        let place = if is_parts_index(path) {
            return Err(SigningTargetError::InParts(path.to_owned()).into());
        } else if metadata.is_file() {
            TargetLocation::Archive(real)
        } else if metadata.is_dir() {
            match entry_at(&real) {
                Some((store, entry)) => TargetLocation::Entry(store.telling(waits.clone()), entry),
                None => TargetLocation::Folder(real),
            }
        } else {
            return Err(SigningTargetError::Special(path.to_owned()).into());
        };
        Ok(Self { shown: path.to_owned(), place, waits })
    }

    /// Returns the path, for messages and scripts.
    pub fn path(&self) -> &Utf8Path {
        &self.shown
    }

    fn real_path(&self) -> Utf8PathBuf {
        match &self.place {
            TargetLocation::Folder(path) | TargetLocation::Archive(path) => path.clone(),
            TargetLocation::Entry(store, entry) => store.path_of(entry),
        }
    }

    /// Returns whether a file at `path` would be inside the bundle's folder.
    pub fn holds(&self, path: &Utf8Path) -> bool {
        match (self.real_path().canonicalize_utf8(), folder_of(path).canonicalize_utf8()) {
            (Ok(bundle), Ok(parent)) => parent.starts_with(bundle),
            _ => false,
        }
    }

    /// Opens the bundle, reading only its attestation.
    pub fn open(&self) -> Result<Opening<AnyMedium>, Failure> {
        let opening = match &self.place {
            TargetLocation::Archive(path) => {
                archive::open_file(open_regular(path)?.0).map(Opening::boxed)
            }
            TargetLocation::Folder(_) | TargetLocation::Entry(..) => {
                folder::open(&self.real_path()).map(Opening::boxed)
            }
        };
        opening.map_err(|error| self.unreadable(error))
    }

    /// Reads the whole bundle, and its attestation.
    ///
    /// Strict, so that only bundles that verifiers accept are signed.
    pub fn read(&self) -> Result<(Bundle, Option<SeenAttestation>), Failure> {
        let opening = self.open()?;
        let attestation = opening.attestation().map(SeenAttestation::of);
        let read = opening.read_sums().and_then(SumsRead::into_files).and_then(Files::read);
        let (contents, tail) = read.map_err(|error| self.unreadable(error))?;
        let bundle = Bundle::open(contents)
            .and_then(|bundle| {
                check_sealed(&bundle.index, &bundle.files)
                    .map(|()| bundle)
                    .map_err(InvalidBundle::from)
            })
            .map_err(|error| refused::contradiction(&self.shown, &error))?;
        tail.check(bundle.images.as_ref(), &mut hash_only)
            .map_err(|error| self.unreadable(error))?;
        Ok((bundle, attestation))
    }

    /// Replaces the attestation with the result of `update` in one step, if the bundle still has
    /// the content `content_id`.
    ///
    /// Concurrent signers wait for the lock, and then see the result.
    ///
    /// # Errors
    ///
    /// When the bundle was replaced or cannot be read, `update` fails, or the disk does.
    pub(super) fn replace(
        &self,
        lock: &Locked,
        content_id: Digest,
        update: Box<Update<'_>>,
    ) -> Result<(), Failure> {
        let sums = self.open()?.read_sums().map_err(|error| self.unreadable(error))?;
        let found = sums.content_id();
        if found != content_id {
            let (path, wanted) = (self.shown.clone(), content_id);
            return Err(SigningTargetError::OtherContent { path, wanted, found }.into());
        }
        let Some(attestation) = update(sums.attestation())? else { return Ok(()) };
        match &self.place {
            TargetLocation::Folder(path) => {
                self.check_current(lock)?;
                put(path, &attestation)
            }
            TargetLocation::Entry(store, entry) => Ok(store.attach(entry, &attestation)?),
            TargetLocation::Archive(path) => self.copy(path, lock, sums, &attestation),
        }
    }

    /// Locks the serials of the store, if the bundle is an entry. Waits for other processes that
    /// assign serials there.
    pub fn lock_serials(&self) -> Result<Option<store::StoreLock>, Failure> {
        let TargetLocation::Entry(store, _) = &self.place else { return Ok(None) };
        Ok(Some(store.lock_serials()?))
    }

    /// Returns the releases that determine the next serial: the store's, or the bundle's own.
    pub fn releases(
        &self,
        bundle: &Bundle,
        seen: Option<&SeenAttestation>,
    ) -> Result<Releases, Failure> {
        match &self.place {
            TargetLocation::Entry(store, _) => Releases::of_store(store, &bundle.index),
            TargetLocation::Folder(_) | TargetLocation::Archive(_) => {
                Ok(Releases::of_attestation(seen))
            }
        }
    }

    /// Locks the folder or file until the value is dropped. Waits for other signers.
    ///
    /// # Errors
    ///
    /// When it cannot be opened.
    pub fn lock(&self) -> Result<Locked, Failure> {
        Ok(lock_named(&self.real_path(), &self.waits)?)
    }

    /// Returns the warning if no lock keeps other signers away.
    pub fn unlocked_warning(&self, lock: &Locked) -> Option<String> {
        let Locked::Unsupported(why) = lock else { return None };
        let path = self.path();
        Some(format!("cannot lock `{path}` ({why}): do not sign it elsewhere at the same time"))
    }

    /// Copies an archive over itself with another attestation, in constant memory.
    fn copy(
        &self,
        path: &Utf8Path,
        lock: &Locked,
        sums: SumsRead<AnyMedium>,
        attestation: &[u8],
    ) -> Result<(), Failure> {
        let mode = fs_err::metadata(path)?.permissions().mode() & 0o777;
        let (contents, tail) =
            sums.into_files().and_then(Files::read).map_err(|error| self.unreadable(error))?;
        let images = images_of(&contents.files)
            .map_err(|error| refused::contradiction(&self.shown, &error))?;
        let mut file = AtomicFile::create(path, mode, Durability::Synced)?;
        let out = BufWriter::new(&mut file);
        let written = Writer::new(out, Some(attestation), &contents.files, images.as_ref())
            .and_then(|writer| writer.copy_images(tail))
            .and_then(Writer::finish);
        written.map_err(|error| match error {
            WriteError::Source(error) => self.unreadable(error),
            error => error.into(),
        })?;
        self.check_current(lock)?;
        Ok(file.commit()?)
    }

    /// Refuses to overwrite a bundle that has replaced this one, such as a new build's archive.
    fn check_current(&self, lock: &Locked) -> Result<(), Failure> {
        match lock {
            Locked::Yes(lock) if !lock.is_current()? => {
                Err(SigningTargetError::Replaced(self.shown.clone()).into())
            }
            // The attestation is read again before it is replaced, with or without a lock.
            Locked::Yes(_) | Locked::Unsupported(_) => Ok(()),
        }
    }

    fn unreadable(&self, error: ReadError) -> Failure {
        refused::unreadable(&self.shown, error)
    }
}

/// Writes the attestation into a folder.
///
/// The temporary file is beside the folder: inside it, the leftover of a killed process would be an
/// unexpected file in the bundle.
fn put(bundle: &Utf8Path, attestation: &[u8]) -> Result<(), Failure> {
    let (target, aside) = (bundle.join(ATTESTATION), folder_of(bundle));
    let outside =
        |error: io::Error| {
            Failure::from(error)
            .hint(format!(
                "the attestation is written to `{aside}` first, and moved into the bundle once it \
                 is complete"
            ))
            .hint("if that is not possible, copy the bundle to a writable folder, or sign its \
                   archive")
        };
    let mut file = AtomicFile::create_aside(&target, aside, MODE_PUBLIC, Durability::Synced)
        .map_err(outside)?;
    file.write_all(attestation)?;
    file.commit().map_err(outside)
}
