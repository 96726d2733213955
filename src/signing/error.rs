//! The reasons why a bundle is not signed, with their remedies.

use camino::Utf8PathBuf;

use crate::bundle::layout::ATTESTATION;
use crate::failure::Failure;
use crate::failure::refused::untrusted;
use crate::model::digest::Digest;
use crate::model::timestamp::Timestamp;
use crate::trust::envelope::{Full, InvalidEnvelope};
use crate::trust::key::KeyId;
use crate::trust::sign::Unfit;
use crate::trust::statement::InvalidStatement;
use crate::trust::verify::VerifyError;

/// The remedy for a statement or signatures that stand in the way.
const RESEAL: &str = "to make a new statement and discard the signatures, use `sign --reseal`";

/// A statement that cannot be signed or written.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    #[error("the payload was not written by `sign --payload`")]
    NotAPayload,
    #[error("the new serial {new} is not above the existing one, {existing}")]
    SerialNotAbove { new: u64, existing: u64 },
    #[error("the bundle's statement {0}; adding a signature does not change it")]
    Contradicts(StatedTerm),
    #[error(transparent)]
    Full(#[from] Full),
    #[error("the signature is not valid for this statement and key {0}")]
    BadSignature(KeyId),
    #[error("`{ATTESTATION}` was replaced concurrently")]
    Replaced,
    #[error("`{path}` was signed, but its attestation is not valid: {why}")]
    WrittenInvalid { path: Utf8PathBuf, why: WrittenFault },
}

/// A term of the existing statement that the given terms contradict, as the end of a sentence about
/// it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatedTerm {
    #[error("has the serial {0}")]
    Serial(u64),
    #[error("was issued at {0}")]
    Issued(Timestamp),
    #[error("expires at {0}")]
    Expires(Timestamp),
    #[error("has no expiry of its own")]
    NoExpiry,
    #[error("is for {0}")]
    Sites(String),
}

/// Why an attestation that was just written is not valid.
#[derive(Debug, thiserror::Error)]
pub enum WrittenFault {
    #[error("{0}")]
    Refused(Box<VerifyError>),
    #[error("it has a different statement")]
    OtherStatement,
    #[error(transparent)]
    Unreadable(#[from] InvalidEnvelope),
}

/// Why a file is not an attestation of a content.
#[derive(Debug, thiserror::Error)]
pub enum InvalidAttestation {
    #[error(transparent)]
    Envelope(#[from] InvalidEnvelope),
    #[error(transparent)]
    Statement(#[from] InvalidStatement),
    #[error("`{ATTESTATION}` is for another bundle: sha256:{0}")]
    OfAnother(Digest),
}

/// A bundle that cannot be signed in place.
#[derive(Debug, thiserror::Error)]
pub enum SigningTargetError {
    #[error("file or folder `{0}` does not exist")]
    Missing(Utf8PathBuf),
    #[error("`{0}` is an archive in parts, which cannot be signed in place")]
    InParts(Utf8PathBuf),
    #[error("`{0}` is neither a file nor a folder")]
    Special(Utf8PathBuf),
    #[error("`{0}` was replaced while being signed")]
    Replaced(Utf8PathBuf),
    #[error(
        "`{path}` is now another bundle: its content id was sha256:{wanted} and is sha256:{found}"
    )]
    OtherContent { path: Utf8PathBuf, wanted: Digest, found: Digest },
}

impl From<DraftError> for Failure {
    fn from(error: DraftError) -> Self {
        match error {
            DraftError::NotAPayload => {
                Self::input(error).hint("pass the exported file unchanged: --payload FILE")
            }
            DraftError::SerialNotAbove { existing, .. } => Self::input(error)
                .hint(format!("choose a higher serial: --serial {}", existing + 1)),
            DraftError::Contradicts(_) => {
                Self::input(error).hint("omit the terms to sign it as it is").hint(
                    "to make a new statement and discard the old signatures, use `sign --reseal`",
                )
            }
            DraftError::Full(full) => Self::input(full).hint(RESEAL),
            DraftError::BadSignature(_) => untrusted("BAD_SIGNATURE", error)
                .hint(
                    "sign exactly the bytes that `sign --payload` writes: openssl pkeyutl -sign \
                     -rawin -in FILE",
                )
                .hint("and pass the public half of the signing key"),
            DraftError::Replaced => Self::world(error)
                .hint("nothing was written: inspect the bundle, and run the command again"),
            DraftError::WrittenInvalid { .. } => Self::world(error)
                .hint("it was replaced concurrently, or the disk failed: inspect the bundle"),
        }
    }
}

impl From<SigningTargetError> for Failure {
    fn from(error: SigningTargetError) -> Self {
        match error {
            SigningTargetError::Missing(_) => {
                Self::input(error).hint("use `@NAME` for an entry of the store")
            }
            SigningTargetError::InParts(_) => {
                Self::input(error).hint("join the parts, or sign the bundle before it is split")
            }
            SigningTargetError::Special(_) => Self::input(error),
            SigningTargetError::Replaced(_) => {
                Self::world(error).hint("nothing was written: sign the new one")
            }
            SigningTargetError::OtherContent { .. } => untrusted("TAMPERED", error),
        }
    }
}

impl From<Unfit> for Failure {
    fn from(error: Unfit) -> Self {
        untrusted(error.code(), error)
    }
}
