//! Writes an archive in one pass with bounded memory.

use std::io::{self, Read, Write};

use super::header::{BLOCK_BYTES, ZERO, encode};
use crate::bundle::carried::Tail;
use crate::bundle::content::BlobEntry;
use crate::bundle::fault::{Fault, ReadError};
use crate::bundle::files::BundleFiles;
use crate::bundle::layout::{ATTESTATION, SUMS};
use crate::bundle::limits::{ATTESTATION_BYTES_MAX, LimitExceeded, check_size};
use crate::bundle::medium::Medium;
use crate::images::layout::{self, INDEX, OCI_LAYOUT, OCI_LAYOUT_BYTES};
use crate::images::list::ImageList;

/// Large enough that system calls cost little compared to SHA-256.
const BUFFER_BYTES: usize = 128 << 10;

/// Why writing an archive failed; the output so far is not a valid archive.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error(transparent)]
    Limit(#[from] LimitExceeded),
    /// The source bundle is damaged or incomplete.
    #[error(transparent)]
    Source(ReadError),
    #[error("cannot write the archive: {0}")]
    Output(io::Error),
}

impl From<ReadError> for WriteError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError { fault: Fault::Sink { error, .. }, .. } => Self::Output(error),
            error => Self::Source(error),
        }
    }
}

/// Writes the archive of a bundle that carries no images, and returns its size in bytes.
///
/// # Errors
///
/// Same as the methods of [`Writer`].
pub fn write(
    out: impl Write,
    attestation: Option<&[u8]>,
    files: &BundleFiles,
) -> Result<u64, WriteError> {
    Writer::new(out, attestation, files, None)?.finish()
}

/// Returns the size in bytes of an archive; `carried` yields the sizes of its manifests, configs
/// and layers.
pub fn size(
    attestation: Option<&[u8]>,
    files: &BundleFiles,
    images: Option<&ImageList>,
    carried: impl Iterator<Item = u64>,
) -> u64 {
    let sums = files.sums().encode().len() as u64;
    let small = attestation.map(|bytes| bytes.len() as u64).into_iter().chain([sums]);
    let listed = files.iter().map(|(_, file)| file.bytes().len() as u64);
    let carried: Vec<u64> = carried.collect();
    let derived = images
        .filter(|_| !carried.is_empty())
        .map(|images| [OCI_LAYOUT_BYTES.len() as u64, layout::index(images).len() as u64]);
    let all = small.chain(listed).chain(derived.into_iter().flatten()).chain(carried);
    all.map(size_in_archive).sum::<u64>() + 2 * BLOCK_BYTES as u64
}

/// An archive in progress: the listed files are written, and the images follow.
///
/// Pass a `BufWriter` as `out`.
pub struct Writer<'a, W> {
    out: W,
    images: Option<&'a ImageList>,
    /// The number of manifests, configs and layers added so far.
    carried: usize,
    total: u64,
    buffer: Vec<u8>,
}

impl<'a, W: Write> Writer<'a, W> {
    /// Writes the attestation, `SHA256SUMS` and the files.
    ///
    /// # Errors
    ///
    /// When the attestation is too large, or `out` fails.
    pub fn new(
        out: W,
        attestation: Option<&[u8]>,
        files: &BundleFiles,
        images: Option<&'a ImageList>,
    ) -> Result<Self, WriteError> {
        if let Some(bytes) = attestation {
            check_size(ATTESTATION, bytes.len() as u64, ATTESTATION_BYTES_MAX)?;
        }
        let mut writer = Self { out, images, carried: 0, total: 0, buffer: vec![0; BUFFER_BYTES] };
        writer.add_listed(attestation, files).map_err(WriteError::Output)?;
        Ok(writer)
    }

    fn add_listed(&mut self, attestation: Option<&[u8]>, files: &BundleFiles) -> io::Result<()> {
        if let Some(bytes) = attestation {
            self.add(ATTESTATION, bytes)?;
        }
        self.add(SUMS, files.sums().encode().as_bytes())?;
        files.iter().try_for_each(|(path, file)| self.add(path.as_str(), file.bytes()))
    }

    /// Adds a manifest, config or layer, and before the first one the files of the image layout.
    ///
    /// The caller checks the bytes, adds all manifests, and keeps to the order of the digests.
    ///
    /// # Errors
    ///
    /// When `content` or `out` fails.
    pub fn carry(&mut self, entry: BlobEntry<'_>, content: &mut dyn Read) -> io::Result<()> {
        if let Some(images) = self.images.filter(|_| self.carried == 0) {
            self.add(OCI_LAYOUT, OCI_LAYOUT_BYTES)?;
            self.add(INDEX, &layout::index(images))?;
        }
        let Self { out, total, buffer, .. } = self;
        *total += write_file(out, entry.path.as_str(), entry.bytes, content, buffer)?;
        self.carried += 1;
        Ok(())
    }

    /// Copies the image layout of another archive and hashes it: if this succeeds, the copied
    /// images are good.
    ///
    /// # Errors
    ///
    /// When a file cannot be read or differs from its entry in the image list, or when `out` fails.
    pub fn copy_images<M: Medium>(mut self, tail: Tail<M>) -> Result<Self, WriteError> {
        tail.check(self.images, &mut |entry, content| self.carry(entry, content))?;
        Ok(self)
    }

    /// Returns the number of manifests, configs and layers added so far.
    pub fn carried(&self) -> usize {
        self.carried
    }

    /// Writes the end marker, and returns the size of the archive in bytes.
    ///
    /// # Errors
    ///
    /// When `out` fails.
    pub fn finish(mut self) -> Result<u64, WriteError> {
        let end = self.out.write_all(&[ZERO, ZERO].concat()).and_then(|()| self.out.flush());
        end.map_err(WriteError::Output)?;
        Ok(self.total + 2 * BLOCK_BYTES as u64)
    }

    fn add(&mut self, name: &str, mut bytes: &[u8]) -> io::Result<()> {
        let size = bytes.len() as u64;
        self.total += write_file(&mut self.out, name, size, &mut bytes, &mut self.buffer)?;
        Ok(())
    }
}

/// Writes the header, content and padding of a file, and returns their total size in bytes.
///
/// If `content` ends early, the file stays short: the caller detects that by the digest and
/// discards the archive.
fn write_file(
    out: &mut impl Write,
    name: &str,
    bytes: u64,
    content: &mut dyn Read,
    buffer: &mut [u8],
) -> io::Result<u64> {
    out.write_all(&encode(name, bytes))?;
    loop {
        match content.read(buffer) {
            Ok(0) => break,
            Ok(read) => out.write_all(&buffer[..read])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    out.write_all(&ZERO[..padding_after(bytes)])?;
    Ok(size_in_archive(bytes))
}

/// Returns the size of a file including its header and padding.
fn size_in_archive(bytes: u64) -> u64 {
    BLOCK_BYTES as u64 + bytes + padding_after(bytes) as u64
}

/// Returns the number of zero bytes that pad a content to a whole block.
pub(super) fn padding_after(bytes: u64) -> usize {
    let used = bytes % BLOCK_BYTES as u64;
    usize::try_from((BLOCK_BYTES as u64 - used) % BLOCK_BYTES as u64).expect("less than a block")
}
