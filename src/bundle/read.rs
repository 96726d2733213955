//! Reads a bundle from any medium: the attestation, then `SHA256SUMS`, the files that it lists, and
//! the images.
//!
//! The caller decides between the steps, and nothing is parsed before it asks for the files. Every
//! byte returned as good was hashed in the same pass and compared with `SHA256SUMS`.
//! [`crate::bundle::limits`] bounds the memory, regardless of the sizes that the medium declares.
//! `carried` reads the images, which only an archive has.

use std::fmt;
use std::io::{self, Read};

use super::carried::Tail;
use super::content::Content;
use super::files::BundleFiles;
use super::layout::{FileKind, SUMS};
use super::limits::{Budget, LimitExceeded};
use super::sums::{InvalidSums, Sums};
use crate::images::layout::BLOBS;
use crate::images::list::IMAGES;
use crate::model::digest::Digest;
use crate::model::safe_path::SafePath;

/// The storage of a bundle: an archive, a folder, or memory. Used only through [`Opening`] and
/// [`Files`].
pub trait Medium {
    /// Starts reading the files listed in `sums`; a medium with a directory compares the lists
    /// here.
    fn begin(&mut self, _: &Sums) -> Result<(), ReadError> {
        Ok(())
    }

    /// Opens the file at `path`, the next one in `sums`; returns its size and content.
    fn open_file(
        &mut self,
        path: &SafePath,
        sums: &Sums,
    ) -> Result<(u64, &mut dyn Content), ReadError>;

    /// Opens the next file behind those that `sums` lists; returns `None` at the end of the bundle,
    /// having checked that nothing follows.
    fn next_file(&mut self) -> Result<Option<Unlisted<'_>>, ReadError> {
        Ok(None)
    }

    /// Returns the offset of the open file's header in an archive.
    fn offset(&self) -> Option<u64> {
        None
    }
}

/// A file that `SHA256SUMS` does not list.
pub struct Unlisted<'a> {
    /// The name on the medium, unchecked.
    pub name: String,
    pub bytes: u64,
    pub content: &'a mut dyn Content,
}

/// A [`Medium`] that also provides the two files before all others.
pub trait SealedMedium: Medium {
    /// Reads the attestation, if present. Called first.
    fn read_attestation(&mut self) -> Result<Option<Vec<u8>>, ReadError>;

    /// Reads the bytes of `SHA256SUMS`. Called second.
    fn read_sums(&mut self) -> Result<Vec<u8>, ReadError>;
}

impl<M: Medium + ?Sized> Medium for Box<M> {
    fn begin(&mut self, sums: &Sums) -> Result<(), ReadError> {
        (**self).begin(sums)
    }

    fn open_file(
        &mut self,
        path: &SafePath,
        sums: &Sums,
    ) -> Result<(u64, &mut dyn Content), ReadError> {
        (**self).open_file(path, sums)
    }

    fn next_file(&mut self) -> Result<Option<Unlisted<'_>>, ReadError> {
        (**self).next_file()
    }

    fn offset(&self) -> Option<u64> {
        (**self).offset()
    }
}

impl<M: SealedMedium + ?Sized> SealedMedium for Box<M> {
    fn read_attestation(&mut self) -> Result<Option<Vec<u8>>, ReadError> {
        (**self).read_attestation()
    }

    fn read_sums(&mut self) -> Result<Vec<u8>, ReadError> {
        (**self).read_sums()
    }
}

/// A medium whose type is only known at run time.
pub type AnyMedium = Box<dyn SealedMedium>;

/// A bundle of which only the attestation has been read.
#[derive(Debug)]
pub struct Opening<M> {
    medium: M,
    attestation: Option<Vec<u8>>,
}

impl<M: SealedMedium> Opening<M> {
    /// Reads the attestation.
    ///
    /// # Errors
    ///
    /// Returns an error if the medium cannot be read, does not start like a bundle, or has too
    /// large an attestation.
    pub fn new(mut medium: M) -> Result<Self, ReadError> {
        let attestation = medium.read_attestation()?;
        Ok(Self { medium, attestation })
    }

    /// Erases the type of the medium.
    pub fn boxed(self) -> Opening<AnyMedium>
    where
        M: 'static,
    {
        Opening { medium: Box::new(self.medium), attestation: self.attestation }
    }

    /// Returns the unparsed bytes of the attestation; `None` if the bundle is unsigned.
    pub fn attestation(&self) -> Option<&[u8]> {
        self.attestation.as_deref()
    }

    /// Reads the bytes of `SHA256SUMS`.
    ///
    /// # Errors
    ///
    /// Returns an error if the bytes are missing, too many, or cannot be read.
    pub fn read_sums(mut self) -> Result<SumsRead<M>, ReadError> {
        let bytes = self.medium.read_sums()?;
        let content_id = Digest::of(&bytes);
        Ok(SumsRead { medium: self.medium, attestation: self.attestation, bytes, content_id })
    }
}

/// A bundle whose attestation and `SHA256SUMS` have been read but not parsed.
#[derive(Debug)]
pub struct SumsRead<M> {
    medium: M,
    attestation: Option<Vec<u8>>,
    bytes: Vec<u8>,
    content_id: Digest,
}

