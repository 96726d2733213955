//! The files of a key on another machine: the bytes to sign, and the signature.

use std::io;

use camino::Utf8Path;

use super::target::SigningTarget;
use crate::failure::Failure;
use crate::fsio::{self, Durability, MODE_PUBLIC};
use crate::trust::key::{SIGNATURE_BYTES, SignatureBytes};
use crate::trust::sign::parse_signature;

/// The size limits of a signature file and a payload file, both far above real sizes.
const SIGNATURE_FILE_BYTES_MAX: u64 = 1 << 10;
const PAYLOAD_BYTES_MAX: u64 = 64 << 10;

/// The first bytes of every payload.
const PAYLOAD_HEAD: &[u8] = b"DSSEv1 ";

/// Writes the bytes to sign. Replaces an existing file only if it is an earlier payload.
pub fn write_payload(place: &SigningTarget, path: &Utf8Path, bytes: &[u8]) -> Result<(), Failure> {
    let refuse = |why: &str| {
        Err(Failure::input(format!("`--payload {path}`: {why}")).hint("choose a new file"))
    };
    if place.holds(path) {
        return refuse("the path is inside the bundle, which may not have further files");
    }
    match fs_err::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
        Ok(metadata) if !metadata.is_file() => {
            return refuse("it exists, and is not a regular file");
        }
        Ok(_) => {
            let old = fsio::read_bounded(path, PAYLOAD_BYTES_MAX).unwrap_or_default();
            if !old.starts_with(PAYLOAD_HEAD) {
                return refuse("it exists, and was not written by `sign --payload`");
            }
        }
    }
    Ok(fsio::write_atomic(path, bytes, MODE_PUBLIC, Durability::Synced)?)
}

/// Reads the bytes to sign.
pub fn read_payload(path: &Utf8Path) -> Result<Vec<u8>, Failure> {
    Ok(fsio::read_bounded(path, PAYLOAD_BYTES_MAX)?)
}

/// Reads a raw signature, as OpenSSL writes it, or one in base64.
pub fn read_signature(path: &Utf8Path) -> Result<SignatureBytes, Failure> {
    let bytes = fsio::read_bounded(path, SIGNATURE_FILE_BYTES_MAX)?;
    parse_signature(&bytes).ok_or_else(|| {
        Failure::input(format!(
            "`{path}` is not a signature: expected {SIGNATURE_BYTES} bytes, raw or in base64"
        ))
        .hint("to create an Ed25519 signature: openssl pkeyutl -sign -rawin")
    })
}
