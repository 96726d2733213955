//! Reads the data and the files that a kubeconfig names: keys, certificates, tokens.
//!
//! Their modes are not checked: kubectl does not either, and in a pod other users may read the
//! token.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use camino::Utf8Path;
use kube::config::Cluster;
use zeroize::Zeroizing;

use super::connect_error::ConnectError;
use crate::fsio::guard::{GuardError, read_secret};
use crate::fsio::{ReadFileError, open_regular};

/// The maximum size of a file that a kubeconfig names: a chain of certificates has about ten
/// thousand bytes.
pub(super) const NAMED_BYTES_MAX: u64 = 1 << 20;

/// Returns the content of the regular file at `path`, of at most `bytes_max` bytes.
///
/// # Errors
///
/// A text with the cause; the caller adds the path.
pub(super) fn read(path: &str, bytes_max: u64) -> Result<Zeroizing<Vec<u8>>, String> {
    let path = Utf8Path::new(path);
    let too_large = || format!("it exceeds {} MiB", bytes_max >> 20);
    let (file, claimed) = open_regular(path).map_err(|error| match error {
        ReadFileError::NotRegular { .. } => {
            "it is not a regular file: save its content to a file".to_owned()
        }
        ReadFileError::TooLarge { .. } => too_large(),
        ReadFileError::Io(error) => words(error),
    })?;
    if claimed > bytes_max {
        return Err(too_large());
    }
    // Files in /proc report a size of 0, and any file may grow while it is read.
    read_secret(path, file, bytes_max).map_err(|error| match error {
        GuardError::Read(ReadFileError::Io(error)) => words(error),
        _ => too_large(),
    })
}

/// Returns the system's message for an error, without the path.
fn words(error: io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it does not exist".to_owned(),
        _ => error.raw_os_error().map_or(error, io::Error::from_raw_os_error).to_string(),
    }
}

/// Returns the certificate-authority of a cluster, in PEM.
pub(super) fn authority(cluster: &Cluster) -> Result<Option<Zeroizing<Vec<u8>>>, ConnectError> {
    load(
        "certificate-authority",
        cluster.certificate_authority_data.as_deref(),
        cluster.certificate_authority.as_deref(),
    )
}

/// Reads data that a kubeconfig contains or refers to as a file; inline data takes precedence.
pub(super) fn load(
    what: &str,
    data: Option<&str>,
    path: Option<&str>,
) -> Result<Option<Zeroizing<Vec<u8>>>, ConnectError> {
    let loaded = match (data, path) {
        (Some(data), _) => STANDARD
            .decode(data)
            .map(Zeroizing::new)
            .map_err(|_| ConnectError::Kubeconfig(format!("its {what}-data is not base64"))),
        (None, Some(path)) => read(path, NAMED_BYTES_MAX).map_err(|error| {
            ConnectError::Kubeconfig(format!("its {what} `{path}` cannot be read: {error}"))
        }),
        (None, None) => return Ok(None),
    };
    loaded.map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_over_1_mib_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let read_of = |bytes: usize| {
            fs_err::write(&path, vec![b'a'; bytes]).unwrap();
            read(path.to_str().unwrap(), NAMED_BYTES_MAX).map(|read| read.len())
        };

        assert_eq!(read_of(1 << 20), Ok(1 << 20));
        assert_eq!(read_of((1 << 20) + 1).unwrap_err(), "it exceeds 1 MiB");
    }

    #[test]
    fn error_states_reason_without_path() {
        let folder = tempfile::tempdir().unwrap();
        let why = |name: &str| {
            let path = folder.path().join(name);
            read(path.to_str().unwrap(), NAMED_BYTES_MAX).unwrap_err()
        };

        assert_eq!(why("none"), "it does not exist");
        assert_eq!(why(""), "it is not a regular file: save its content to a file");
        assert_eq!(
            read("/dev/zero", NAMED_BYTES_MAX).unwrap_err(),
            "it is not a regular file: save its content to a file"
        );
    }
}