impl<M: SealedMedium> SumsRead<M> {
    /// Erases the type of the medium.
    pub fn boxed(self) -> SumsRead<AnyMedium>
    where
        M: 'static,
    {
        let Self { medium, attestation, bytes, content_id } = self;
        SumsRead { medium: Box::new(medium), attestation, bytes, content_id }
    }

    /// Returns the unparsed bytes of the attestation; `None` if the bundle is unsigned.
    pub fn attestation(&self) -> Option<&[u8]> {
        self.attestation.as_deref()
    }

    /// Returns the unparsed bytes of `SHA256SUMS`.
    pub fn sums_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the content id: the digest of `SHA256SUMS`.
    pub fn content_id(&self) -> Digest {
        self.content_id
    }

    /// Parses `SHA256SUMS`. The caller must check the signatures first.
    ///
    /// # Errors
    ///
    /// Returns an error if the bytes are not a canonical list of a bundle's files.
    pub fn into_files(self) -> Result<Files<M>, ReadError> {
        let sums = Sums::parse(&self.bytes).map_err(Fault::Sums)?;
        Ok(Files::new(self.medium, sums))
    }
}

/// The files of a bundle, not yet read.
#[derive(Debug)]
pub struct Files<M> {
    medium: M,
    sums: Sums,
}

/// The contents of all files listed in `SHA256SUMS`.
#[derive(Clone, Debug)]
pub struct Contents {
    pub sums: Sums,
    pub files: BundleFiles,
    /// The total size of all files.
    pub bytes: u64,
}

impl<M: Medium> Files<M> {
    pub(super) fn new(medium: M, sums: Sums) -> Self {
        Self { medium, sums }
    }

    /// Returns the list of the files.
    pub fn sums(&self) -> &Sums {
        &self.sums
    }

    /// Reads and hashes every listed file. The returned [`Tail`] reads everything after them.
    ///
    /// # Errors
    ///
    /// Returns an error if a file differs from `SHA256SUMS`, is missing, unexpected or too large,
    /// or if the medium cannot be read.
    pub fn read(mut self) -> Result<(Contents, Tail<M>), ReadError> {
        let (mut budget, mut files, mut total) = (Budget::default(), BundleFiles::default(), 0);
        self.medium.begin(&self.sums)?;
        for (path, digest) in self.sums.iter() {
            let (bytes, content) = self.medium.open_file(path, &self.sums)?;
            let read = admit(&mut budget, path, bytes)
                .and_then(|()| read_checked(path, digest, bytes, content));
            let offset = self.medium.offset();
            let content = read.map_err(|fault| ReadError { fault, offset })?;
            files.add_hashed(path.clone(), content, digest).map_err(io::Error::other)?;
            total += bytes;
        }
        Ok((Contents { sums: self.sums, files, bytes: total }, Tail::new(self.medium)))
    }

    /// Reads a bundle without images, such as a folder.
    ///
    /// # Errors
    ///
    /// As for [`Files::read`], and if something follows the listed files.
    pub fn read_to_end(self) -> Result<Contents, ReadError> {
        let (contents, tail) = self.read()?;
        tail.end()?;
        Ok(contents)
    }
}

fn admit(budget: &mut Budget, path: &SafePath, bytes: u64) -> Result<(), Fault> {
    let kind = FileKind::of(path)
        .ok_or_else(|| Fault::Sums(InvalidSums::Misplaced { path: path.clone() }))?;
    Ok(budget.admit(path, kind, bytes)?)
}

fn read_checked(
    path: &SafePath,
    wanted: Digest,
    bytes: u64,
    content: &mut dyn Content,
) -> Result<Vec<u8>, Fault> {
    let file = read_whole(path.as_str(), bytes, content)?;
    let found = Digest::of(&file);
    if found == wanted {
        Ok(file)
    } else {
        Err(Fault::Tampered { path: path.to_string(), wanted, found })
    }
}

/// Reads a file of `bytes` bytes; the caller has checked the size limit.
pub(super) fn read_whole(
    name: &str,
    bytes: u64,
    content: &mut dyn Content,
) -> Result<Vec<u8>, Fault> {
    let mut file = Vec::with_capacity(
        usize::try_from(bytes).map_err(|error| Fault::Io(io::Error::other(error)))?,
    );
    content.take(bytes).read_to_end(&mut file).map_err(Fault::Io)?;
    if (file.len() as u64) < bytes {
        Err(Fault::Truncated { name: name.to_owned() })
    } else {
        Ok(file)
    }
}

/// Why a bundle could not be read, and where.
#[derive(Debug, thiserror::Error)]
#[error("{fault}{}", At(*offset))]
pub struct ReadError {
    /// The reason.
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
    #[error("it is compressed with {program}: decompress it first")]
    Compressed { program: &'static str },
    #[error(
        "the header field `{field}` of an entry is not what this program writes: is this an \
         archive?"
    )]
    NoHeader { field: &'static str },
    #[error("`{}` {form}", name.escape_debug())]
    Form { name: String, form: Form },
    #[error(transparent)]
    Io(io::Error),
    /// Copying the files elsewhere failed; the bundle itself is not at fault.
    #[error("cannot copy `{path}`: {error}")]
    Sink { path: String, error: io::Error },
}

/// How a file, or the end of an archive, deviates from the form that this program writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Form {
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
