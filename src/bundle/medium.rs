//! The storage of a bundle: an archive, a folder, or memory.

use super::content::Content;
use super::fault::ReadError;
use super::sums::Sums;
use crate::model::safe_path::SafePath;

/// The storage of a bundle. Used only through `Opening` and `Files` of [`crate::bundle::read`].
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
