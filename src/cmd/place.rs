//! Where a bundle lies that is signed: a folder, an entry of the store or an archive; and how its attestation is
//! replaced there, in one step and without losing what another process adds meanwhile.

use std::io::{BufReader, BufWriter};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use camino::{Utf8Path, Utf8PathBuf};

use super::ctx::{Ctx, StoreArgs};
use super::failure::Failure;
use super::source::{Reference, unreadable};
use crate::archive::{self, Archive, WriteError};
use crate::bundle::layout::ATTESTATION;
use crate::bundle::open::Bundle;
use crate::bundle::read::{Contents, Opening, ReadError, SumsRead, hash_only};
use crate::fsio::{AtomicFile, Durability, MODE_PUBLIC, folder_of};
use crate::model::digest::Digest;
use crate::store::folder::{self, Folder};
use crate::store::{EntryName, Store};

/// A bundle on the disk.
pub(super) struct Place {
    /// As the person named it, or the path of the entry.
    shown: Utf8PathBuf,
    kind: Kind,
}

enum Kind {
    /// The path of a folder, free of links.
    Folder(Utf8PathBuf),
    Entry(Store, EntryName),
    /// The path of a file, free of links.
    Archive(Utf8PathBuf),
}

/// A bundle of which the attestation and the bytes of `SHA256SUMS` have been read.
pub(super) enum Opened {
    Folder(SumsRead<Folder>),
    Archive(Box<SumsRead<Archive<BufReader<fs_err::File>>>>),
}

/// Makes of the attestation that is there the one that should be; nothing if that is the same.
pub(super) type Update<'a> = dyn FnOnce(Option<&[u8]>) -> Result<Option<Vec<u8>>, Failure> + 'a;

impl Place {
    /// Finds the bundle that `argument` means.
    pub(super) fn find(argument: &str, store: &StoreArgs) -> Result<Self, Failure> {
        match Reference::of(argument) {
            Reference::Path(path) => Self::at(path),
            Reference::Entry(reference) => {
                let store = Store::at(&store.store);
                let entry = store.find(reference)?;
                Ok(Self::entry(store, entry))
            }
            Reference::Profile(name) => Err(Failure::input(format!(
                "`{name}` means a profile, and only a bundle that was built is signed"
            ))
            .hint(format!("`@{name}` is the newest build of the profile in the store"))
            .hint(format!("`./{name}` is a folder or file of that name"))),
        }
    }

    /// Names an entry of a store.
    pub(super) fn entry(store: Store, entry: EntryName) -> Self {
        Self { shown: store.path_of(&entry), kind: Kind::Entry(store, entry) }
    }

    fn at(path: &Utf8Path) -> Result<Self, Failure> {
        let metadata = match fs_err::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Failure::input(format!("there is no file or folder `{path}`"))
                    .hint("`@NAME` means the store"));
            }
            Err(error) => return Err(error.into()),
        };
        let real = path.canonicalize_utf8()?;
        let kind = if metadata.is_file() {
            Kind::Archive(real)
        } else if metadata.is_dir() {
            entry_at(&real).map_or(Kind::Folder(real), |(store, entry)| Kind::Entry(store, entry))
        } else {
            return Err(Failure::input(format!("`{path}` is neither a file nor a folder")));
        };
        Ok(Self { shown: path.to_owned(), kind })
    }

    /// Returns the path, for people and scripts.
    pub(super) fn path(&self) -> &Utf8Path {
        &self.shown
    }

    /// Tells whether a file at `path` would be one of the bundle's folder.
    pub(super) fn holds(&self, path: &Utf8Path) -> bool {
        let folder = match &self.kind {
            Kind::Folder(folder) => folder.clone(),
            Kind::Entry(store, entry) => store.path_of(entry),
            Kind::Archive(_) => return false,
        };
        match (folder.canonicalize_utf8(), folder_of(path).canonicalize_utf8()) {
            (Ok(folder), Ok(parent)) => parent.starts_with(folder),
            _ => false,
        }
    }

    /// Reads attestation and `SHA256SUMS`.
    pub(super) fn open(&self) -> Result<Opened, Failure> {
        let opened = match &self.kind {
            Kind::Entry(store, entry) => return Ok(Opened::Folder(store.open(entry.as_str())?.1)),
            Kind::Folder(path) => folder::open(path).and_then(Opening::read_sums).map(Opened::Folder),
            Kind::Archive(path) => {
                let file = fs_err::File::open(path)?;
                let sums = archive::open(BufReader::new(file)).and_then(Opening::read_sums);
                sums.map(|sums| Opened::Archive(Box::new(sums)))
            }
        };
        opened.map_err(|error| unreadable(&self.shown, error))
    }

    /// Reads everything: the bundle, and the bytes of its attestation.
    ///
    /// Strict, so that nothing is signed that a verifier would refuse.
    pub(super) fn read(&self) -> Result<(Bundle, Option<Vec<u8>>), Failure> {
        let opened = self.open()?;
        let attestation = opened.attestation().map(<[u8]>::to_vec);
        let contents = opened.read().map_err(|error| unreadable(&self.shown, error))?;
        let bundle = Bundle::open(contents).map_err(|error| {
            Failure::untrusted(error)
                .hint(format!("`{}` was not made by this program, or was altered", self.shown))
        })?;
        Ok((bundle, attestation))
    }

    /// Hashes every file, and returns the bytes of the attestation.
    pub(super) fn check(&self, content_id: Digest) -> Result<Option<Vec<u8>>, Failure> {
        let opened = self.open()?;
        self.is_still(&opened, content_id)?;
        let attestation = opened.attestation().map(<[u8]>::to_vec);
        opened.check().map_err(|error| unreadable(&self.shown, error))?;
        Ok(attestation)
    }

    /// Replaces the attestation of the bundle with this content by what `update` makes of it, in one step.
    ///
    /// Whoever else does so at the same time waits, and meets the result.
    pub(super) fn replace(
        &self,
        ctx: &Ctx,
        content_id: Digest,
        update: Box<Update<'_>>,
    ) -> Result<(), Failure> {
        let _lock = self.lock(ctx)?;
        let opened = self.open()?;
        self.is_still(&opened, content_id)?;
        let Some(attestation) = update(opened.attestation())? else { return Ok(()) };
        match (&self.kind, opened) {
            (Kind::Entry(store, entry), _) => Ok(store.attach(entry, &attestation)?),
            (Kind::Archive(path), Opened::Archive(sums)) => copy(path, *sums, &attestation),
            (Kind::Folder(path) | Kind::Archive(path), _) => put(path, &attestation),
        }
    }

    fn is_still(&self, opened: &Opened, content_id: Digest) -> Result<(), Failure> {
        let found = opened.content_id();
        if found == content_id {
            return Ok(());
        }
        Err(Failure::untrusted(format!(
            "`{}` has become another bundle: its content id was sha256:{content_id} and is sha256:{found}",
            self.shown
        )))
    }

    /// Locks folder or file until the value is dropped; a file that is replaced while we wait is locked anew.
    fn lock(&self, ctx: &Ctx) -> Result<Option<fs_err::File>, Failure> {
        let path = match &self.kind {
            Kind::Folder(path) | Kind::Archive(path) => path.clone(),
            Kind::Entry(store, entry) => store.path_of(entry),
        };
        loop {
            let file = fs_err::File::open(&path)?;
            if let Err(error) = file.lock() {
                // Some network file systems lock no folders. What is there is read again in any case.
                ctx.printer.tell(&format!(
                    "warning: `{}` cannot be locked ({}): let no one else sign it now",
                    self.shown,
                    error.kind()
                ));
                return Ok(None);
            }
            let (locked, named) = (file.metadata()?, fs_err::metadata(&path)?);
            if (locked.dev(), locked.ino()) == (named.dev(), named.ino()) {
                return Ok(Some(file));
            }
        }
    }
}

