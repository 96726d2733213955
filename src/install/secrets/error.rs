//! The reasons why Secrets are not created, with their remedies.

use std::fmt;

use camino::Utf8PathBuf;

use super::encryption_key_error::RESTORE;
use crate::age_file::SealedPlace;
use crate::bundle::index::Source;
use crate::failure::Failure;
use crate::failure::refused::untrusted;
use crate::sealed::{FrameError, OpenError};

/// Secrets that cannot be planned or written.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    #[error("{first}")]
    Mismatched { first: Box<MismatchedFile>, others: Vec<MismatchedFile> },
    #[error("the private keys of --identity do not open all sealed secrets of the bundle")]
    Unopened(Vec<UnopenedFile>),
    #[error(
        "no private key for sealed secrets that are new in the cluster: {}",
        .files.join(", ")
    )]
    NoIdentity { files: Vec<String> },
    #[error(
        "Secret/{secret}: the key `{key}`, for {}, is missing, and is not {} either",
        .users.join(", "), makes(*origin)
    )]
    MissingKey { secret: String, key: String, users: Vec<String>, origin: Source },
    #[error("Secret/{secret} is immutable, but the bundle requests different values")]
    Immutable { secret: String },
    #[error("the bundle requests new values in place of generated ones; none was generated")]
    Regenerated { values: Vec<String> },
    #[error(
        "generated values in use are missing; nothing was changed: running pods keep the old \
         values, but new pods would get different ones"
    )]
    Lost { values: Vec<String> },
    #[error(
        "Secret/{secret}: the value of `{key}` is generation {live}, but the bundle requests \
         generation {generation}: old values are not restored"
    )]
    OlderGeneration { secret: String, key: String, generation: i64, live: i64 },
    /// Two failures that the operator would otherwise meet one after the other.
    #[error("the secrets cannot be created")]
    Several,
    #[error("Secret/{secret} was changed by another client during this run")]
    Changed { secret: String },
    #[error(
        "Secret/{secret} was created or changed by another client during this run: it does not \
         have the generated values"
    )]
    Overtaken { secret: String, copy: Option<UnusedCopy> },
    #[error("another client keeps changing the Secrets of sealed values")]
    KeepChanging,
    #[error("Secret/{secret} was deleted by another client during the rollout: {now}")]
    Deleted { secret: String, now: DeletedSecret },
}

/// A sealed file that does not match the bundle.
#[derive(Debug)]
pub struct MismatchedFile {
    pub path: String,
    pub place: SealedPlace,
    pub why: OpenError,
}

impl fmt::Display for MismatchedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, place, why } = self;
        match why {
            // It names its own place.
            OpenError::Frame(FrameError::Misplaced(_)) => write!(f, "{path}: {why}"),
            _ => write!(f, "{path}, for {place}: {why}"),
        }
    }
}

/// A sealed file that no given key opens.
#[derive(Debug)]
pub struct UnopenedFile {
    pub path: String,
    pub place: SealedPlace,
    /// Empty if the file does not list them.
    pub recipients: Vec<String>,
}

impl fmt::Display for UnopenedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, place, recipients } = self;
        write!(f, "{path}, for {place}: {}", OpenError::NoKeyFits)?;
        if recipients.is_empty() {
            return Ok(());
        }
        write!(f, "; its recipients are {}", recipients.join(", "))
    }
}

/// The saved copy of values that another client kept out of the cluster.
#[derive(Debug)]
pub struct UnusedCopy {
    pub file: Utf8PathBuf,
    /// The file with the existing values, if any generated one is live.
    pub replacement: Option<Utf8PathBuf>,
    pub fate: UnusedCopyFate,
}

#[derive(Debug)]
pub enum UnusedCopyFate {
    Deleted,
    /// It could not be deleted, for this reason.
    Left(String),
    /// It was kept, because the existing values could not be saved, for this reason.
    Kept(String),
}

