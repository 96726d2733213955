//! Files that a kubeconfig names: keys, certificates, tokens.
//!
//! Their modes are not judged: kubectl does not, and in a pod others may read the token.

use std::io;

use camino::Utf8Path;
use zeroize::Zeroizing;

use crate::fsio::guard::read_secret;
use crate::fsio::open_for_reading;

/// The longest file that is read: a chain of certificates has some ten thousand bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Returns the bytes of the file at `path`, and never blocks on a pipe.
///
/// # Errors
///
/// Says in words why it cannot be read, or that it has more than a MiB.
pub(super) fn read(path: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    let path = Utf8Path::new(path);
    // The path is in the caller's words.
    let plain =
        |error: io::Error| error.raw_os_error().map_or(error, io::Error::from_raw_os_error).to_string();
    let file = open_for_reading(path).map_err(plain)?;
    read_secret(path, file, FILE_BYTES_MAX).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_above_a_mebibyte_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let read_of = |bytes: usize| {
            fs_err::write(&path, vec![b'a'; bytes]).unwrap();
            read(path.to_str().unwrap()).map(|read| read.len())
        };

        assert_eq!(read_of(1 << 20), Ok(1 << 20));
        assert!(read_of((1 << 20) + 1).unwrap_err().contains("has more than 1048576 bytes"));
    }
}
