//! Reads an archive strictly, as a stream.
//!
//! Offsets in errors count from the start of the archive; the offset of a file is the first byte of
//! its header.

use std::io::{self, BufReader, Read};
use std::sync::Arc;

use fs_err::File;

use super::header::{Block, ZERO, decode};
use super::write::padding_after;
use crate::bundle::compression::Compression;
use crate::bundle::content::{Content, Hashing, Pending};
use crate::bundle::fault::{Fault, FormFault, ReadError};
use crate::bundle::layout::{ATTESTATION, SUMS};
use crate::bundle::limits::{ATTESTATION_BYTES_MAX, SUMS_BYTES_MAX, check_size};
use crate::bundle::medium::{Medium, SealedMedium, Unlisted};
use crate::bundle::read::Opening;
use crate::bundle::sums::Sums;
use crate::hashing::{Crew, FileContent, Stream};
use crate::model::safe_path::SafePath;

/// Opens the archive that `input` yields; it is read once and in order.
///
/// Wrap `input` in a `BufReader`, since headers are read one at a time. Regular files are faster
/// through [`open_file`].
///
/// # Errors
///
/// When `input` cannot be read or does not start like a bundle archive, or when the attestation is
/// too large.
pub fn open<R: Read>(input: R) -> Result<Opening<Archive<Stream<R>>>, ReadError> {
    of_content(Stream(input))
}

/// Opens an archive in a regular file, and hashes its large files on all cores.
///
/// # Errors
///
/// Same as [`open`].
pub fn open_file(file: File) -> Result<Opening<Archive<BufReader<FileContent>>>, ReadError> {
    of_content(BufReader::new(FileContent::new(file, Arc::new(Crew::default()))))
}

fn of_content<C: Content>(input: C) -> Result<Opening<Archive<C>>, ReadError> {
    Opening::new(Archive {
        input: CountingReader { input, read: 0 },
        header: None,
        file_at: 0,
        padding: 0,
        name: SUMS.to_owned(),
    })
}

/// A bundle archive, opened by [`open`] or [`open_file`].
#[derive(Debug)]
pub struct Archive<C> {
    input: CountingReader<C>,
    /// A header that was read ahead and belongs to the next file.
    header: Option<Block>,
    /// The offset of the current file's header.
    file_at: u64,
    /// The number of zero bytes after the current content.
    padding: usize,
    /// The current file, for error messages; initially `SHA256SUMS`, which must exist.
    name: String,
}

impl<C: Content> Archive<C> {
    /// Reads and returns the next header, or `None` at a zero block, which starts the end marker.
    fn next_header(&mut self) -> Result<Option<Block>, ReadError> {
        if let Some(block) = self.header.take() {
            return Ok(Some(block));
        }
        let mut padding = ZERO;
        self.read_exact(&mut padding[..self.padding.min(ZERO.len())])?;
        if padding != ZERO {
            return Err(self.form(FormFault::Padding).at(self.file_at));
        }
        self.padding = 0;
        self.file_at = self.input.read;
        let mut block = ZERO;
        self.read_exact(&mut block)?;
        Ok(if block == ZERO { None } else { Some(block) })
    }

    fn read_exact(&mut self, buffer: &mut [u8]) -> Result<(), ReadError> {
        let at = self.input.read;
        self.input.read_exact(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof if self.input.read == 0 => Fault::Empty.into(),
            io::ErrorKind::UnexpectedEof => Fault::Truncated { name: self.name.clone() }.at(at),
            _ => Fault::Io(error).at(at),
        })
    }

    fn no_sums(&self) -> ReadError {
        Fault::Missing { path: SUMS.to_owned() }.at(self.file_at)
    }

    fn form(&self, form: FormFault) -> Fault {
        Fault::Form { name: self.name.clone(), form }
    }

    /// Decodes a header and makes its file the current one; its content comes next.
    fn enter<'b>(&mut self, block: &'b Block) -> Result<(&'b str, u64), ReadError> {
        match decode(block) {
            Ok((name, bytes)) => {
                name.clone_into(&mut self.name);
                self.padding = padding_after(bytes);
                Ok((name, bytes))
            }
            Err(field) => {
                let compression = Compression::of_content(block).filter(|_| self.file_at == 0);
                if let Some(compression) = compression {
                    return Err(Fault::Compressed(compression).into());
                }
                let Some(name) = shown_name(block) else {
                    return Err(Fault::NoHeader { field }.at(self.file_at));
                };
                Err(Fault::Form { name: name.to_owned(), form: FormFault::Header { field } }
                    .at(self.file_at))
            }
        }
    }

    /// Checks that a second zero block follows the first, and that nothing follows the second.
    fn check_end(&mut self) -> Result<(), ReadError> {
        let mut second = ZERO;
        self.read_exact(&mut second)?;
        if second != ZERO {
            return Err(self.form(FormFault::EndBlocks).at(self.file_at));
        }
        let end = self.input.read;
        match self.input.read_exact(&mut [0]) {
            Ok(()) => Err(self.form(FormFault::TrailingData).at(end)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
            Err(error) => Err(Fault::Io(error).at(end)),
        }
    }

    fn read_small(&mut self, bytes: u64, limit: u64) -> Result<Vec<u8>, ReadError> {
        check_size(&self.name, bytes, limit)
            .map_err(|error| Fault::Limit(error).at(self.file_at))?;
        let mut content = Vec::with_capacity(usize::try_from(bytes).map_err(io::Error::other)?);
        (&mut self.input)
            .take(bytes)
            .read_to_end(&mut content)
            .map_err(|error| Fault::Io(error).at(self.file_at))?;
        if (content.len() as u64) < bytes {
            return Err(Fault::Truncated { name: self.name.clone() }.at(self.file_at));
        }
        Ok(content)
    }
}

