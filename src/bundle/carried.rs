//! The images behind the listed files of an archive: an OCI image layout with the content of
//! `images.json`.
//!
//! Configs and layers may be absent but never differ, and nothing else may follow. If the archive
//! has any config or layer, it has every manifest; without them, it has no image layout.

use std::collections::BTreeSet;

use super::content::{
    BUFFER_BYTES, Beside, BlobEntry, BlobVisitor, Content, Pending, read_whole, visit_checked,
};
use super::fault::{Fault, FormFault, ReadError};
use super::medium::{Medium, Unlisted};
use crate::images::layout::{self, INDEX, OCI_LAYOUT, OCI_LAYOUT_BYTES};
use crate::images::list::{Carryable, ImageList, ListedManifest};
use crate::images::manifest::ImageManifest;
use crate::model::digest::Digest;

/// The blobs in an archive, by digest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    digests: BTreeSet<Digest>,
}

impl Carried {
    /// Returns whether the archive has no image layout.
    pub fn is_empty(&self) -> bool {
        self.digests.is_empty()
    }

    /// Returns whether the archive has the manifest, config or layer with this digest.
    pub fn contains(&self, digest: &Digest) -> bool {
        self.digests.contains(digest)
    }

    /// Yields the digests of all carried manifests, configs and layers.
    pub fn digests(&self) -> impl ExactSizeIterator<Item = Digest> + '_ {
        self.digests.iter().copied()
    }

    /// Yields the configs and layers of `images` that the archive lacks, each with its size.
    pub fn missing<'a>(
        &'a self,
        images: &'a ImageList,
    ) -> impl Iterator<Item = (Digest, u64)> + 'a {
        images.blobs().filter(|(digest, _)| !self.contains(digest))
    }
}

/// The images behind the listed files of a bundle.
#[derive(Debug)]
pub struct Tail<M> {
    medium: M,
}

impl<M: Medium> Tail<M> {
    pub(super) fn new(medium: M) -> Self {
        Self { medium }
    }

    /// Checks that nothing follows the listed files.
    ///
    /// # Errors
    ///
    /// Returns an error if something follows, or if the medium cannot be read.
    pub fn end(mut self) -> Result<(), ReadError> {
        self.check_end()
    }

    /// Hashes everything that follows, and passes each manifest, config and layer to `visit`,
    /// ordered by digest.
    ///
    /// Bytes that `visit` leaves unread are verified too. If it reads nothing of a large file, that
    /// file is hashed in the background while `visit` gets the next ones. **All bytes are
    /// unverified until this method returns**: `visit` may copy them to a place that is discarded
    /// on failure, but must not act on them.
    ///
    /// The error is always that of the first bad file, however many cores hash.
    ///
    /// # Errors
    ///
    /// Returns an error if a file differs from `images`, is missing or unexpected, or if the medium
    /// cannot be read; [`Fault::Sink`] if `visit` fails.
    pub fn check(
        mut self,
        images: Option<&ImageList>,
        visit: &mut BlobVisitor<'_>,
    ) -> Result<Carried, ReadError> {
        let mut hashing =
            HashingReader { visit, beside: Beside::default(), buffer: vec![0; BUFFER_BYTES] };
        let walked = self.walk(images, &mut hashing);
        // A failure of the walk concerns a later file, so report failed hashes first. The medium
        // must outlive them: dropping it ends its threads.
        hashing.beside.settle()?;
        walked
    }

    /// As [`Tail::check`], but only for the manifests and the `wanted` configs and layers; **the
    /// others stay unverified**. `visit` gets the last bytes of a file only if the whole file is
    /// intact.
    ///
    /// # Errors
    ///
    /// As for [`Tail::check`].
    pub fn check_some(
        mut self,
        images: Option<&ImageList>,
        wanted: &BTreeSet<Digest>,
        visit: &mut BlobVisitor<'_>,
    ) -> Result<Carried, ReadError> {
        let hashing =
            HashingReader { visit, beside: Beside::default(), buffer: vec![0; BUFFER_BYTES] };
        let mut picking = PickingReader { wanted, hashing };
        let walked = self.walk(images, &mut picking);
        picking.hashing.beside.settle()?;
        walked
    }

    /// Reads the headers of everything that follows without hashing: **the content stays
    /// unverified**.
    ///
    /// # Errors
    ///
    /// Returns an error if a file is not listed in `images` or has another size.
    pub fn skim(mut self, images: Option<&ImageList>) -> Result<Carried, ReadError> {
        self.walk(images, &mut SkimmingReader)
    }

