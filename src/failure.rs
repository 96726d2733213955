//! A failure as it is reported: what failed, why, and the remedy.

pub mod bug;
pub mod refused;

use std::error::Error;
use std::io;

use crate::fsio::ReadFileError;
use crate::fsio::guard::GuardError;
use crate::model::causes::with_causes;

/// The hint for a run whose plan no longer fits the cluster.
pub const PLAN_AGAIN: &str = "run the command again: it will plan from the current state";

/// The hint for resuming an interrupted run.
pub const AGAIN: &str = "run the same command again: it resumes where it stopped";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The result is negative, or two things differ.
    Differs,
    /// The input is wrong: a profile or an argument.
    Input,
    /// A bundle or a record is not trusted: altered, unsigned, or signed by the wrong key.
    Untrusted,
    /// The environment failed: the disk, a registry, or the cluster.
    World,
    /// A signal stopped the program.
    Interrupted,
    /// A bug of this program.
    Bug,
}

/// The error, its causes, and the remedies.
#[derive(Debug)]
pub struct Failure {
    pub kind: FailureKind,
    /// The error. Reports read more than its text from some types, such as [`refused::Refused`].
    pub source: Box<dyn Error + Send + Sync>,
    /// All obstacles, if there are several.
    pub reasons: Vec<String>,
    pub hints: Vec<String>,
}

impl Failure {
    pub fn input(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            kind: FailureKind::Input,
            source: source.into(),
            reasons: Vec::new(),
            hints: Vec::new(),
        }
    }

    /// Makes the failure of a negative result.
    pub fn differs(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: FailureKind::Differs, ..Self::input(source) }
    }

    pub fn world(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: FailureKind::World, ..Self::input(source) }
    }

    /// Makes the failure of a bug in this program.
    pub fn bug(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: FailureKind::Bug, ..Self::input(source) }
    }

    /// Adds an obstacle.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reasons.push(reason.into());
        self
    }

    /// Adds a remedy, unless it is there already.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        let hint = hint.into();
        if !self.hints.contains(&hint) {
            self.hints.push(hint);
        }
        self
    }

    /// Returns the message with its causes: `what: why: why`.
    pub fn message(&self) -> String {
        with_causes(&*self.source)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let hints = crate::fsio::remedy(&error).into_iter().map(str::to_owned).collect();
        Self { hints, ..Self::world(error) }
    }
}

impl From<GuardError> for Failure {
    /// Converts an I/O error to a failure of the environment, unless the file is missing. Every
    /// other error is a mistake in the command, or in how the file was created.
    fn from(error: GuardError) -> Self {
        let remedy = error.remedy();
        match error {
            GuardError::Read(error) => error.into(),
            error => remedy.into_iter().fold(Self::input(error), Self::hint),
        }
    }
}

impl From<ReadFileError> for Failure {
    /// As above, for any file that the command names. A missing file is a mistake in the command.
    fn from(error: ReadFileError) -> Self {
        match error {
            ReadFileError::Io(error) if error.kind() != io::ErrorKind::NotFound => error.into(),
            error => Self::input(error),
        }
    }
}
