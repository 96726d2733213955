//! Parts to the file that they were.

use std::io::Write as _;

use camino::Utf8Path;

use super::set::{BUFFER_BYTES, BadPart, OpenPart, PartSet, PartsError};
use crate::fsio::{AtomicFile, Durability, MODE_PUBLIC};
use crate::hashing;

/// Puts the file that the parts make at `path`, where nothing may be yet: whole and checked, or not
/// at all.
///
/// `progress` is told how many bytes were read.
///
/// # Errors
///
/// When parts are bad, and then all bad ones are named; when the whole is not what the index says;
/// or when `path` is taken or cannot be written.
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
                // After a bad part the others are only checked.
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
