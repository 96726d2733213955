//! Writes an archive, in one pass and with bounded memory.

use std::io::{self, Read, Write};

use crate::archive::header::{BLOCK_BYTES, ZERO, encode};
use crate::bundle::layout::{ATTESTATION, SUMS};
use crate::bundle::limits::{ATTESTATION_BYTES_MAX, LimitExceeded, check_size};
use crate::bundle::read::{Fault, Files, Medium, ReadError};

/// Large enough that system calls cost little beside SHA-256.
const BUFFER_BYTES: usize = 128 << 10;

/// Why an archive was not written; what came out so far is not one.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error(transparent)]
    Limit(#[from] LimitExceeded),
    /// The bundle that was to be archived is not whole.
    #[error(transparent)]
    Source(ReadError),
    #[error("the archive could not be written: {0}")]
    Output(io::Error),
}

/// Writes the archive of `files` to `out`, and returns its size in bytes. A file is best wrapped in a `BufWriter`.
///
/// Each file is hashed as it passes, and compared with `SHA256SUMS`: an archive that was written to its end is good.
///
/// # Errors
///
/// When the attestation is too large, a file is not what `SHA256SUMS` says or cannot be read, or `out` fails.
pub fn write<M: Medium>(
    mut out: impl Write,
    attestation: Option<&[u8]>,
    files: Files<M>,
) -> Result<u64, WriteError> {
    let mut total = 0;
    let mut buffer = vec![0; BUFFER_BYTES];
    let sums = files.sums().encode();
    if let Some(bytes) = attestation {
        check_size(ATTESTATION, bytes.len() as u64, ATTESTATION_BYTES_MAX)?;
    }
    for (name, bytes) in [(ATTESTATION, attestation), (SUMS, Some(sums.as_bytes()))] {
        if let Some(mut bytes) = bytes {
            let size = bytes.len() as u64;
            total += write_file(&mut out, name, size, &mut bytes, &mut buffer).map_err(WriteError::Output)?;
        }
    }
    let written = files.each(&mut |entry, reader| {
        total += write_file(&mut out, entry.path.as_str(), entry.bytes, reader, &mut buffer)?;
        Ok(())
    });
    written.map_err(|error| match error {
        ReadError { fault: Fault::Sink { error, .. }, .. } => WriteError::Output(error),
        error => WriteError::Source(error),
    })?;
    out.write_all(&ZERO)
        .and_then(|()| out.write_all(&ZERO))
        .and_then(|()| out.flush())
        .map_err(WriteError::Output)?;
    Ok(total + 2 * BLOCK_BYTES as u64)
}

/// Writes header, content and padding of a file, and returns how many bytes they are.
///
/// A content that ends early is left short: whoever reads it for `write` notices, and discards the archive.
fn write_file(
    out: &mut impl Write,
    name: &str,
    bytes: u64,
    content: &mut dyn Read,
    buffer: &mut [u8],
) -> io::Result<u64> {
    out.write_all(&encode(name, bytes))?;
    loop {
        match content.read(buffer) {
            Ok(0) => break,
            Ok(read) => out.write_all(&buffer[..read])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let padding = padding_after(bytes);
    out.write_all(&ZERO[..padding])?;
    Ok(BLOCK_BYTES as u64 + bytes + padding as u64)
}

/// Returns how many zero bytes fill the last block of a content.
pub(super) fn padding_after(bytes: u64) -> usize {
    let used = bytes % BLOCK_BYTES as u64;
    usize::try_from((BLOCK_BYTES as u64 - used) % BLOCK_BYTES as u64).expect("less than a block")
}
