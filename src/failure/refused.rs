//! A failure with a refusal code: the keys that were found, the keys that could have counted, and
//! the remedy.

use std::error::Error;
use std::fmt::{self, Display, Formatter};

use camino::Utf8Path;
use serde::Serialize;

use super::{Failure, FailureKind};
use crate::bundle::compression::Compression;
use crate::bundle::fault::{Fault, ReadError};
use crate::bundle::open::InvalidBundle;
use crate::model::text::Label;
use crate::state_file::{RecordError, StateError};
use crate::store::StoreError;
use crate::trust::refusal::{ExpectedKey, FoundKey, Reason, Refusal, code_of, code_of_content};
use crate::trust::refusal_codes;
use crate::trust::verify::VerifyError;

/// The source of a failure that has a refusal code; its text is that of the cause.
#[derive(Debug, Serialize)]
pub struct Refused {
    pub code: &'static str,
    /// The signatures of the attestation, as far as it was read.
    pub found: Vec<FoundKey>,
    /// The keys that could have counted.
    pub expected: Vec<ExpectedKey>,
    /// Whether the keys explain the refusal to the user.
    #[serde(skip)]
    is_about_keys: bool,
    #[serde(skip)]
    why: Box<dyn Error + Send + Sync>,
}

impl Display for Refused {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        self.why.fmt(out)
    }
}

impl Error for Refused {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.why.source()
    }
}

impl Refused {
    /// Returns the refusal that caused a failure.
    pub fn of(failure: &Failure) -> Option<&Self> {
        failure.source.downcast_ref()
    }

    fn without_keys(code: &'static str, why: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let (found, expected) = (Vec::new(), Vec::new());
        Self { code, found, expected, is_about_keys: false, why: why.into() }
    }

    /// Returns a line for each key, if the keys are the reason.
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
        let none = none.then(|| "expected: no key is valid now".to_owned());
        found.chain(expected).chain(none).collect()
    }
}

/// Makes the failure of untrusted input. Only this module makes such failures, so each has a code.
pub fn untrusted(code: &'static str, why: impl Display) -> Failure {
    debug_assert!(remedy(code).is_some(), "{code} is not a code");
    failure(Refused::without_keys(code, format!("{code}: {why}")))
}

/// Makes the failure of a trusted bundle that lacks requested images.
pub fn images_missing(message: impl Into<String>) -> Failure {
    Failure::differs(Refused::without_keys("IMAGES_MISSING", message.into()))
}

fn failure(refused: Refused) -> Failure {
    Failure { kind: FailureKind::Untrusted, ..Failure::input(refused) }
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
            why: refusal.to_string().into(),
        };
        let hints = match &**reason {
            Reason::Unreadable(error) => hints_of(&error.fault),
            _ => remedy(code).map(str::to_owned).into_iter().collect(),
        };
        Self { hints, ..failure(refused) }
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
    /// Distinguishes faults of the bundle from faults of the disk.
    fn from(error: ReadError) -> Self {
        match error.fault {
            Fault::Io(error) => error.into(),
            Fault::Sink { .. } => Self::world(error),
            ref fault => {
                let (code, remedy) = (code_of(fault), remedy_of(fault));
                remedy.into_iter().fold(untrusted(code, error), Self::hint)
            }
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        if let Some(code) = code_of_entry(&error) {
            let remedy = error.remedy();
            return remedy.into_iter().fold(untrusted(code, error), Self::hint);
        }
        let hints = error.remedy().into_iter().map(str::to_owned).collect();
        let kind = match &error {
            StoreError::Name(_)
            | StoreError::NotFound { .. }
            | StoreError::Ambiguous { .. }
            | StoreError::Limit(_) => FailureKind::Input,
            _ => FailureKind::World,
        };
        Self { kind, hints, ..Self::world(error) }
    }
}

impl From<StateError> for Failure {
    fn from(error: StateError) -> Self {
        let remedy = error.remedy();
        remedy.into_iter().fold(Self::world(error), Self::hint)
    }
}

impl From<RecordError> for Failure {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::State(error) => error.into(),
            RecordError::Replay(replay) => Refusal::from(Reason::Replay(replay)).into(),
        }
    }
}

/// Makes a failure from a read error. If the bundle is at fault, it adds that `path` is not a
/// bundle, or not intact.
pub fn unreadable(path: &Utf8Path, error: ReadError) -> Failure {
    let is_compressed = matches!(error.fault, Fault::Compressed(_));
    let failure = Failure::from(error);
    if failure.kind != FailureKind::Untrusted || is_compressed {
        return failure;
    }
    failure.hint(format!("`{path}` is not a bundle, or was altered or truncated"))
}

/// Returns the failure of a bundle at `path` whose digests are right, but whose content this
/// program would not make.
pub fn contradiction(path: &Utf8Path, error: &InvalidBundle) -> Failure {
    untrusted(code_of_content(error), error)
        .hint(format!("`{path}` was not made by this program, or was altered"))
}

/// Returns the code of an altered entry of the store.
fn code_of_entry(error: &StoreError) -> Option<&'static str> {
    match error {
        StoreError::Read { error, .. } if !matches!(error.fault, Fault::Io(_)) => {
            Some(code_of(&error.fault))
        }
        _ => None,
    }
}

/// Adds a code to the failure of a bundle that was not read to its end, so that it could not be
/// checked.
pub fn unread(failure: Failure) -> Failure {
    let code = "UNREADABLE";
    let failure =
        Failure { source: Box::new(Refused::without_keys(code, failure.source)), ..failure };
    remedy(code).into_iter().fold(failure, Failure::hint)
}

/// Returns the remedies of a fault: its own, and that of its code unless its own says everything.
fn hints_of(fault: &Fault) -> Vec<String> {
    let of_code = match fault {
        Fault::Compressed(_) => None,
        _ => remedy(code_of(fault)).map(str::to_owned),
    };
    remedy_of(fault).into_iter().chain(of_code).collect()
}

/// Returns the remedy for a fault that has one of its own, beside that of its code.
fn remedy_of(fault: &Fault) -> Option<String> {
    match fault {
        Fault::ImagesInFolder { .. } => {
            Some("`relay-bundle pack --images all` writes an archive with images".to_owned())
        }
        Fault::Compressed(Compression { command, .. }) => {
            Some(format!("decompress it first: {command} FILE"))
        }
        _ => None,
    }
}

fn remedy(code: &str) -> Option<&'static str> {
    refusal_codes::find(code).map(|known| known.remedy)
}
