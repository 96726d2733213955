//! The images that an archive carries: selects manifests, configs and layers, and writes them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::str::FromStr;

use camino::Utf8Path;

use super::event::{TransferEvent, TransferObserver};
use crate::bundle::carried::{Carried, Tail};
use crate::bundle::files::BundleFiles;
use crate::bundle::medium::Medium;
use crate::failure::Failure;
use crate::images::list::{Carryable, ImageList};
use crate::media::archive::{self, ArchiveError, WriteError, Writer};
use crate::media::argument::BundleArgument;
use crate::media::medium;
use crate::media::unverified_bundle::UnverifiedBundle;
use crate::model::digest::Digest;
use crate::model::size::size;
use crate::model::words::count;
use crate::store::StoreLock;
use crate::store::blobs::{BadBlob, BlobVisitError, Blobs};

/// The images to carry in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageSelection {
    None,
    All,
    /// All except the configs and layers that the named bundle lists.
    Since(String),
}

impl FromStr for ImageSelection {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "none" => Ok(Self::None),
            None if text == "all" => Ok(Self::All),
            Some(("since", base)) if !base.is_empty() => Ok(Self::Since(base.to_owned())),
            _ => Err("expected all, none, since:FILE or since:@ENTRY".to_owned()),
        }
    }
}

/// A bundle and the selected blobs, ready for archiving.
pub struct Cargo<'a> {
    pub attestation: Option<&'a [u8]>,
    pub files: &'a BundleFiles,
    pub images: Option<&'a ImageList>,
    /// The digests of the selected blobs. Empty for an archive without an image layout.
    pub carry: BTreeSet<Digest>,
    /// The command that fetches the blobs into the store.
    pub fetch: String,
}

impl Cargo<'_> {
    /// Returns the size of the archive in bytes.
    pub fn size(&self) -> u64 {
        let carried = self.images.iter().flat_map(|images| images.carryable());
        let sizes =
            carried.filter(|(digest, _)| self.carry.contains(digest)).map(|(_, one)| one.size());
        archive::size(self.attestation, self.files, self.images, sizes)
    }

    /// Writes the archive. Blobs come from `tail` or else from `blobs`, and every byte is hashed.
    ///
    /// # Errors
    ///
    /// When a blob is damaged, or `out` fails.
    pub fn write<M: Medium>(
        &self,
        out: &mut dyn Write,
        tail: Option<Tail<M>>,
        blobs: &Blobs,
    ) -> Result<u64, ArchiveError> {
        self.try_write(out, tail, blobs).map_err(|error| told(error, &self.fetch))
    }

    fn try_write<M: Medium>(
        &self,
        out: &mut dyn Write,
        tail: Option<Tail<M>>,
        blobs: &Blobs,
    ) -> Result<u64, WriteError> {
        let mut writer = Writer::new(out, self.attestation, self.files, self.images)?;
        let carryable = self.images.iter().flat_map(|images| images.carryable());
        let mut rest = carryable.filter(|(digest, _)| self.carry.contains(digest)).peekable();
        if let Some(tail) = tail {
            tail.check(self.images, &mut |entry, content| {
                while let Some(stored) = rest.next_if(|(digest, _)| *digest < entry.digest) {
                    carry_stored(&mut writer, blobs, stored)?;
                }
                match rest.next_if(|(digest, _)| *digest == entry.digest) {
                    Some(_) => writer.carry(entry, content),
                    None => Ok(()),
                }
            })?;
        }
        for stored in rest {
            carry_stored(&mut writer, blobs, stored).map_err(WriteError::Output)?;
        }
        writer.finish()
    }
}

/// Adds a blob from the store, hashing it.
fn carry_stored<W: Write>(
    writer: &mut Writer<'_, W>,
    blobs: &Blobs,
    (digest, one): (Digest, Carryable),
) -> io::Result<()> {
    let carried =
        blobs.visit(digest, one.size(), &mut |entry, content| writer.carry(entry, content));
    carried.map_err(|error| match error {
        BlobVisitError::Bad(bad) => io::Error::other(bad),
        BlobVisitError::Read(error) | BlobVisitError::Stopped(error) => error,
    })
}

