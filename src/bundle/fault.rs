//! Why a bundle cannot be read.

use std::fmt;
use std::io;

use super::compression::Compression;
use super::layout::SUMS;
use super::limits::LimitExceeded;
use super::sums::InvalidSums;
use crate::images::layout::BLOBS;
use crate::images::list::IMAGES;
use crate::model::digest::Digest;

/// The fault, and its place in an archive.
#[derive(Debug, thiserror::Error)]
#[error("{fault}{}", At(*offset))]
pub struct ReadError {
    pub fault: Fault,
    /// The offset in an archive: for a file, the start of its header.
    pub offset: Option<u64>,
}

/// A fault in a bundle; one variant for each case that callers treat differently.
///
/// Names come from the medium, so they are escaped: a line break must not imitate program output.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error(transparent)]
    Limit(#[from] LimitExceeded),
    #[error(transparent)]
    Sums(InvalidSums),
    /// A listed file has other bytes.
    #[error("`{path}` was altered: {} lists {wanted}, its bytes have {found}", list_of(path))]
    Tampered { path: String, wanted: Digest, found: Digest },
    /// A manifest, config or layer has another size than in `images.json`.
    #[error("`{path}` was altered: images.json lists {wanted} bytes, it has {found}")]
    Size { path: String, wanted: u64, found: u64 },
    /// A manifest has the signed bytes but not the content that `images.json` describes.
    #[error("`{path}` is not the manifest that images.json describes: {why}")]
    Manifest { path: String, why: String },
    /// The bundle as a whole is not the requested one.
    #[error("the bundle was altered: its content id should start with {wanted}, but is {found}")]
    OtherContent { wanted: String, found: Digest },
    #[error("`{path}` is missing")]
    Missing { path: String },
    /// A file that is not listed, occurs twice, or is out of order.
    #[error("unexpected file `{}`", name.escape_debug())]
    Extra { name: String },
    /// A folder has a file or folder of an image layout.
    #[error("`{}` is part of an image layout, which a folder cannot carry", name.escape_debug())]
    ImagesInFolder { name: String },
    /// The archive has no bytes.
    #[error("the input is empty")]
    Empty,
    /// The copy is incomplete.
    #[error("the bundle is truncated in or after `{}`", name.escape_debug())]
    Truncated { name: String },
    /// The archive is compressed.
    #[error("the bundle is compressed with {}", .0.program)]
    Compressed(&'static Compression),
    #[error(
        "the header field `{field}` of an entry is not what this program writes: is this an \
         archive?"
    )]
    NoHeader { field: &'static str },
    #[error("`{}` {form}", name.escape_debug())]
    Form { name: String, form: FormFault },
    #[error(transparent)]
    Io(io::Error),
    /// Copying the files elsewhere failed; the bundle itself is not at fault.
    #[error("cannot copy `{path}`: {error}")]
    Sink { path: String, error: io::Error },
}

/// How a file, or the end of an archive, deviates from the form that this program writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormFault {
    #[error("has a header whose field `{field}` is not what this program writes")]
    Header { field: &'static str },
    #[error("is followed by non-zero padding")]
    Padding,
    #[error("is not followed by two zero blocks")]
    EndBlocks,
    #[error("is followed by data after the end of the archive")]
    TrailingData,
    #[error("is a symbolic link; a bundle may only have regular files")]
    Symlink,
    #[error("is not a regular file")]
    NotRegular,
    #[error("has {links} hard links; a file of a bundle may only have one")]
    HardLinked { links: u64 },
    #[error("has mode {mode:04o}; files of a bundle must have 0644 (`chmod 0644` fixes it)")]
    Mode { mode: u32 },
    #[error("is a folder without a file of the bundle")]
    StrayFolder,
    #[error("does not match images.json")]
    Layout,
    #[error("needs a config or a layer: an archive without images has no image layout")]
    EmptyLayout,
}

impl Fault {
    /// Adds the offset in an archive.
    pub fn at(self, offset: u64) -> ReadError {
        ReadError { fault: self, offset: Some(offset) }
    }
}

impl From<Fault> for ReadError {
    fn from(fault: Fault) -> Self {
        Self { fault, offset: None }
    }
}

impl From<LimitExceeded> for ReadError {
    fn from(limit: LimitExceeded) -> Self {
        Fault::Limit(limit).into()
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Fault::Io(error).into()
    }
}

/// Returns the name of the file that lists the digest of `path`.
fn list_of(path: &str) -> &'static str {
    if path.starts_with(BLOBS) { IMAGES } else { SUMS }
}

struct At(Option<u64>);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |offset| write!(f, " (at byte {offset} of the archive)"))
    }
}
