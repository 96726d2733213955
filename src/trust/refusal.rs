//! Reasons for which a bundle is rejected: a stable code, a message, and the keys that were found
//! and expected.

use std::fmt;

use serde::Serialize;

use super::envelope::{InvalidEnvelope, PAYLOAD_TYPE};
use super::key::KeyId;
use super::sign::Difference;
use super::state::Replay;
use super::statement::{InvalidStatement, Predicate};
use crate::bundle::fault::{Fault, ReadError};
use crate::bundle::open::InvalidBundle;
use crate::model::digest::Digest;
use crate::model::text::Label;
use crate::model::timestamp::Timestamp;

/// The rejection of a bundle.
#[derive(Debug)]
pub struct Refusal {
    pub reason: Box<Reason>,
    /// The signatures in the order of the attestation.
    pub found: Vec<FoundKey>,
    /// The keys that could have counted.
    pub expected: Vec<ExpectedKey>,
}

/// A signature of the attestation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FoundKey {
    pub keyid: KeyId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holder: Option<Label>,
    pub standing: SignatureResult,
}

/// A key that could have counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExpectedKey {
    pub keyid: KeyId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holder: Option<Label>,
}

/// The result of checking one signature against the trust policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignatureResult {
    /// Good; the key counts.
    Counts,
    /// Names an untrusted key; not verified.
    Unknown,
    /// Names a trusted key that did not sign these bytes.
    Bad,
    /// Good, but the key is revoked.
    Revoked,
    /// Good, but the key is retired and counts only for content that is already deployed.
    Retired,
    /// Good, but the key has expired.
    Expired,
    /// Good, but the key is not yet valid.
    NotYetValid,
    /// Good, but the key was not valid when the bundle was issued.
    OutsideValidity,
    /// Good, but no grant for such a bundle lists the key.
    NotGranted,
}

impl fmt::Display for SignatureResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counts => "counts",
            Self::Unknown => "is not trusted",
            Self::Bad => "has an invalid signature",
            Self::Revoked => "is revoked",
            Self::Retired => "is retired",
            Self::Expired => "is no longer valid",
            Self::NotYetValid => "is not yet valid",
            Self::OutsideValidity => {
                "was not valid when the bundle was issued (`notBefore`, `notAfter`)"
            }
            Self::NotGranted => "is not in a grant for this bundle",
        })
    }
}

/// The reason for a rejection; one variant for each code.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    #[error("the bundle is not signed")]
    Unsigned,
    #[error(transparent)]
    BadAttestation(InvalidEnvelope),
    #[error("a signature does not match the key that it names: the attestation was altered")]
    BadSignature,
    #[error("the bundle is not signed by a trusted key")]
    UntrustedKey,
    #[error("the bundle is only signed by revoked keys")]
    RevokedKey,
    #[error("the bundle is only signed by retired keys, which are not accepted for new bundles")]
    RetiredKey,
    #[error(
        "the bundle is only signed by keys that are not valid now, or were not when it was issued"
    )]
    KeyNotValid,
    #[error("too few holders have signed: {signed} of {wanted}")]
    BelowThreshold { signed: usize, wanted: u32 },
    #[error("unsupported type `{found}` of the signed payload: expected `{PAYLOAD_TYPE}`")]
    WrongPayloadType { found: String },
    #[error(transparent)]
    BadStatement(InvalidStatement),
    #[error("the policy has no grant: every bundle is refused")]
    NothingGranted,
    #[error(
        "no grant covers bundle `{}` of profile `{}` for environment `{}` in namespace `{}`",
        .0.bundle, .0.profile, .0.environment, .0.namespace
    )]
    NoGrant(Box<Predicate>),
    #[error("its serial {serial} is below {min}, the minimum of the grant")]
    BelowMinSerial { serial: u64, min: u64 },
    #[error("the content sha256:{0} is revoked")]
    RevokedContent(Digest),
    #[error("the bundle is for {}, but this is `{site}`", sites.join(", "))]
    WrongTarget { site: String, sites: Vec<String> },
    #[error(
        "the bundle was issued on {issued}, more than a day in the future (now {now}): a clock is \
         wrong"
    )]
    IssuedInFuture { issued: Timestamp, now: Timestamp },
    #[error("the bundle expired on {expires} (now {now})")]
    Expired { expires: Timestamp, now: Timestamp },
    #[error(transparent)]
    Replay(Replay),
    #[error("`SHA256SUMS` is not the signed one: its digest should be {wanted}, but is {found}")]
    OtherContent { wanted: Digest, found: Digest },
    #[error(transparent)]
    Unreadable(ReadError),
    #[error("the content does not match the statement: {0}")]
    ContentMismatch(Mismatch),
}