/// Separates a damaged blob from a failure to write the archive.
fn told(error: WriteError, fetch: &str) -> ArchiveError {
    match error {
        WriteError::Output(cause) => match cause.downcast::<BadBlob>() {
            Ok(bad) => Failure::world(bad).hint(format!("fetch it again: {fetch}")).into(),
            Err(cause) => WriteError::Output(cause).into(),
        },
        error => error.into(),
    }
}

/// Selects the blobs to carry of the bundle `name`. `store` is the folder of the store.
///
/// # Errors
///
/// When the images are not pinned, or the base cannot be read or is another bundle.
pub fn choose(
    store: &Utf8Path,
    (name, images): (&str, Option<&ImageList>),
    wanted: &ImageSelection,
    observe: &TransferObserver<'_>,
) -> Result<BTreeSet<Digest>, Failure> {
    let Some(images) = images else {
        return match wanted {
            ImageSelection::None => Ok(BTreeSet::new()),
            _ => Err(Failure::input(format!(
                "the images of {name} are not pinned: an archive cannot carry them"
            ))
            .hint("on a machine with a network: relay-bundle lock PROFILE, then build it again")),
        };
    };

    let left_out = match wanted {
        ImageSelection::None => return Ok(BTreeSet::new()),
        ImageSelection::All => BTreeMap::new(),
        ImageSelection::Since(base) => {
            let left_out = in_base(store, name, images, base)?;
            let (blobs, of) = (left_out.len(), images.blobs().len());
            let bytes = left_out.values().sum();
            observe(&TransferEvent::LeftOut { base, blobs, of, bytes });
            left_out
        }
    };

    let carried = images.blobs().any(|(digest, _)| !left_out.contains_key(&digest));
    let along = images
        .carryable()
        .map(|(digest, _)| digest)
        .filter(|digest| !left_out.contains_key(digest));
    Ok(along.filter(|_| carried).collect())
}

/// Returns the configs and layers that the bundle `base` lists as well.
fn in_base(
    store: &Utf8Path,
    name: &str,
    images: &ImageList,
    base: &str,
) -> Result<BTreeMap<Digest, u64>, Failure> {
    let found = match BundleArgument::of(base) {
        BundleArgument::Entry(entry) => medium::open_entry(store, entry)?,
        BundleArgument::Path(path) => medium::open_path(path)?,
        BundleArgument::Profile(file) => medium::open_path(file.into())?,
    };
    let bundle = UnverifiedBundle::read(found)?.bundle;
    if bundle.index.name.as_str() != name {
        return Err(Failure::input(format!(
            "cannot leave out images of another bundle: `{base}` is {}, but this bundle is {name}",
            bundle.index.name
        )));
    }
    let base_images = bundle.images.ok_or_else(|| {
        Failure::input(format!("the images of `{base}` are not pinned: nothing can be left out"))
            .hint("carry all: --images all")
    })?;
    Ok(images.blobs().filter(|(digest, _)| base_images.get(digest).is_some()).collect())
}

/// Checks that each selected blob is in the source or in the store. Returns the lock that keeps
/// `gc` from removing them.
///
/// # Errors
///
/// When the store lacks some.
pub fn check_there(
    blobs: &Blobs,
    images: &ImageList,
    carry: &BTreeSet<Digest>,
    (carried, fetch): (&Carried, &str),
) -> Result<Option<StoreLock>, Failure> {
    let needs_store = carry.iter().any(|digest| !carried.contains(digest));
    let lock = needs_store.then(|| blobs.share()).transpose()?;
    let missing = blobs.missing(images)?;
    let missing =
        missing.iter().filter(|(digest, _)| carry.contains(digest) && !carried.contains(digest));
    let sizes: Vec<u64> = missing.map(|(_, size)| *size).collect();
    if sizes.is_empty() {
        return Ok(lock);
    }
    let (number, bytes) = (count(sizes.len(), "blob"), size(sizes.iter().sum()));
    Err(Failure::input(format!("the store lacks {number} of the images ({bytes})"))
        .hint(format!("fetch them: {fetch}"))
        .hint("or omit the images: --images none"))
}
