//! A bundle that is not trusted, as people and programs are told: the code, the keys, and what to do.

use serde::Serialize;

use super::failure::{Failure, FailureKind};
use crate::bundle::read::{Fault, ReadError};
use crate::model::text::Label;
use crate::parts::PartsError;
use crate::trust::refusal::{ExpectedKey, FoundKey, Refusal};
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
    ("KEY_NOT_VALID", "check this machine's clock (`date -u`) and the validity of the key in the policy"),
    ("BELOW_THRESHOLD", "get the missing signatures: `relay-bundle sign` adds one to those that are there"),
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

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let code = refusal.reason.code();
        let refused = Refused { code, found: refusal.found.clone(), expected: refusal.expected.clone() };
        remedy(code).into_iter().fold(Self::untrusted(refusal), Self::hint).with(refused)
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

/// Parts that are not as their index says: the bundle could not be read to its end.
pub(super) fn bad_parts(bad: PartsError) -> Failure {
    let failure = Failure::from(bad);
    Failure { hints: failure.hints.clone(), ..told("TAMPERED", &failure) }
}

/// Gives a refusal of something that was no bundle from its beginning its code.
pub(super) fn coded(failure: Failure) -> Failure {
    if failure.kind != FailureKind::Untrusted {
        return failure;
    }
    told("BAD_FORM", &failure)
}

fn told(code: &'static str, failure: &Failure) -> Failure {
    let refused = Refused { code, found: Vec::new(), expected: Vec::new() };
    let told = Failure::untrusted(format!("{code}: {}", failure.message())).with(refused);
    remedy(code).into_iter().fold(told, Failure::hint)
}

/// Nothing is known of a bundle that was not read to its end: a trouble of this machine, with a code all the same.
fn unread(failure: Failure) -> Failure {
    let code = "UNREADABLE";
    let refused = Refused { code, found: Vec::new(), expected: Vec::new() };
    remedy(code).into_iter().fold(failure, Failure::hint).with(refused)
}

fn remedy(code: &str) -> Option<&'static str> {
    REMEDIES.iter().find(|(known, _)| *known == code).map(|(_, remedy)| *remedy)
}
