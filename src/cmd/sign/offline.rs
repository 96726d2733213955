//! Signing with a key on another machine: the signed bytes and the signature travel as files.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use crate::bundle::open::Bundle;
use crate::failure::Failure;
use crate::fsio::{self, Durability, MODE_PUBLIC};
use crate::keyring::public_key::load_any_key;
use crate::signing::draft::{Discarded, Draft};
use crate::signing::releases::NewTerms;
use crate::signing::seen::SeenAttestation;
use crate::signing::target::SigningTarget;
use crate::trust::key::{PublicKey, SIGNATURE_BYTES, SignatureBytes};
use crate::trust::sign::parse_signature;

/// The size limits of a signature file and a payload file, both far above real sizes.
const SIGNATURE_FILE_BYTES_MAX: u64 = 1 << 10;
const PAYLOAD_BYTES_MAX: u64 = 64 << 10;

/// The first bytes of every payload.
const PAYLOAD_HEAD: &[u8] = b"DSSEv1 ";

/// The files of a key on another machine.
#[derive(Debug, clap::Args)]
pub(super) struct OfflineArgs {
    /// Write the bytes to sign, without changing the bundle; with --attach: the signed bytes
    #[arg(long, value_name = "FILE")]
    payload: Option<Utf8PathBuf>,
    /// Add a signature made on another machine: 64 bytes, or base64
    #[arg(long, value_name = "SIG", requires = "public_key")]
    attach: Option<Utf8PathBuf>,
    /// The public half of the signing key
    #[arg(long, value_name = "PEM", requires = "attach")]
    public_key: Option<Utf8PathBuf>,
}

impl OfflineArgs {
    /// Returns the file for the bytes to sign, unless they are signed already.
    pub(super) fn payload_to_write(&self) -> Option<&Utf8Path> {
        self.payload.as_deref().filter(|_| self.attach.is_none())
    }

    /// Returns the files of a signature made elsewhere, and of its public key.
    pub(super) fn attached(&self) -> Option<(&Utf8Path, &Utf8Path)> {
        self.attach.as_deref().zip(self.public_key.as_deref())
    }

    /// Returns the statement that was signed elsewhere, and the signatures that it discards. A
    /// statement that is not new must be that of the bundle.
    pub(super) fn draft(
        &self,
        bundle: &Bundle,
        seen: Option<SeenAttestation>,
        (is_new, terms): (bool, &NewTerms<'_>),
    ) -> Result<(Draft, Discarded), Failure> {
        let payload = self.payload.as_deref();
        let payload =
            payload.map(|path| fsio::read_bounded(path, PAYLOAD_BYTES_MAX)).transpose()?;
        match payload {
            Some(payload) if is_new => {
                let draft = Draft::of_payload(bundle, seen, &payload, terms)?;
                let discarded = draft.discards(terms.chosen)?;
                Ok((draft, discarded))
            }
            None if is_new => Err(Failure::input(
                "the signature is for a statement that the bundle does not have",
            )
            .hint("also pass the signed file: --payload FILE")),
            payload => {
                let draft = Draft::of(bundle, seen, terms)?;
                if payload.is_none_or(|payload| payload == draft.signed_bytes()) {
                    return Ok((draft, Discarded::default()));
                }
                Err(Failure::input("the payload is not the statement of the bundle")
                    .hint("write it again and sign that: relay-bundle sign BUNDLE --payload FILE")
                    .hint("or discard the statement of the bundle and its signatures: --reseal"))
            }
        }
    }
}

/// Adds the signature in a file. Returns its key, and whether the signature is new.
pub(super) fn attach(
    draft: &mut Draft,
    signature: &Utf8Path,
    public: &Utf8Path,
) -> Result<(PublicKey, bool), Failure> {
    let public = load_any_key(public)?;
    let is_new = draft.attach(&public, read_signature(signature)?)?;
    Ok((public, is_new))
}

/// Writes the bytes to sign. Replaces an existing file only if it is an earlier payload.
pub(super) fn write_payload(
    place: &SigningTarget,
    path: &Utf8Path,
    bytes: &[u8],
) -> Result<(), Failure> {
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

/// Reads a raw signature, as OpenSSL writes it, or one in base64.
fn read_signature(path: &Utf8Path) -> Result<SignatureBytes, Failure> {
    let bytes = fsio::read_bounded(path, SIGNATURE_FILE_BYTES_MAX)?;
    parse_signature(&bytes).ok_or_else(|| {
        Failure::input(format!(
            "`{path}` is not a signature: expected {SIGNATURE_BYTES} bytes, raw or in base64"
        ))
        .hint("to create an Ed25519 signature: openssl pkeyutl -sign -rawin")
    })
}