impl<C: Content> SealedMedium for Archive<C> {
    fn read_attestation(&mut self) -> Result<Option<Vec<u8>>, ReadError> {
        let block = self.next_header()?.ok_or_else(|| self.no_sums())?;
        let (name, bytes) = self.enter(&block)?;
        if name == ATTESTATION {
            return self.read_small(bytes, ATTESTATION_BYTES_MAX).map(Some);
        }
        self.header = Some(block);
        Ok(None)
    }

    fn read_sums(&mut self) -> Result<Vec<u8>, ReadError> {
        let block = self.next_header()?.ok_or_else(|| self.no_sums())?;
        let (name, bytes) = self.enter(&block)?;
        if name == SUMS { self.read_small(bytes, SUMS_BYTES_MAX) } else { Err(self.no_sums()) }
    }
}

impl<C: Content> Medium for Archive<C> {
    fn open_file(
        &mut self,
        path: &SafePath,
        sums: &Sums,
    ) -> Result<(u64, &mut dyn Content), ReadError> {
        let missing = || Fault::Missing { path: path.to_string() };
        let Some(block) = self.next_header()? else { return Err(missing().at(self.file_at)) };
        let (name, bytes) = self.enter(&block)?;
        if name == path.as_str() {
            return Ok((bytes, &mut self.input));
        }
        // Paths are sorted: if a listed file comes too early, the wanted one is missing.
        let is_later = name > path.as_str() && sums.get(name).is_some();
        Err(if is_later { missing() } else { Fault::Extra { name: name.to_owned() } }
            .at(self.file_at))
    }

    fn next_file(&mut self) -> Result<Option<Unlisted<'_>>, ReadError> {
        let Some(block) = self.next_header()? else {
            self.check_end()?;
            return Ok(None);
        };
        let (name, bytes) = self.enter(&block)?;
        Ok(Some(Unlisted { name: name.to_owned(), bytes, content: &mut self.input }))
    }

    fn offset(&self) -> Option<u64> {
        Some(self.file_at)
    }
}

/// Returns the name in a malformed header if it looks like a path.
///
/// A user may pass a private key instead of an archive, and an error must not quote the start of a
/// text file. Text files contain no zero byte, so they have no such name.
fn shown_name(block: &Block) -> Option<&str> {
    let end = block.iter().position(|byte| *byte == 0).filter(|end| *end <= SafePath::BYTES_MAX)?;
    let name = std::str::from_utf8(&block[..end]).ok()?;
    let is_of_a_path = |byte: u8| byte.is_ascii_alphanumeric() || b"@-._/".contains(&byte);
    name.bytes().all(is_of_a_path).then_some(name)
}

/// Counts the bytes that were read or skipped.
#[derive(Debug)]
struct CountingReader<C> {
    input: C,
    read: u64,
}

impl<C: Content> Read for CountingReader<C> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.read += read as u64;
        Ok(read)
    }
}

impl<C: Content> Content for CountingReader<C> {
    fn skip(&mut self, bytes: u64) -> io::Result<u64> {
        let skipped = self.input.skip(bytes)?;
        self.read += skipped;
        Ok(skipped)
    }

    fn hash_beside(&mut self, bytes: u64) -> Option<Pending> {
        let pending = self.input.hash_beside(bytes)?;
        self.read += bytes;
        Some(pending)
    }

    fn hasher(&self, bytes: u64) -> Box<dyn Hashing> {
        self.input.hasher(bytes)
    }
}
