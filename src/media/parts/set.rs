//! Locates the parts of a file, checks them, and reads them as one stream.

use std::fmt;
use std::fs::Metadata;
use std::io::{self, Read};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::index::{INDEX_BYTES_MAX, InvalidIndex, Part, PartsIndex, SUFFIX, is_part};
use crate::bundle::content::Hashing;
use crate::fsio::{ReadFileError, folder_of, metadata, open_named, read_bounded};
use crate::hashing;
use crate::model::digest::Digest;

/// Large enough that system calls cost little compared to SHA-256.
pub(super) const BUFFER_BYTES: usize = 256 << 10;

/// An index with the path of each part.
#[derive(Clone, Debug)]
pub struct PartSet {
    index: PartsIndex,
    files: Vec<(Part, Utf8PathBuf)>,
}

/// Why reading or joining a file in parts failed.
#[derive(Debug, thiserror::Error)]
pub enum PartsError {
    #[error("`{path}`: {invalid}")]
    Index { path: Utf8PathBuf, invalid: InvalidIndex },
    #[error(transparent)]
    IndexFile(#[from] ReadFileError),
    #[error("`{path}` is neither an index of parts, nor a part, nor a folder with one index")]
    NoIndex { path: Utf8PathBuf },
    #[error("`{path}` is not a part of `{name}`: its parts are named `{first}` and so on")]
    NotAPart { path: Utf8PathBuf, name: String, first: String },
    #[error("{}", BadParts(bad, *all))]
    Bad { bad: Vec<BadPart>, all: usize },
    #[error("every part matches the index, but `{name}` does not: the index was altered")]
    Whole { name: String },
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A part that differs from the index.
#[derive(Debug, thiserror::Error)]
#[error("`{path}` {fault}")]
pub struct BadPart {
    pub path: Utf8PathBuf,
    pub fault: PartFault,
}

/// The fault of a bad part.
#[derive(Debug, thiserror::Error)]
pub enum PartFault {
    #[error("is missing")]
    Missing,
    #[error("is not a regular file")]
    NotRegular,
    #[error("has {found} bytes instead of {wanted}")]
    Size { wanted: u64, found: u64 },
    #[error("was altered: the index lists {wanted}, its bytes have {found}")]
    Altered { wanted: Digest, found: Digest },
    #[error("cannot be read: {0}")]
    Io(io::Error),
}

struct BadParts<'a>(&'a [BadPart], usize);

impl fmt::Display for BadParts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.0.len() == 1 { "is" } else { "are" };
        write!(f, "{} of {} parts {verb} bad", self.0.len(), self.1)?;
        let mut before = ": ";
        for bad in self.0 {
            write!(f, "{before}{bad}")?;
            before = "; ";
        }
        Ok(())
    }
}

impl PartSet {
    /// Finds the index for `path`: the index itself, the one of a given part, or the only one in a
    /// folder.
    ///
    /// The parts are expected beside the index, and are not checked yet.
    ///
    /// # Errors
    ///
    /// When the index is missing or is not in its only valid encoding.
    pub fn find(path: &Utf8Path) -> Result<Self, PartsError> {
        let path = index_of(path)?;
        let bytes = read_bounded(&path, INDEX_BYTES_MAX)?;
        let index = PartsIndex::parse(&bytes)
            .map_err(|invalid| PartsError::Index { path: path.clone(), invalid })?;
        let folder = folder_of(&path);
        let place = |part: Part| {
            let file =
                if folder == "." { part.name.as_str().into() } else { folder.join(&part.name) };
            (part, file)
        };
        Ok(Self { files: index.parts().map(place).collect(), index })
    }

    /// Uses the part at `path` instead of the one beside the index; the file name selects the part.
    ///
    /// # Errors
    ///
    /// When the index lists no part with that name.
    pub fn replace(&mut self, path: &Utf8Path) -> Result<(), PartsError> {
        let Some(file) =
            self.files.iter_mut().find(|(part, _)| path.file_name() == Some(&part.name))
        else {
            let first = self.files.first().map(|(part, _)| part.name.clone()).unwrap_or_default();
            return Err(PartsError::NotAPart {
                path: path.to_owned(),
                name: self.index.name().to_owned(),
                first,
            });
        };
        path.clone_into(&mut file.1);
        Ok(())
    }

    /// Returns the index.
    pub fn index(&self) -> &PartsIndex {
        &self.index
    }

    /// Yields the parts and their paths.
    pub fn files(&self) -> impl ExactSizeIterator<Item = (&Part, &Utf8Path)> {
        self.files.iter().map(|(part, path)| (part, path.as_path()))
    }

    /// Returns the whole file as a stream, which ends with an error at the first bad part.
    pub fn read(&self) -> Parts {
        Parts { rest: self.files.clone().into_iter(), open: None }
    }

