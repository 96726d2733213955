//! A bundle that can be signed in place: a folder, an entry of the store or an archive. Its
//! attestation is replaced in one step, and signatures that are added concurrently are kept.

use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::PermissionsExt as _;

use camino::{Utf8Path, Utf8PathBuf};

use super::ctx::{Ctx, StoreArgs};
use super::releases::Releases;
use super::source::{Reference, STDIN, no_stdin};
use crate::bundle::carried::hash_only;
use crate::bundle::layout::ATTESTATION;
use crate::bundle::open::{Bundle, InvalidBundle, images_of};
use crate::bundle::read::{AnyMedium, Files, Opening, ReadError, SumsRead};
use crate::bundle::sealed::check_sealed;
use crate::failure::{Failure, refused};
use crate::fsio::{
    AtomicFile, Durability, Locked, MODE_PUBLIC, NamedLock, folder_of, lock_named, open_regular,
};
use crate::media::archive::{self, WriteError, Writer};
use crate::media::medium::{check_place, entry_at, is_parts_index};
use crate::model::digest::Digest;
use crate::store::{self, EntryName, Store, folder};

/// A bundle on disk.
pub(super) struct Sealable {
    /// The path as given by the operator, or the path of the entry.
    shown: Utf8PathBuf,
    place: Place,
}

enum Place {
    /// The path of a folder, with links resolved.
    Folder(Utf8PathBuf),
    Entry(Store, EntryName),
    /// The path of a file, with links resolved.
    Archive(Utf8PathBuf),
}

/// Turns the current attestation into the new one. Returns `None` if they are equal.
pub(super) type Update<'a> = dyn FnOnce(Option<&[u8]>) -> Result<Option<Vec<u8>>, Failure> + 'a;

impl Sealable {
    /// Finds the bundle that `argument` names.
    pub(super) fn find(ctx: &Ctx, argument: &str, store: &StoreArgs) -> Result<Self, Failure> {
        if argument == STDIN {
            return Err(no_stdin("is not signed"));
        }
        match Reference::of(argument) {
            Reference::Path(path) => Self::at(ctx, path),
            Reference::Entry(reference) => {
                let store = ctx.store(store);
                let (entry, _) = store.open(reference)?;
                Ok(Self::entry(store, entry))
            }
            Reference::Profile(name) => Err(Failure::input(format!(
                "`{name}` is a profile; only a built bundle can be signed"
            ))
            .hint(format!("`@{name}` is its newest build in the store"))
            .hint(format!("`./{name}` is a folder or file of that name"))),
        }
    }

    /// Returns the bundle of a store entry.
    pub(super) fn entry(store: Store, entry: EntryName) -> Self {
        Self { shown: store.path_of(&entry), place: Place::Entry(store, entry) }
    }

