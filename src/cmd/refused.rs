//! A bundle that is not trusted, as people and programs are told: the code, the keys, and what to do.

use std::fmt::Display;

use camino::Utf8Path;
use serde::Serialize;

use super::failure::{Failure, FailureKind};
use crate::bundle::open::InvalidBundle;
use crate::bundle::read::{Fault, ReadError};
use crate::model::text::Label;
use crate::store::StoreError;
use crate::trust::refusal::{ExpectedKey, FoundKey, Refusal, code_of};
use crate::trust::verify::VerifyError;

/// What a person can do, by code. `docs/format/exit-codes.md` says more.
pub const REMEDIES: &[(&str, &str)] = &[
    ("UNSIGNED", "ask the builder for the signed bundle; `relay-bundle sign` signs one"),
    ("BAD_ATTESTATION", "copy the bundle again; if it is the same, ask the builder for it by another way"),
    (
        "BAD_SIGNATURE",
        "copy the bundle again; if it is the same, somebody altered it: keep it, and tell the builder",
    ),
    (
        "UNTRUSTED_KEY",
        "compare the keys below with those of the policy; never add a key that only the bundle names",
    ),
    ("REVOKED_KEY", "do not use the bundle; ask the builder for one that is signed by a key that counts"),
    ("RETIRED_KEY", "ask the builder to sign it with the key that came after"),
    (
        "KEY_NOT_VALID",
        "compare the validity of the key in the policy with when the bundle was issued, and with the clock (`date -u`)",
    ),
    (
        "BELOW_THRESHOLD",
        "get the missing signatures (`relay-bundle sign` adds one), or name the key in the grant if it was forgotten",
    ),
    (
        "WRONG_PAYLOAD_TYPE",
        "this is a signature of something else than a bundle: ask the builder for the bundle",
    ),
    ("BAD_STATEMENT", "the bundle may be of another version of relay-bundle: ask the builder which"),
    ("NO_GRANT", "it may be the wrong bundle; if not, the policy lacks a grant for it"),
    ("BELOW_MIN_SERIAL", "take a newer bundle; the policy rules this one out for good"),
    ("REVOKED_CONTENT", "do not use the bundle: the policy names its content as revoked"),
    ("WRONG_TARGET", "take the bundle that is for this site"),
    ("ISSUED_IN_FUTURE", "check this machine's clock (`date -u`), and that of the builder"),
    ("EXPIRED", "ask for a newer bundle, or for the same content sealed again; check the clock (`date -u`)"),
    (
        "ROLLBACK",
        "take a newer bundle; to go back on purpose, have the old content sealed again with a higher serial",
    ),
    ("EQUIVOCATION", "keep both bundles and ask the builder: one serial must not be given out twice"),
    (
        "CLOCK_BEHIND",
        "set this machine's clock; if a bundle from the future was recorded, see `relay-bundle state reset`",
    ),
    (
        "TAMPERED",
        "copy the bundle again; if it is the same, somebody altered it: keep it, and tell the builder",
    ),
    ("EXTRA_FILE", "remove what does not belong to the bundle, or copy the bundle again"),
    ("MISSING_FILE", "copy the bundle again, with all its files"),
    ("TRUNCATED", "the copy is not complete: copy it again, and compare sizes"),
    (
        "BAD_FORM",
        "it is no bundle, or not as this program writes it: copy it again; unpacking keeps modes with `tar -p`",
    ),
    ("BAD_SUMS", "ask the builder for the bundle: what was signed is no list of a bundle's files"),
    ("TOO_LARGE", "ask the builder: no bundle that this program makes is so large"),
    (
        "CONTENT_MISMATCH",
        "do not use the bundle: its signers signed what is no bundle of this program; tell them",
    ),
    ("UNREADABLE", "check the medium, and copy the bundle again"),
];