    fn check_end(&mut self) -> Result<(), ReadError> {
        match self.medium.next_file()? {
            Some(Unlisted { name, .. }) => Err(self.error(Fault::Extra { name })),
            None => Ok(()),
        }
    }

    fn walk(
        &mut self,
        images: Option<&ImageList>,
        reading: &mut dyn Reading,
    ) -> Result<Carried, ReadError> {
        let Some(images) = images else { return self.check_end().map(|()| Carried::default()) };
        if !self.read_derived(OCI_LAYOUT, OCI_LAYOUT_BYTES)? {
            return Ok(Carried::default());
        }
        if !self.read_derived(INDEX, &layout::index(images))? {
            return Err(self.missing(INDEX));
        }
        let carried = self.read_blobs(images, reading)?;
        if images.blobs().all(|(digest, _)| !carried.contains(&digest)) {
            return Err(self
                .error(Fault::Form { name: OCI_LAYOUT.to_owned(), form: FormFault::EmptyLayout }));
        }
        Ok(carried)
    }

    /// Reads manifests, configs and layers to the end of the bundle.
    fn read_blobs(
        &mut self,
        images: &ImageList,
        reading: &mut dyn Reading,
    ) -> Result<Carried, ReadError> {
        let mut carried = Carried::default();
        let mut rest = images.carryable();
        while let Some(file) = self.medium.next_file()? {
            let read = find_listed(images, &mut rest, &file.name).and_then(|(digest, one)| {
                carried.digests.insert(digest);
                let pending = read_one(images, (digest, one), file, reading)?;
                Ok((digest, one.size(), pending))
            });
            let offset = self.medium.offset();
            let (digest, bytes, pending) = read.map_err(|fault| ReadError { fault, offset })?;
            if let Some(pending) = pending {
                let path = layout::path_of(&digest);
                reading.wait(BlobEntry { path: &path, bytes, digest }, offset, pending)?;
            }
        }
        match rest.find(|(_, one)| matches!(one, Carryable::Manifest(_))) {
            Some((digest, _)) => Err(self.missing(layout::path_of(&digest).as_str())),
            None => Ok(carried),
        }
    }

    /// Reads a file whose content follows from `images.json`; returns false at the end of the
    /// bundle.
    fn read_derived(&mut self, name: &str, wanted: &[u8]) -> Result<bool, ReadError> {
        let Some(file) = self.medium.next_file()? else { return Ok(false) };
        let fault = if file.name != name {
            Fault::Extra { name: file.name }
        } else if file.bytes != wanted.len() as u64 {
            Fault::Form { name: name.to_owned(), form: FormFault::Layout }
        } else {
            match read_whole(name, file.bytes, file.content) {
                Ok(found) if found == wanted => return Ok(true),
                Ok(_) => Fault::Form { name: name.to_owned(), form: FormFault::Layout },
                Err(fault) => fault,
            }
        };
        Err(self.error(fault))
    }

    fn missing(&self, path: &str) -> ReadError {
        self.error(Fault::Missing { path: path.to_owned() })
    }

    fn error(&self, fault: Fault) -> ReadError {
        ReadError { fault, offset: self.medium.offset() }
    }
}

/// Finds the entry of the file `name` in `rest`, which is sorted by digest, and skips configs and
/// layers, which may be absent.
fn find_listed(
    images: &ImageList,
    rest: &mut impl Iterator<Item = (Digest, Carryable)>,
    name: &str,
) -> Result<(Digest, Carryable), Fault> {
    let found = layout::digest_of(name);
    let is_later =
        |digest| found.is_some_and(|found| found > digest && images.get(&found).is_some());
    // Manifests must not be skipped: a skipped one is missing.
    match rest.find(|(digest, one)| found == Some(*digest) || matches!(one, Carryable::Manifest(_)))
    {
        Some((digest, one)) if found == Some(digest) => Ok((digest, one)),
        Some((digest, _)) if is_later(digest) => {
            Err(Fault::Missing { path: layout::path_of(&digest).to_string() })
        }
        _ => Err(Fault::Extra { name: name.to_owned() }),
    }
}

