//! Joins parts into the original file.

use std::io::Write as _;

use camino::Utf8Path;

use super::set::{BUFFER_BYTES, BadPart, OpenPart, PartSet, PartsError};
use crate::fsio::{AtomicFile, Durability, MODE_PUBLIC};
use crate::hashing;

/// Joins the parts into a new file at `path`, which must not exist. The file appears complete and
/// checked, or not at all.
///
/// `progress` receives the number of bytes of each read.
///
/// # Errors
///
/// When parts are bad, in which case the error names every bad part; when the joined file differs
/// from the index; or when `path` exists or cannot be written.
pub fn join(
    set: &PartSet,
    path: &Utf8Path,
    progress: &mut dyn FnMut(u64),
) -> Result<(), PartsError> {
    let mut out = AtomicFile::create(path, MODE_PUBLIC, Durability::Synced)?;
    let mut whole = hashing::start(set.index().bytes());
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut bad: Vec<BadPart> = Vec::new();

    for (part, file) in set.files() {
        let mut open = match OpenPart::open(part, file) {
            Ok(open) => open,
            Err(fault) => {
                bad.push(fault);
                continue;
            }
        };
        loop {
            match open.read(&mut buffer) {
                Ok(0) => break,
                // After a bad part, the remaining ones are only checked.
                Ok(read) if bad.is_empty() => {
                    out.write_all(&buffer[..read])?;
                    whole.update(&buffer[..read]);
                    progress(read as u64);
                }
                Ok(read) => progress(read as u64),
                Err(fault) => {
                    bad.push(fault);
                    break;
                }
            }
        }
    }

    set.verdict(bad)?;
    if whole.finish() != set.index().digest() {
        return Err(PartsError::Whole { name: set.index().name().to_owned() });
    }
    Ok(out.commit_new()?)
}