impl UnusedCopy {
    fn hints(&self, secret: &str) -> impl Iterator<Item = String> {
        let file = &self.file;
        let replaced = self
            .replacement
            .as_ref()
            .map(|file| format!("the existing values are encrypted in {file}"));
        let fate = match &self.fate {
            UnusedCopyFate::Deleted => {
                format!("the copy with the unused values, {file}, was deleted")
            }
            UnusedCopyFate::Left(why) => format!(
                "the copies in {file} and in the record are worthless, but could not be deleted \
                 ({why})"
            ),
            UnusedCopyFate::Kept(why) => format!(
                "the copy in {file} and the newest copy in the record are wrong for \
                 Secret/{secret}, and a correct one could not be created ({why}): run relay-bundle \
                 secrets backup"
            ),
        };
        replaced.into_iter().chain([fate])
    }
}

/// The state of a deleted Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeletedSecret {
    Missing,
    Replaced,
}

impl fmt::Display for DeletedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "it no longer exists",
            Self::Replaced => "another one now has its name",
        })
    }
}

fn makes(source: Source) -> &'static str {
    match source {
        Source::Sealed => "sealed",
        Source::Generated | Source::Cluster => "generated",
    }
}

impl From<SecretsError> for Failure {
    fn from(error: SecretsError) -> Self {
        match &error {
            SecretsError::Mismatched { others, .. } => {
                let others: Vec<String> = others.iter().map(ToString::to_string).collect();
                others.into_iter().fold(untrusted("CONTENT_MISMATCH", error), Self::hint).hint(
                    "do not use the bundle: its sealed secrets do not match it; tell its signers",
                )
            }
            SecretsError::Unopened(files) => {
                let files: Vec<String> = files.iter().map(ToString::to_string).collect();
                files.into_iter().fold(Self::input(error), Self::reason).hint(
                    "pass the file with a recipient's private key; the cluster was not contacted",
                )
            }
            SecretsError::NoIdentity { .. } => {
                Self::input(error).hint("pass the file with the private key: --identity FILE").hint(
                    "or --identity <(age -d FILE) if that file is encrypted; test it with \
                     `secrets check BUNDLE --identity`",
                )
            }
            SecretsError::MissingKey { .. } => Self::world(error)
                .hint("add it to the Secret, or remove its references from the profile"),
            SecretsError::Immutable { .. } => Self::world(error).hint(
                "save its values, delete it, and create it again with all its keys and without \
                 `immutable`",
            ),
            SecretsError::Regenerated { values } => {
                let values = values.clone();
                values.into_iter().fold(Self::input(error), Self::reason).hint(
                    "data protected by the old values may be lost with them; to continue: \
                     --allow-regenerate",
                )
            }
            SecretsError::Lost { values } => {
                let values = values.clone();
                values.into_iter().fold(Self::world(error), Self::reason).hint(RESTORE).hint(
                    "if the old values are permanently lost, generate new ones: --allow-regenerate",
                )
            }
            SecretsError::OlderGeneration { live, .. } => {
                let hint =
                    format!("set `generation` in the profile to {live} or more, and build again");
                Self::input(error).hint(hint)
            }
            SecretsError::Several => Self::input(error),
            SecretsError::Changed { .. } => Self::world(error)
                .hint("run the command again: it will plan from the current state"),
            SecretsError::Overtaken { secret, copy } => {
                let of_copy: Vec<String> =
                    copy.iter().flat_map(|copy| copy.hints(secret)).collect();
                let failure = Self::world(error).hint(
                    "find out which client; the next run uses the existing values, with a warning",
                );
                of_copy.into_iter().fold(failure, Self::hint)
            }
            SecretsError::KeepChanging => {
                Self::world(error).hint("find out which client, and run the command again")
            }
            SecretsError::Deleted { .. } => Self::world(error)
                .hint("running pods still have the old values; new pods do not")
                .hint(RESTORE),
        }
    }
}