/// Reads a listed file: verifies a manifest at once, and leaves everything else to `reading`.
fn read_one(
    images: &ImageList,
    (digest, one): (Digest, Carryable),
    file: Unlisted<'_>,
    reading: &mut dyn Reading,
) -> Result<Option<Pending>, Fault> {
    let Unlisted { name, bytes, content } = file;
    if bytes != one.size() {
        return Err(Fault::Size { path: name, wanted: one.size(), found: bytes });
    }
    let path = layout::path_of(&digest);
    let entry = BlobEntry { path: &path, bytes, digest };
    match one {
        Carryable::Manifest(_) if !reading.hashes() => reading.read(entry, content),
        Carryable::Manifest(manifest) => {
            let read = read_whole(&name, bytes, content)?;
            let found = Digest::of(&read);
            if found != digest {
                return Err(Fault::Tampered { path: name, wanted: digest, found });
            }
            check_manifest(images, digest, manifest, &read)
                .map_err(|why| Fault::Manifest { path: name, why })?;
            reading.read(entry, &mut read.as_slice())
        }
        Carryable::Blob { .. } => reading.read(entry, content),
    }
}

/// Checks that a manifest names exactly the configs and layers listed for it. The caller has
/// verified its bytes.
fn check_manifest(
    images: &ImageList,
    digest: Digest,
    listed: ListedManifest,
    bytes: &[u8],
) -> Result<(), String> {
    let named =
        ImageManifest::parse(bytes, listed.media_type).map_err(|error| error.to_string())?.blobs();
    let image = images.images().find(|image| image.digest == digest);
    let blobs = &image.expect("each listed manifest belongs to an image").blobs;
    let is_listed = |(blob, size): (&Digest, &u64)| {
        blobs.contains(blob) && images.get(blob) == Some(Carryable::Blob { size: *size })
    };
    match named.iter().find(|(blob, size)| !is_listed((blob, size))) {
        Some((blob, _)) => Err(format!("it names sha256:{blob}, which is not listed for it")),
        None if named.len() != blobs.len() => {
            Err("it names fewer configs and layers than are listed for it".to_owned())
        }
        None => Ok(()),
    }
}

/// The handling of manifests, configs and layers in archive order.
trait Reading {
    /// Returns whether the content is hashed.
    fn hashes(&self) -> bool;

    /// Reads one file; returns a pending result if it is hashed in the background.
    fn read(
        &mut self,
        entry: BlobEntry<'_>,
        content: &mut dyn Content,
    ) -> Result<Option<Pending>, Fault>;

    fn wait(
        &mut self,
        entry: BlobEntry<'_>,
        offset: Option<u64>,
        pending: Pending,
    ) -> Result<(), ReadError>;
}

struct HashingReader<'a, 'v> {
    visit: &'a mut BlobVisitor<'v>,
    beside: Beside,
    buffer: Vec<u8>,
}

impl Reading for HashingReader<'_, '_> {
    fn hashes(&self) -> bool {
        true
    }

    fn read(
        &mut self,
        entry: BlobEntry<'_>,
        content: &mut dyn Content,
    ) -> Result<Option<Pending>, Fault> {
        visit_checked(entry, content, self.visit, &mut self.buffer)
    }

    fn wait(
        &mut self,
        entry: BlobEntry<'_>,
        offset: Option<u64>,
        pending: Pending,
    ) -> Result<(), ReadError> {
        self.beside.add(entry, offset, pending)
    }
}

/// Hashes the wanted blobs and skips the others.
struct PickingReader<'a, 'v> {
    wanted: &'a BTreeSet<Digest>,
    hashing: HashingReader<'a, 'v>,
}

impl Reading for PickingReader<'_, '_> {
    fn hashes(&self) -> bool {
        true
    }

    fn read(
        &mut self,
        entry: BlobEntry<'_>,
        content: &mut dyn Content,
    ) -> Result<Option<Pending>, Fault> {
        if self.wanted.contains(&entry.digest) {
            return self.hashing.read(entry, content);
        }
        SkimmingReader.read(entry, content)
    }

    fn wait(
        &mut self,
        entry: BlobEntry<'_>,
        offset: Option<u64>,
        pending: Pending,
    ) -> Result<(), ReadError> {
        self.hashing.wait(entry, offset, pending)
    }
}

struct SkimmingReader;

impl Reading for SkimmingReader {
    fn hashes(&self) -> bool {
        false
    }

    fn read(
        &mut self,
        entry: BlobEntry<'_>,
        content: &mut dyn Content,
    ) -> Result<Option<Pending>, Fault> {
        let skipped = content.skip(entry.bytes).map_err(Fault::Io)?;
        if skipped < entry.bytes {
            return Err(Fault::Truncated { name: entry.path.to_string() });
        }
        Ok(None)
    }

    fn wait(&mut self, _: BlobEntry<'_>, _: Option<u64>, _: Pending) -> Result<(), ReadError> {
        Ok(())
    }
}