    /// Reads every part and reports all bad ones.
    ///
    /// # Errors
    ///
    /// [`PartsError::Bad`].
    pub fn check(&self) -> Result<(), PartsError> {
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut bad = Vec::new();
        for (part, path) in &self.files {
            let checked = OpenPart::open(part, path).and_then(|mut open| open.drain(&mut buffer));
            bad.extend(checked.err());
        }
        self.verdict(bad)
    }

    pub(super) fn verdict(&self, bad: Vec<BadPart>) -> Result<(), PartsError> {
        if bad.is_empty() { Ok(()) } else { Err(PartsError::Bad { bad, all: self.files.len() }) }
    }
}

fn index_of(path: &Utf8Path) -> Result<Utf8PathBuf, PartsError> {
    let no_index = || PartsError::NoIndex { path: path.to_owned() };
    let name = path.file_name().unwrap_or_default();
    if path.is_dir() {
        let mut found = Vec::new();
        for item in path.read_dir_utf8()? {
            let item = item?;
            found.extend(item.file_name().ends_with(SUFFIX).then(|| item.into_path()));
        }
        return if found.len() == 1 { Ok(found.remove(0)) } else { Err(no_index()) };
    }
    if name.ends_with(SUFFIX) {
        return Ok(path.to_owned());
    }
    let Some(file) = is_part(name) else {
        metadata(path)?;
        return Err(no_index());
    };
    Ok(path.with_file_name(format!("{file}{SUFFIX}")))
}

/// A file in parts as one stream; created by [`PartSet::read`].
///
/// An error about a part carries a [`BadPart`]. The bytes of a part are yielded before its digest
/// is checked, so the reader needs a check of its own.
pub struct Parts {
    rest: std::vec::IntoIter<(Part, Utf8PathBuf)>,
    open: Option<OpenPart>,
}

impl Read for Parts {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(open) = &mut self.open {
                match open
                    .read(buffer)
                    .map_err(|bad| io::Error::new(io::ErrorKind::InvalidData, bad))?
                {
                    0 if !buffer.is_empty() => self.open = None,
                    read => return Ok(read),
                }
            }
            let Some((part, path)) = self.rest.next() else { return Ok(0) };
            let open = OpenPart::open(&part, &path);
            self.open = Some(open.map_err(|bad| io::Error::new(io::ErrorKind::InvalidData, bad))?);
        }
    }
}

/// A part that is being read and hashed.
pub(super) struct OpenPart {
    file: fs::File,
    path: Utf8PathBuf,
    wanted: Digest,
    bytes: u64,
    left: u64,
    /// `None` once the digest of the part was checked.
    hashing: Option<Box<dyn Hashing>>,
}

impl OpenPart {
    pub(super) fn open(part: &Part, path: &Utf8Path) -> Result<Self, BadPart> {
        let bad = |fault| BadPart { path: path.to_owned(), fault };
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => bad(PartFault::Missing),
            _ => bad(PartFault::Io(error)),
        };
        let check = |metadata: &Metadata| match metadata.len() {
            _ if !metadata.is_file() => Err(bad(PartFault::NotRegular)),
            found if found != part.bytes => Err(bad(PartFault::Size { wanted: part.bytes, found })),
            _ => Ok(()),
        };
        let replaced =
            || bad(PartFault::Io(io::Error::other("it was replaced while being opened")));
        let (file, _) = open_named(path, failed, check)?.ok_or_else(replaced)?;
        Ok(Self {
            file,
            path: path.to_owned(),
            wanted: part.digest,
            bytes: part.bytes,
            left: part.bytes,
            hashing: Some(hashing::start(part.bytes)),
        })
    }

    fn drain(&mut self, buffer: &mut [u8]) -> Result<(), BadPart> {
        while self.read(buffer)? > 0 {}
        Ok(())
    }

    /// Reads more bytes; returns 0 at the end, which only a good part reaches.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, BadPart> {
        let bad = |path: &Utf8Path, fault| Err(BadPart { path: path.to_owned(), fault });
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = loop {
            match self.file.read(&mut buffer[..wanted]) {
                Ok(read) => break read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return bad(&self.path, PartFault::Io(error)),
            }
        };

        if let Some(hashing) = &mut self.hashing {
            hashing.update(&buffer[..read]);
        }
        self.left -= read as u64;
        if read == 0 && wanted > 0 {
            let found = self.bytes - self.left;
            return bad(&self.path, PartFault::Size { wanted: self.bytes, found });
        }

        if self.left == 0
            && let Some(hashing) = self.hashing.take()
        {
            let found = hashing.finish();
            if found != self.wanted {
                return bad(&self.path, PartFault::Altered { wanted: self.wanted, found });
            }
        }
        Ok(read)
    }
}
