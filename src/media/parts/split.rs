//! Splits a file into parts and writes their index.

use std::io::{self, Read as _, Write as _};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::index::{InvalidIndex, PartsIndex, SUFFIX, count, part_name};
use super::set::BUFFER_BYTES;
use crate::bundle::content::Hashing;
use crate::fsio::{self, AtomicFile, Durability, MODE_PUBLIC, ReadFileError, is_there};
use crate::hashing;
use crate::model::digest::Digest;

/// Why splitting a file failed; no parts are left behind.
#[derive(Debug, thiserror::Error)]
pub enum SplitError {
    #[error("`{path}` cannot be split: {invalid}")]
    Invalid { path: Utf8PathBuf, invalid: InvalidIndex },
    #[error(transparent)]
    File(#[from] ReadFileError),
    #[error("`{path}` already exists")]
    InTheWay { path: Utf8PathBuf },
    #[error("`{path}` became shorter while being read")]
    Shrank { path: Utf8PathBuf },
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Splits the file at `path` into parts of `part_bytes` in `folder`, and writes their index beside
/// them last.
///
/// `progress` receives the number of bytes of each read. Returns the index and its path.
///
/// # Errors
///
/// When the file cannot be read or cannot be split this way; when a part or the index exists
/// already; or when one cannot be written.
pub fn split(
    path: &Utf8Path,
    part_bytes: u64,
    folder: &Utf8Path,
    progress: &mut dyn FnMut(u64),
) -> Result<(PartsIndex, Utf8PathBuf), SplitError> {
    let invalid = |invalid| SplitError::Invalid { path: path.to_owned(), invalid };
    let (file, bytes) = fsio::open_regular(path)?;
    let name = path.file_name().unwrap_or_default();
    let parts = usize::try_from(count(name, bytes, part_bytes).map_err(invalid)?)
        .map_err(io::Error::other)?;

    let place = |name: &str| if folder == "." { name.into() } else { folder.join(name) };
    let index_path = place(&format!("{name}{SUFFIX}"));
    let paths: Vec<_> = (0..parts).map(|part| place(&part_name(name, part, parts))).collect();
    for path in paths.iter().chain([&index_path]) {
        if is_there(path)? {
            return Err(SplitError::InTheWay { path: path.clone() });
        }
    }

    let mut source = SplitSource { file, path, whole: hashing::start(bytes), progress };
    let mut written = WrittenParts(Vec::new());
    let mut digests = Vec::with_capacity(parts);
    for (number, part) in paths.into_iter().enumerate() {
        let before = number as u64 * part_bytes;
        digests.push(source.copy(&part, part_bytes.min(bytes - before))?);
        written.0.push(part);
    }

    let index = PartsIndex::new(name, bytes, part_bytes, source.whole.finish(), digests)
        .map_err(invalid)?;
    fsio::create_new(&index_path, index.encode().as_bytes(), MODE_PUBLIC, Durability::Synced)?;
    written.0.clear();
    Ok((index, index_path))
}

/// Parts that are removed on drop: this process wrote them, and no index lists them yet.
struct WrittenParts(Vec<Utf8PathBuf>);

impl Drop for WrittenParts {
    fn drop(&mut self) {
        for path in &self.0 {
            // The error that is about to be reported matters more.
            fs::remove_file(path).ok();
        }
    }
}

struct SplitSource<'a> {
    file: fs::File,
    path: &'a Utf8Path,
    whole: Box<dyn Hashing>,
    progress: &'a mut dyn FnMut(u64),
}

impl SplitSource<'_> {
    /// Copies the next bytes to a part, and returns the digest of the part.
    fn copy(&mut self, part: &Utf8Path, bytes: u64) -> Result<Digest, SplitError> {
        let mut out = AtomicFile::create(part, MODE_PUBLIC, Durability::Synced)?;
        let mut hashing = hashing::start(bytes);
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut left = bytes;
        while left > 0 {
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            match self.file.read(&mut buffer[..wanted]) {
                Ok(0) => return Err(SplitError::Shrank { path: self.path.to_owned() }),
                Ok(read) => {
                    let bytes = &buffer[..read];
                    out.write_all(bytes)?;
                    hashing.update(bytes);
                    self.whole.update(bytes);
                    (self.progress)(read as u64);
                    left -= read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        out.commit_new()?;
        Ok(hashing.finish())
    }
}
