//! Writes an entry of the store as one file.

use std::collections::BTreeSet;

use crate::bundle::carried::Tail;
use crate::bundle::files::BundleFiles;
use crate::bundle::medium::AnyMedium;
use crate::bundle::open::images_of;
use crate::failure::Failure;
use crate::fsio::Waits;
use crate::images::list::ImageList;
use crate::media::archive::ArchiveTarget;
use crate::media::images_at::fetch_line;
use crate::model::digest::Digest;
use crate::store::blobs::Blobs;
use crate::store::{EntryName, Store};
use crate::transfer::cargo::Cargo;

/// An entry that was read again, and the images to carry.
pub struct EntryArchive {
    attestation: Option<Vec<u8>>,
    files: BundleFiles,
    images: Option<ImageList>,
    carry: BTreeSet<Digest>,
    blobs: Blobs,
    /// The command that fetches the images into the store.
    fetch: String,
}

impl EntryArchive {
    pub(super) fn open(
        store: &Store,
        entry: &EntryName,
        carry: BTreeSet<Digest>,
    ) -> Result<Self, Failure> {
        let (_, sums) = store.open(entry.as_str())?;
        let attestation = sums.attestation().map(<[u8]>::to_vec);
        let files = sums.into_files()?.read_to_end()?.files;
        let images = images_of(&files).map_err(Failure::bug)?;
        let fetch = fetch_line(store.root(), &format!("@{entry}"));
        Ok(Self { attestation, files, images, carry, blobs: store.blobs(), fetch })
    }

    /// Returns whether the archive carries images.
    pub fn has_images(&self) -> bool {
        !self.carry.is_empty()
    }

    /// Returns the size of the archive in bytes.
    pub fn size(&self) -> u64 {
        self.cargo().size()
    }

    /// Writes the archive.
    ///
    /// # Errors
    ///
    /// When a blob is damaged, or the disk fails.
    pub fn write(
        &self,
        target: &ArchiveTarget<'_>,
        waits: &Waits,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), Failure> {
        target.write(waits, progress, |out| {
            self.cargo().write(out, None::<Tail<AnyMedium>>, &self.blobs)
        })?;
        Ok(())
    }

    fn cargo(&self) -> Cargo<'_> {
        Cargo {
            attestation: self.attestation.as_deref(),
            files: &self.files,
            images: self.images.as_ref(),
            carry: self.carry.clone(),
            fetch: self.fetch.clone(),
        }
    }
}
