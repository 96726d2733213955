//! Writes a bundle as one file, with the images that it carries or with selected ones.

use std::collections::BTreeSet;

use super::cargo::{self, Cargo, ImageSelection};
use super::event::TransferObserver;
use crate::bundle::carried::{Carried, Tail};
use crate::bundle::medium::AnyMedium;
use crate::bundle::open::{images_of, read_index};
use crate::bundle::read::{Contents, Files};
use crate::failure::{Failure, refused};
use crate::fsio::Waits;
use crate::images::list::ImageList;
use crate::media::archive::{ArchiveError, ArchiveTarget, WriteError, Writer};
use crate::media::argument::{BundleArgument, check_not_stdin, located};
use crate::media::images_at::fetch_line;
use crate::media::medium::{self, BundleLocation, FoundBundle};
use crate::model::digest::Digest;
use crate::store::{Store, StoreLock};

/// A built bundle to pack, and where its images may come from.
pub struct PackSource<'a> {
    /// The argument that names the bundle.
    pub bundle: &'a str,
    pub store: &'a Store,
}

/// A bundle that was read up to its images.
pub struct Packing<'a> {
    source: PackSource<'a>,
    place: BundleLocation,
    attestation: Option<Vec<u8>>,
    contents: Contents,
    images: Option<ImageList>,
    /// The images to copy unchanged; `None` if images were selected. A pipe can be read only once.
    tail: Option<Tail<AnyMedium>>,
    selected: SelectedBlobs,
}

/// The blobs that were selected for the archive.
#[derive(Default)]
struct SelectedBlobs {
    /// The blobs in the source.
    carried: Carried,
    carry: BTreeSet<Digest>,
    /// Held until the archive is written, if blobs come from the store.
    _lock: Option<StoreLock>,
}

/// A written archive.
pub struct Packed {
    /// The size of the archive.
    pub bytes: u64,
    pub content_id: Digest,
    pub files: usize,
    /// The number of manifests, configs and layers of images in the archive.
    pub blobs: usize,
    pub is_signed: bool,
    pub has_images: bool,
}

impl<'a> Packing<'a> {
    /// Reads everything but the images, and selects the images to carry: those of the source unless
    /// `wanted` says otherwise.
    ///
    /// # Errors
    ///
    /// When the bundle cannot be read, the target is inside it, or images are missing.
    pub fn survey(
        source: PackSource<'a>,
        target: &ArchiveTarget<'_>,
        wanted: Option<&ImageSelection>,
        observe: &TransferObserver<'_>,
    ) -> Result<Self, Failure> {
        let FoundBundle { sums, place } = source.open()?;
        if place.path.is_dir() {
            target.check_outside(&place.path, "inside the bundle")?;
        }
        let attestation = sums.attestation().map(<[u8]>::to_vec);
        let read = sums.into_files().and_then(Files::read);
        let (contents, tail) = read.map_err(|error| place.failure(error))?;
        let disagrees = |error| refused::contradiction(&place.path, &error);
        let images = images_of(&contents.files).map_err(disagrees)?;
        let (tail, selected) = (Some(tail), SelectedBlobs::default());
        let packing = Self { source, place, attestation, contents, images, tail, selected };
        match wanted {
            None => Ok(packing),
            Some(wanted) => packing.select(wanted, observe),
        }
    }

    /// Selects the images to carry from the source and the store.
    fn select(
        mut self,
        wanted: &ImageSelection,
        observe: &TransferObserver<'_>,
    ) -> Result<Self, Failure> {
        let (place, images, store) = (&self.place, self.images.as_ref(), self.source.store);
        let tail = self.tail.take().expect("nothing has read the images");
        let carried = tail.skim(images).map_err(|error| place.failure(error))?;
        let index = read_index(&self.contents.files)
            .map_err(|error| refused::contradiction(&place.path, &error))?;
        let of = (index.name.as_str(), images);
        let carry = cargo::choose(store.root(), of, wanted, observe)?;
        let lock = match images {
            Some(images) => {
                let fetch = self.source.fetch_line();
                cargo::check_there(&store.blobs(), images, &carry, (&carried, &fetch))?
            }
            None => None,
        };
        Ok(Self { selected: SelectedBlobs { carried, carry, _lock: lock }, ..self })
    }

    /// Returns the size of the archive, if it is known before it is written.
    pub fn size(&self) -> Option<u64> {
        let is_known = self.tail.is_none() || self.place.path.is_dir();
        is_known.then(|| self.cargo().size())
    }

    /// Writes the archive.
    ///
    /// # Errors
    ///
    /// When the source or a blob is damaged, the source was replaced, or the disk fails.
    pub fn write(
        mut self,
        target: &ArchiveTarget<'_>,
        waits: &Waits,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Packed, Failure> {
        let tail = self.tail.take();
        let cargo = self.cargo();
        let mut blobs = cargo.carry.len();
        let written = target.write(waits, progress, |out| {
            if let Some(tail) = tail {
                let Cargo { attestation, files, images, .. } = cargo;
                let writer = Writer::new(out, attestation, files, images)?.copy_images(tail)?;
                blobs = writer.carried();
                return Ok(writer.finish()?);
            }
            // Without images, everything is in memory.
            let has_images = !self.selected.carried.is_empty();
            let tail = has_images.then(|| self.reopen()).transpose()?;
            cargo.write(out, tail, &self.source.store.blobs())
        });

        let bytes = written.map_err(|error| match error {
            ArchiveError::Write(WriteError::Source(error)) => self.place.failure(error),
            error => Failure::from(error),
        })?;

        let sums = &self.contents.sums;
        Ok(Packed {
            bytes,
            content_id: sums.content_id(),
            files: sums.len(),
            blobs,
            is_signed: self.attestation.is_some(),
            has_images: self.images.is_some(),
        })
    }

    fn cargo(&self) -> Cargo<'_> {
        Cargo {
            attestation: self.attestation.as_deref(),
            files: &self.contents.files,
            images: self.images.as_ref(),
            carry: self.selected.carry.clone(),
            fetch: self.source.fetch_line(),
        }
    }

    /// Reads the bundle again, up to its images.
    fn reopen(&self) -> Result<Tail<AnyMedium>, Failure> {
        medium::check_rereadable(&self.place.path)?;
        let FoundBundle { sums, place } = self.source.open()?;
        let read = sums.into_files().and_then(Files::read);
        let (contents, tail) = read.map_err(|error| place.failure(error))?;
        if contents.sums != self.contents.sums {
            let name = self.source.bundle;
            return Err(Failure::world(format!("`{name}` was replaced while being packed")));
        }
        Ok(tail)
    }
}

impl PackSource<'_> {
    fn open(&self) -> Result<FoundBundle, Failure> {
        check_not_stdin(self.bundle, "is not read")?;
        BundleArgument::of(&located(self.bundle, None)).open(self.store.root(), "packed")
    }

    /// Returns the command that fetches the images into the store.
    fn fetch_line(&self) -> String {
        fetch_line(self.store.root(), self.bundle)
    }
}
