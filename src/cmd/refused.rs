//! A bundle that is not trusted, as people and programs are told: the code, the keys, and what to
//! do.

use std::fmt::Display;

use camino::Utf8Path;
use serde::Serialize;

use super::failure::{Failure, FailureKind};
use super::refusal_codes;
use crate::bundle::open::InvalidBundle;
use crate::bundle::read::{Fault, ReadError};
use crate::model::text::Label;
use crate::store::StoreError;
use crate::trust::refusal::{ExpectedKey, FoundKey, Refusal, code_of, code_of_content};
use crate::trust::verify::VerifyError;

/// A refusal, as data.
#[derive(Debug, Serialize)]
pub struct Refused {
    pub code: &'static str,
    /// The signatures of the attestation, as far as it was read.
    pub found: Vec<FoundKey>,
    /// The keys that could have counted.
    pub expected: Vec<ExpectedKey>,
    /// Whether the keys explain the refusal to people.
    #[serde(skip)]
    is_about_keys: bool,
}

impl Refused {
    fn without_keys(code: &'static str) -> Self {
        Self { code, found: Vec::new(), expected: Vec::new(), is_about_keys: false }
    }

    /// Returns a line for each key, if the keys are why.
    pub fn lines(&self) -> Vec<String> {
        if !self.is_about_keys {
            return Vec::new();
        }
        let holder =
            |holder: Option<&str>| holder.map(|name| format!(" of {name}")).unwrap_or_default();
        let found = self.found.iter().map(|key| {
            let holder = holder(key.holder.as_ref().map(Label::as_str));
            format!("found: the key {}{holder}, which {}", key.keyid, key.standing)
        });
        let expected = self.expected.iter().map(|key| {
            format!(
                "expected: the key {}{}",
                key.keyid,
                holder(key.holder.as_ref().map(Label::as_str))
            )
        });
        let none = !self.found.is_empty() && self.expected.is_empty();
        let none = none.then(|| "expected: no key counts now".to_owned());
        found.chain(expected).chain(none).collect()
    }
}

/// Makes the failure of something that is not trusted. Nothing else does, so each of them has a
/// code.
pub(super) fn untrusted(code: &'static str, why: impl Display) -> Failure {
    debug_assert!(remedy(code).is_some(), "{code} is no code");
    failure(format!("{code}: {why}"), Refused::without_keys(code))
}

/// Says that images are wanted and not there: an answer about a bundle that is trusted.
pub(super) fn images_missing(message: impl Into<String>) -> Failure {
    let refused = Some(Box::new(Refused::without_keys("IMAGES_MISSING")));
    Failure { refused, ..Failure::differs(message.into()) }
}

fn failure(message: String, refused: Refused) -> Failure {
    let refused = Some(Box::new(refused));
    Failure { kind: FailureKind::Untrusted, refused, ..Failure::input(message) }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::from(&refusal)
    }
}

impl From<&Refusal> for Failure {
    fn from(refusal: &Refusal) -> Self {
        let Refusal { reason, found, expected } = refusal;
        let code = reason.code();
        let refused = Refused {
            code,
            found: found.clone(),
            expected: expected.clone(),
            is_about_keys: reason.is_about_keys(),
        };
        let failure = failure(refusal.to_string(), refused);
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

/// Returns the failure of a bundle at `path` whose digests are right, and whose content this
/// program does not make.
pub(super) fn contradiction(path: &Utf8Path, error: &InvalidBundle) -> Failure {
    untrusted(code_of_content(error), error)
        .hint(format!("`{path}` was not made by this program, or was altered"))
}

/// The code of an entry of the store that is not what it was; none if it is the disk or the
/// question that is wrong.
pub(super) fn code_of_entry(error: &StoreError) -> Option<&'static str> {
    match error {
        StoreError::Read { error, .. } if !matches!(error.fault, Fault::Io(_)) => {
            Some(code_of(&error.fault))
        }
        _ => None,
    }
}

/// Nothing is known of a bundle that was not read to its end: a trouble of this machine, with a
/// code all the same.
pub(super) fn unread(failure: Failure) -> Failure {
    let code = "UNREADABLE";
    let refused = Some(Box::new(Refused::without_keys(code)));
    remedy(code).into_iter().fold(Failure { refused, ..failure }, Failure::hint)
}

fn remedy(code: &str) -> Option<&'static str> {
    refusal_codes::find(code).map(|known| known.remedy)
}