    fn at(ctx: &Ctx, path: &Utf8Path) -> Result<Self, Failure> {
        let metadata = match fs_err::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Failure::input(format!("file or folder `{path}` does not exist"))
                    .hint("use `@NAME` for an entry of the store"));
            }
            Err(error) => return Err(error.into()),
        };
        check_place(path, &metadata)?;
        let real = path.canonicalize_utf8()?;
        let place = if is_parts_index(path) {
            return Err(Failure::input(format!(
                "`{path}` is an archive in parts, which cannot be signed in place"
            ))
            .hint("join the parts, or sign the bundle before it is split"));
        } else if metadata.is_file() {
            Place::Archive(real)
        } else if metadata.is_dir() {
            match entry_at(&real) {
                Some((store, entry)) => Place::Entry(store.telling(ctx.waits()), entry),
                None => Place::Folder(real),
            }
        } else {
            return Err(Failure::input(format!("`{path}` is neither a file nor a folder")));
        };
        Ok(Self { shown: path.to_owned(), place })
    }

    /// Returns the path, for messages and scripts.
    pub(super) fn path(&self) -> &Utf8Path {
        &self.shown
    }

    fn real_path(&self) -> Utf8PathBuf {
        match &self.place {
            Place::Folder(path) | Place::Archive(path) => path.clone(),
            Place::Entry(store, entry) => store.path_of(entry),
        }
    }

    /// Returns whether a file at `path` would be inside the bundle's folder.
    pub(super) fn holds(&self, path: &Utf8Path) -> bool {
        match (self.real_path().canonicalize_utf8(), folder_of(path).canonicalize_utf8()) {
            (Ok(bundle), Ok(parent)) => parent.starts_with(bundle),
            _ => false,
        }
    }

    /// Opens the bundle, reading only its attestation.
    pub(super) fn open(&self) -> Result<Opening<AnyMedium>, Failure> {
        let opening = match &self.place {
            Place::Archive(path) => archive::open_file(open_regular(path)?.0).map(Opening::boxed),
            Place::Folder(_) | Place::Entry(..) => {
                folder::open(&self.real_path()).map(Opening::boxed)
            }
        };
        opening.map_err(|error| self.unreadable(error))
    }

    /// Reads the whole bundle, and the bytes of its attestation.
    ///
    /// Strict, so that only bundles that verifiers accept are signed.
    pub(super) fn read(&self) -> Result<(Bundle, Option<Vec<u8>>), Failure> {
        let opening = self.open()?;
        let attestation = opening.attestation().map(<[u8]>::to_vec);
        let read = opening.read_sums().and_then(SumsRead::into_files).and_then(Files::read);
        let (contents, tail) = read.map_err(|error| self.unreadable(error))?;
        let bundle = Bundle::open(contents)
            .and_then(|bundle| check_sealed(&bundle).map(|()| bundle).map_err(InvalidBundle::from))
            .map_err(|error| refused::contradiction(&self.shown, &error))?;
        tail.check(bundle.images.as_ref(), &mut hash_only)
            .map_err(|error| self.unreadable(error))?;
        Ok((bundle, attestation))
    }

    /// Replaces the attestation with the result of `update` in one step, if the bundle still has
    /// the content `content_id`.
    ///
    /// Concurrent signers wait for the lock, and then see the result.
    pub(super) fn replace(
        &self,
        ctx: &Ctx,
        content_id: Digest,
        update: Box<Update<'_>>,
    ) -> Result<(), Failure> {
        let lock = self.lock(ctx)?;
        let sums = self.open()?.read_sums().map_err(|error| self.unreadable(error))?;
        let found = sums.content_id();
        if found != content_id {
            let why = format!(
                "`{}` is now another bundle: its content id was sha256:{content_id} and is \
                 sha256:{found}",
                self.shown
            );
            return Err(refused::untrusted("TAMPERED", why));
        }
        let Some(attestation) = update(sums.attestation())? else { return Ok(()) };
        match &self.place {
            Place::Folder(path) => {
                self.check_current(lock.as_ref())?;
                put(path, &attestation)
            }
            Place::Entry(store, entry) => Ok(store.attach(entry, &attestation)?),
            Place::Archive(path) => self.copy(path, lock.as_ref(), sums, &attestation),
        }
    }

    /// Locks the serials of the store, if the bundle is an entry. Waits for other processes that
    /// assign serials there.
    pub(super) fn lock_serials(&self) -> Result<Option<store::Lock>, Failure> {
        let Place::Entry(store, _) = &self.place else { return Ok(None) };
        Ok(Some(store.lock_serials()?))
    }

    /// Returns the releases that determine the next serial: the store's, or the bundle's own.
    pub(super) fn releases(
        &self,
        bundle: &Bundle,
        seen: Option<&[u8]>,
    ) -> Result<Releases, Failure> {
        match &self.place {
            Place::Entry(store, _) => Releases::of_store(store, &bundle.index),
            Place::Folder(_) | Place::Archive(_) => Ok(Releases::of_attestation(seen)),
        }
    }

    /// Locks the folder or file until the value is dropped.
    fn lock(&self, ctx: &Ctx) -> Result<Option<NamedLock>, Failure> {
        match lock_named(&self.real_path(), &ctx.waits())? {
            Locked::Yes(lock) => Ok(Some(lock)),
            Locked::Unsupported(why) => {
                // The attestation is read again before it is replaced, with or without a lock.
                ctx.printer.warn(&format!(
                    "cannot lock `{}` ({why}): do not sign it elsewhere at the same time",
                    self.shown
                ));
                Ok(None)
            }
        }
    }

    /// Copies an archive over itself with another attestation, in constant memory.
    fn copy(
        &self,
        path: &Utf8Path,
        lock: Option<&NamedLock>,
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
    fn check_current(&self, lock: Option<&NamedLock>) -> Result<(), Failure> {
        match lock.map(NamedLock::is_current).transpose()? {
            Some(false) => {
                Err(Failure::world(format!("`{}` was replaced while being signed", self.shown))
                    .hint("nothing was written: sign the new one"))
            }
            Some(true) | None => Ok(()),
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
