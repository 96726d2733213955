//! Reads a bundle from any medium: the attestation, then `SHA256SUMS`, the files that it lists, and
//! the images.
//!
//! The caller decides between the steps, and nothing is parsed before it asks for the files. Every
//! byte returned as good was hashed in the same pass and compared with `SHA256SUMS`.
//! [`crate::bundle::limits`] bounds the memory, regardless of the sizes that the medium declares.
//! `carried` reads the images, which only an archive has.

use std::io;

use super::budget::Budget;
use super::carried::Tail;
use super::content::{Content, read_whole};
use super::fault::{Fault, ReadError};
use super::files::BundleFiles;
use super::layout::FileKind;
use super::medium::{AnyMedium, Medium, SealedMedium};
use super::sums::{InvalidSums, Sums};
use crate::model::digest::Digest;
use crate::model::safe_path::SafePath;

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
