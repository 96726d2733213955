//! The problems of an output's settings.

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProblemSeverity {
    Error,
    Warning,
}

/// The kind of mistake that a problem reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProblemKind {
    /// The output lacks this property: Fluent Bit would exit.
    UnknownProperty,
    /// The same property in two spellings.
    DuplicateProperty,
    /// The bundle sets this property itself.
    Reserved,
    /// The plugin lists this property but refuses it.
    Unsupported,
    /// The image is older than the property.
    TooNew,
    WrongType,
    InvalidValue,
    /// A newline or another control character.
    ForbiddenCharacter,
    /// `${…}`, which Fluent Bit would expand.
    Variable,
    /// A credential in clear text; whether it is allowed depends on the environment.
    SecretLiteral,
    MissingProperty,
    /// Two settings that the plugin refuses together.
    Conflict,
    /// librdkafka does not list it: it would skip it and log a line.
    UnknownToLibrdkafka,
    /// The image may be older than the property.
    MaybeTooNew,
    /// Accepted and ignored.
    NoEffect,
    /// It works until it loses records or trusts the wrong peer.
    Risky,
}

impl ProblemKind {
    pub fn severity(self) -> ProblemSeverity {
        match self {
            Self::UnknownToLibrdkafka | Self::MaybeTooNew | Self::NoEffect | Self::Risky => {
                ProblemSeverity::Warning
            }
            _ => ProblemSeverity::Error,
        }
    }
}

/// One finding about the settings of an output. Its texts never repeat a value that may be a
/// credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The property as written in the profile, or the name of a missing one.
    pub key: String,
    pub kind: ProblemKind,
    /// A fragment in lower case.
    pub message: String,
    pub help: String,
}

impl Problem {
    pub(super) fn new(
        key: impl Into<String>,
        kind: ProblemKind,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self { key: key.into(), kind, message: message.into(), help: help.into() }
    }

    pub fn severity(&self) -> ProblemSeverity {
        self.kind.severity()
    }
}