impl Opened {
    pub(super) fn attestation(&self) -> Option<&[u8]> {
        match self {
            Self::Folder(sums) => sums.attestation(),
            Self::Archive(sums) => sums.attestation(),
        }
    }

    fn content_id(&self) -> Digest {
        match self {
            Self::Folder(sums) => sums.content_id(),
            Self::Archive(sums) => sums.content_id(),
        }
    }

    fn read(self) -> Result<Contents, ReadError> {
        match self {
            Self::Folder(sums) => sums.into_files()?.read(&mut hash_only),
            Self::Archive(sums) => sums.into_files()?.read(&mut hash_only),
        }
    }

    fn check(self) -> Result<u64, ReadError> {
        match self {
            Self::Folder(sums) => sums.into_files()?.check(),
            Self::Archive(sums) => sums.into_files()?.check(),
        }
    }
}

/// Returns the entry of a store whose folder is at `path`, however it was named.
fn entry_at(path: &Utf8Path) -> Option<(Store, EntryName)> {
    let entry = EntryName::parse(path.file_name()?)?;
    let store = Store::at(path.parent()?);
    store.is_made().then_some((store, entry))
}

/// Copies an archive over itself with another attestation; memory does not grow with it.
fn copy(
    path: &Utf8Path,
    sums: SumsRead<Archive<BufReader<fs_err::File>>>,
    attestation: &[u8],
) -> Result<(), Failure> {
    let mode = fs_err::metadata(path)?.permissions().mode() & 0o777;
    let files = sums.into_files().map_err(|error| unreadable(path, error))?;
    let mut file = AtomicFile::create(path, mode, Durability::Synced)?;
    archive::write(BufWriter::new(&mut file), Some(attestation), files).map_err(|error| match error {
        WriteError::Source(error) => unreadable(path, error),
        WriteError::Output(error) => error.into(),
        error @ WriteError::Limit(_) => Failure::input(error),
    })?;
    Ok(file.commit()?)
}

/// Puts the attestation into a folder.
///
/// It is written beside the folder: what a killed process leaves inside would be a file too many in the bundle.
fn put(bundle: &Utf8Path, attestation: &[u8]) -> Result<(), Failure> {
    let outside = |error: std::io::Error| {
        let shown = folder_of(bundle);
        Failure::from(error)
            .hint(format!(
                "the attestation is first written to `{shown}`, and moved into the bundle when it is whole"
            ))
            .hint("where that is impossible, copy the bundle to a place where it is, or sign its archive")
    };
    let target = bundle.join(ATTESTATION);
    let mut file = AtomicFile::create_aside(&target, folder_of(bundle), MODE_PUBLIC, Durability::Synced)
        .map_err(outside)?;
    std::io::Write::write_all(&mut file, attestation)?;
    file.commit().map_err(outside)
}