/// A refusal, as data.
#[derive(Debug, Serialize)]
pub struct Refused {
    pub code: &'static str,
    /// The signatures of the attestation, as far as it was read.
    pub found: Vec<FoundKey>,
    /// The keys that could have counted.
    pub expected: Vec<ExpectedKey>,
}

impl Refused {
    /// Returns a line for each key.
    pub fn lines(&self) -> Vec<String> {
        let holder = |holder: Option<&str>| holder.map(|name| format!(" of {name}")).unwrap_or_default();
        let found = self.found.iter().map(|key| {
            let holder = holder(key.holder.as_ref().map(Label::as_str));
            format!("found: the key {}{holder}, which {}", key.keyid, key.standing)
        });
        let expected = self.expected.iter().map(|key| {
            format!("expected: the key {}{}", key.keyid, holder(key.holder.as_ref().map(Label::as_str)))
        });
        let none = !self.found.is_empty() && self.expected.is_empty();
        let none = none.then(|| "expected: no key counts now".to_owned());
        found.chain(expected).chain(none).collect()
    }
}

/// Makes the failure of something that is not trusted. Nothing else does, so each of them has a code.
pub(super) fn untrusted(code: &'static str, why: impl Display) -> Failure {
    debug_assert!(remedy(code).is_some(), "{code} is no code");
    failure(format!("{code}: {why}"), Refused { code, found: Vec::new(), expected: Vec::new() })
}

fn failure(message: String, refused: Refused) -> Failure {
    let refused = Some(Box::new(refused));
    Failure { kind: FailureKind::Untrusted, refused, ..Failure::input(message) }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        let Refusal { reason, found, expected } = refusal;
        let code = reason.code();
        let failure = failure(message, Refused { code, found, expected });
        remedy(code).into_iter().fold(failure, Self::hint)
    }
}

impl From<VerifyError> for Failure {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Refused(refusal) => refusal.into(),
            VerifyError::Unread(ReadError { fault: Fault::Io(error), .. }) => unread(error.into()),
            VerifyError::Unread(error) => unread(Self::world(error)),
        }
    }
}

impl From<ReadError> for Failure {
    /// Tells what is wrong with a bundle from what is wrong with the disk.
    fn from(error: ReadError) -> Self {
        match error.fault {
            Fault::Io(error) => error.into(),
            Fault::Sink { .. } => Self::world(error),
            ref fault => untrusted(code_of(fault), error),
        }
    }
}

/// Says that what lies at `path` is no bundle, or not whole.
pub(super) fn unreadable(path: &Utf8Path, error: ReadError) -> Failure {
    let failure = Failure::from(error);
    if failure.kind != FailureKind::Untrusted {
        return failure;
    }
    failure.hint(format!("`{path}` is no bundle, or was altered or cut short"))
}

/// Says that the bundle at `path`, although its digests are right, is none of this program.
pub(super) fn contradiction(path: &Utf8Path, error: &InvalidBundle) -> Failure {
    untrusted("CONTENT_MISMATCH", error)
        .hint(format!("`{path}` was not made by this program, or was altered"))
}

/// The code of an entry of the store that is not what it was; none if it is the disk or the question that is wrong.
pub(super) fn code_of_entry(error: &StoreError) -> Option<&'static str> {
    match error {
        StoreError::Read { error, .. } if !matches!(error.fault, Fault::Io(_)) => Some(code_of(&error.fault)),
        _ => None,
    }
}

/// Nothing is known of a bundle that was not read to its end: a trouble of this machine, with a code all the same.
fn unread(failure: Failure) -> Failure {
    let code = "UNREADABLE";
    let refused = Some(Box::new(Refused { code, found: Vec::new(), expected: Vec::new() }));
    remedy(code).into_iter().fold(Failure { refused, ..failure }, Failure::hint)
}

fn remedy(code: &str) -> Option<&'static str> {
    REMEDIES.iter().find(|(known, _)| *known == code).map(|(_, remedy)| *remedy)
}
