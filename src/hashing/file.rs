//! Implements bundle contents for files and streams.

use std::io::{self, BufRead as _, BufReader, Read};
use std::sync::Arc;

use fs_err::File;
use fs_err::os::unix::fs::FileExt as _;

use super::aside::start;
use super::crew::Crew;
use super::sizes::CREW_BYTES_MIN;
use crate::bundle::content::{Content, Hashing, Pending};

/// A regular file that is read from the start; large parts of it are hashed by a [`Crew`].
#[derive(Debug)]
pub struct FileContent {
    file: Arc<File>,
    at: u64,
    crew: Arc<Crew>,
}

impl FileContent {
    /// Creates the content of a file, which must be a regular one.
    pub fn new(file: File, crew: Arc<Crew>) -> Self {
        Self { file: Arc::new(file), at: 0, crew }
    }
}

impl Read for FileContent {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Content for FileContent {
    fn skip(&mut self, bytes: u64) -> io::Result<u64> {
        let left = self.file.metadata()?.len().saturating_sub(self.at);
        let skipped = bytes.min(left);
        self.at += skipped;
        Ok(skipped)
    }

    fn hash_beside(&mut self, bytes: u64) -> Option<Pending> {
        if bytes < CREW_BYTES_MIN {
            return None;
        }
        let pending = self.crew.hash(Arc::clone(&self.file), self.at, bytes)?;
        self.at += bytes;
        Some(pending)
    }

    fn hasher(&self, bytes: u64) -> Box<dyn Hashing> {
        start(bytes)
    }
}

/// An archive is read header by header and has many small files, which the buffer serves.
impl Content for BufReader<FileContent> {
    fn skip(&mut self, bytes: u64) -> io::Result<u64> {
        let buffered = usize::try_from(bytes).unwrap_or(usize::MAX).min(self.buffer().len());
        self.consume(buffered);
        Ok(buffered as u64 + self.get_mut().skip(bytes - buffered as u64)?)
    }

    fn hash_beside(&mut self, bytes: u64) -> Option<Pending> {
        if bytes < CREW_BYTES_MIN {
            return None;
        }
        // The buffered bytes were read ahead: move the file offset back to the first unconsumed
        // one.
        let ahead = self.buffer().len();
        self.consume(ahead);
        let file = self.get_mut();
        file.at -= ahead as u64;
        file.hash_beside(bytes)
    }

    fn hasher(&self, bytes: u64) -> Box<dyn Hashing> {
        start(bytes)
    }
}

/// A stream that can be read only once and in order, such as a pipe.
#[derive(Debug)]
pub struct Stream<R>(pub R);

impl<R: Read> Read for Stream<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<R: Read> Content for Stream<R> {
    fn hasher(&self, bytes: u64) -> Box<dyn Hashing> {
        start(bytes)
    }
}
