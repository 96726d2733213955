//! Why a command did not do what was asked, and the exit code that says so.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;
use serde_json::Value;

use super::refused::{self, Refused};
use crate::fsio::ReadFileError;
use crate::fsio::guard::GuardError;
use crate::model::causes::with_causes;
use crate::ui::escape::{safe, safe_within};
use crate::ui::printer::{Printer, ReaderGone, Report};

/// The answer is no, or two things differ.
pub const DIFFERS: u8 = 1;
/// Your input is wrong: a profile, an argument.
pub const INPUT: u8 = 2;
/// Something is not trusted: altered, unsigned, signed by the wrong key.
pub const UNTRUSTED: u8 = 3;
/// The world said no: the disk, the cluster.
pub const WORLD: u8 = 4;
/// A signal asked to stop: 128 and the number of SIGINT, as a shell says it.
pub const INTERRUPTED: u8 = 130;
/// A bug of ours.
pub const BUG: u8 = 101;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The answer is no.
    Differs,
    Input,
    Untrusted,
    World,
    Interrupted,
    Bug,
}

impl FailureKind {
    /// Returns the exit code of such a failure.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Differs => DIFFERS,
            Self::Input => INPUT,
            Self::Untrusted => UNTRUSTED,
            Self::World => WORLD,
            Self::Interrupted => INTERRUPTED,
            Self::Bug => BUG,
        }
    }
}

/// What failed, why, and what to do.
#[derive(Debug)]
pub struct Failure {
    pub kind: FailureKind,
    pub source: Box<dyn Error + Send + Sync>,
    /// All that is in the way, one by one, where it is more than one thing.
    pub reasons: Vec<String>,
    pub hints: Vec<String>,
    /// What was found in a profile, as data, if that is why.
    pub diagnostics: Option<Value>,
    /// Why a bundle is not trusted, as data, if that is why.
    pub refused: Option<Box<Refused>>,
}

/// What a command returns.
pub type Outcome = Result<ExitCode, Failure>;

impl Failure {
    pub fn input(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            kind: FailureKind::Input,
            source: source.into(),
            reasons: Vec::new(),
            hints: Vec::new(),
            diagnostics: None,
            refused: None,
        }
    }

    /// The answer to a question is no.
    pub fn differs(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: FailureKind::Differs, ..Self::input(source) }
    }

    pub fn world(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: FailureKind::World, ..Self::input(source) }
    }

    /// A mistake of this program.
    pub fn bug(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: FailureKind::Bug, ..Self::input(source) }
    }

    /// Adds a thing that is in the way.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reasons.push(reason.into());
        self
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        let hint = hint.into();
        // Whoever passes a failure on may know the same way out.
        if !self.hints.contains(&hint) {
            self.hints.push(hint);
        }
        self
    }

    /// Returns whether the reader of our output went away: no failure.
    pub fn is_reader_gone(&self) -> bool {
        let mut cause: Option<&(dyn Error + 'static)> = Some(&*self.source);
        while let Some(error) = cause {
            let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            if inner.is_some_and(<dyn Error + Send + Sync>::is::<ReaderGone>) {
                return true;
            }
            cause = error.source();
        }
        false
    }

    /// Returns the message with its causes: `what: why: why`.
    pub fn message(&self) -> String {
        with_causes(&*self.source)
    }
}

/// A failure as data: what a command prints instead of its report.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ErrorReport<'a> {
    pub(super) error: String,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(super) reasons: &'a [String],
    pub(super) hints: &'a [String],
    pub(super) exit_code: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) diagnostics: Option<&'a Value>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(super) refused: Option<&'a Refused>,
}

impl Failure {
    /// Tells a person what failed, why, and what to do.
    pub(super) fn tell(&self, printer: &Printer) {
        // Parts of a message may come from a hostile bundle, and must not look like a line of this
        // program.
        let message = self.message();
        let message = match self.kind {
            FailureKind::Untrusted => safe(&message).into_owned(),
            _ => safe_within(&message),
        };
        printer.tell_lines(&format!("error: {message}"));
        for line in self.refused.iter().flat_map(|refused| refused.lines()) {
            printer.tell(&line);
        }
        for reason in &self.reasons {
            printer.tell(&format!("  {reason}"));
        }
        for hint in &self.hints {
            printer.tell(&format!("hint: {hint}"));
        }
    }

    pub(super) fn report(&self) -> ErrorReport<'_> {
        ErrorReport {
            error: self.message(),
            reasons: &self.reasons,
            hints: &self.hints,
            exit_code: self.kind.exit_code(),
            diagnostics: self.diagnostics.as_ref(),
            refused: self.refused.as_deref(),
        }
    }
}

impl Report for ErrorReport<'_> {
    const SCHEMA: &'static str = "error/v1";

    /// The text of a failure is talk, and goes to stderr.
    fn write_human(&self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        let hints = crate::fsio::remedy(&error).into_iter().map(str::to_owned).collect();
        Self { hints, ..Self::world(error) }
    }
}

impl From<GuardError> for Failure {
    /// Trouble of the disk is the world's; all else is a mistake in the command, or in how the file
    /// was put there.
    fn from(error: GuardError) -> Self {
        let remedy = error.remedy();
        match error {
            GuardError::Read(error) => error.into(),
            error => remedy.into_iter().fold(Self::input(error), Self::hint),
        }
    }
}

impl From<ReadFileError> for Failure {
    /// As above, of any file that the command names.
    fn from(error: ReadFileError) -> Self {
        match error {
            ReadFileError::Io(error) if error.kind() != io::ErrorKind::NotFound => error.into(),
            error => Self::input(error),
        }
    }
}

impl From<crate::store::StoreError> for Failure {
    fn from(error: crate::store::StoreError) -> Self {
        use crate::store::StoreError;
        if let Some(code) = refused::code_of_entry(&error) {
            let remedy = error.remedy();
            return remedy.into_iter().fold(refused::untrusted(code, error), Self::hint);
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

impl From<FailureKind> for ExitCode {
    fn from(kind: FailureKind) -> Self {
        Self::from(kind.exit_code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_output_has_a_reader_who_may_go() {
        let gone = io::Error::new(io::ErrorKind::BrokenPipe, ReaderGone);
        assert!(Failure::from(gone).is_reader_gone());

        // As a medium, a disk or a server may say.
        for broken in [
            io::Error::from(io::ErrorKind::BrokenPipe),
            io::Error::new(io::ErrorKind::BrokenPipe, "failed to write file `a`"),
        ] {
            assert!(!Failure::from(broken).is_reader_gone());
        }
    }
}