/// A contradiction between the signed content and its statement, or within the content.
#[derive(Debug, thiserror::Error)]
pub enum Mismatch {
    #[error(transparent)]
    Bundle(#[from] InvalidBundle),
    #[error("its {} is `{}`, but `{}` was signed", .0.what, .0.found, .0.stated)]
    Statement(Difference),
}

impl From<Difference> for Mismatch {
    fn from(difference: Difference) -> Self {
        Self::Statement(difference)
    }
}

impl Reason {
    /// Returns whether the decision depends on keys. Only then do the found and expected keys
    /// explain the rejection.
    pub fn is_about_keys(&self) -> bool {
        matches!(
            self,
            Self::Unsigned
                | Self::BadAttestation(_)
                | Self::BadSignature
                | Self::UntrustedKey
                | Self::RevokedKey
                | Self::RetiredKey
                | Self::KeyNotValid
                | Self::BelowThreshold { .. }
                | Self::NothingGranted
                | Self::NoGrant(_)
        )
    }

    /// Returns the stable code for programs. `docs/format/exit-codes.md` lists all codes.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unsigned => "UNSIGNED",
            Self::BadAttestation(_) => "BAD_ATTESTATION",
            Self::BadSignature => "BAD_SIGNATURE",
            Self::UntrustedKey => "UNTRUSTED_KEY",
            Self::RevokedKey => "REVOKED_KEY",
            Self::RetiredKey => "RETIRED_KEY",
            Self::KeyNotValid => "KEY_NOT_VALID",
            Self::BelowThreshold { .. } => "BELOW_THRESHOLD",
            Self::WrongPayloadType { .. } => "WRONG_PAYLOAD_TYPE",
            Self::BadStatement(_) => "BAD_STATEMENT",
            Self::NothingGranted | Self::NoGrant(_) => "NO_GRANT",
            Self::BelowMinSerial { .. } => "BELOW_MIN_SERIAL",
            Self::RevokedContent(_) => "REVOKED_CONTENT",
            Self::WrongTarget { .. } => "WRONG_TARGET",
            Self::IssuedInFuture { .. } => "ISSUED_IN_FUTURE",
            Self::Expired { .. } => "EXPIRED",
            Self::Replay(Replay::Rollback { .. }) => "ROLLBACK",
            Self::Replay(Replay::Equivocation { .. }) => "EQUIVOCATION",
            Self::Replay(Replay::ClockBehind { .. }) => "CLOCK_BEHIND",
            Self::OtherContent { .. } => "TAMPERED",
            Self::ContentMismatch(Mismatch::Bundle(error)) => code_of_content(error),
            Self::ContentMismatch(Mismatch::Statement(_)) => "CONTENT_MISMATCH",
            Self::Unreadable(error) => code_of(&error.fault),
        }
    }
}

/// Returns the code for a fault in the bytes of a bundle; every reader of bundles uses it.
pub fn code_of(fault: &Fault) -> &'static str {
    match fault {
        Fault::Tampered { .. } | Fault::Size { .. } | Fault::OtherContent { .. } => "TAMPERED",
        Fault::Manifest { .. } => "CONTENT_MISMATCH",
        Fault::Extra { .. } | Fault::ImagesInFolder { .. } => "EXTRA_FILE",
        Fault::Missing { .. } => "MISSING_FILE",
        Fault::Truncated { .. } | Fault::Empty => "TRUNCATED",
        Fault::Form { .. } | Fault::NoHeader { .. } | Fault::Compressed(_) => "BAD_FORM",
        Fault::Sums(_) => "BAD_SUMS",
        Fault::Limit(_) => "TOO_LARGE",
        Fault::Io(_) | Fault::Sink { .. } => "UNREADABLE",
    }
}

/// Returns the code for invalid content in a bundle whose bytes are intact.
pub fn code_of_content(error: &InvalidBundle) -> &'static str {
    match error {
        InvalidBundle::Forbidden(_) | InvalidBundle::OwnMonitor { .. } => "FORBIDDEN_CONTENT",
        InvalidBundle::Limit(_) => "TOO_LARGE",
        InvalidBundle::Images(error) if error.exceeds_limit() => "TOO_LARGE",
        _ => "CONTENT_MISMATCH",
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason.code(), self.reason)
    }
}

impl std::error::Error for Refusal {}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self { reason: Box::new(reason), found: Vec::new(), expected: Vec::new() }
    }
}
