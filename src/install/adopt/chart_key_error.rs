//! The reasons why the chart's encryption key is not carried over, with their remedies.

use std::fmt;

use crate::failure::Failure;
use crate::helm::encryption_key::{KeyReference, KnownKey};
use crate::model::object_key::ObjectKey;
use crate::model::timestamp::Timestamp;

/// A bundle or a release whose encryption key cannot be that of the running relay.
#[derive(Debug, thiserror::Error)]
pub enum ChartKeyError {
    #[error("the relay of the bundle does not take its encryption key from a Secret")]
    NotInBundle,
    #[error("no Deployment of the release takes ENCRYPTION_KEY from a Secret")]
    NotInRelease,
    #[error("the chart's {0} with the encryption key does not exist")]
    NoSecret(ObjectKey),
    #[error("the chart's {secret} has no `{key}`")]
    NoKey { secret: ObjectKey, key: String },
    #[error("Helm has no encryption key of revision {revision}")]
    NotInRevision { revision: u64, known: Vec<KnownKey> },
    #[error(
        "the relay runs with the stored encryption key, which differs from that of revision \
         {revision}"
    )]
    RunsWithStored { revision: u64 },
    #[error("{doubt}")]
    Doubtful { doubt: KeyDoubt, known: Vec<KnownKey> },
    #[error(
        "the encryption key of the bundle, `{}` of Secret {}, differs from the one that the relay \
         runs with",
        .wanted.key, .wanted.secret
    )]
    Differs { wanted: KeyReference, running: KeyReference },
    #[error(
        "the encryption key of the bundle, `{}` of Secret {}, cannot be compared with the running \
         one",
        .wanted.key, .wanted.secret
    )]
    Incomparable {
        wanted: KeyReference,
        /// Whether the bundle has it as a sealed value that was not opened.
        is_closed: bool,
    },
}

/// Why the stored key may not be the one that encrypts the data.
#[derive(Debug)]
pub struct KeyDoubt {
    pub stored: KeyReference,
    /// The start of the oldest pod; `None` if none is running.
    pub started: Option<Timestamp>,
}

impl fmt::Display for KeyDoubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let KeyReference { secret, key } = &self.stored;
        match self.started {
            Some(time) => write!(
                f,
                "the relay does not run with the stored encryption key: its oldest pod started at \
                 {time}, but `{key}` of Secret {secret} is newer"
            ),
            None => write!(
                f,
                "no relay is running, and `{key}` of Secret {secret} has changed: cannot tell \
                 which key encrypts the data"
            ),
        }
    }
}

/// Lists keys by revision and date.
fn lines(known: &[KnownKey]) -> Vec<String> {
    let line = |known: &KnownKey| {
        let numbers: Vec<String> = known.revisions.iter().map(u64::to_string).collect();
        let word = if numbers.len() == 1 { "revision" } else { "revisions" };
        let stored = if known.stored { ": the stored one" } else { "" };
        format!("{word} {}, of {}{stored}", numbers.join(", "), known.recorded)
    };
    known.iter().map(line).collect()
}

impl From<ChartKeyError> for Failure {
    fn from(error: ChartKeyError) -> Self {
        match &error {
            ChartKeyError::NotInBundle => Self::input(error),
            ChartKeyError::NotInRelease => Self::world(error)
                .hint("cannot tell which key the relay runs with: is it the chart `claude-relay`?"),
            ChartKeyError::NoSecret(_) | ChartKeyError::NoKey { .. } => {
                Self::world(error).hint("restore it from its backup")
            }
            ChartKeyError::NotInRevision { known, .. } => {
                lines(known).into_iter().fold(Self::input(error), Self::hint)
            }
            ChartKeyError::RunsWithStored { .. } => {
                Self::input(error).hint("omit --key-from-revision")
            }
            ChartKeyError::Doubtful { known, .. } => {
                let (number, lines) = (known.len(), lines(known));
                let failure = Self::world(error)
                    .hint(
                        "nothing was changed; do not restart the relay before you choose a key: a \
                         running relay has the right one",
                    )
                    .hint(format!(
                        "the keys that Helm still has, by revision ({number} in total):"
                    ));
                lines.into_iter().fold(failure, Self::hint).hint(
                    "choose the key that was stored when the pod started: --key-from-revision N",
                )
            }
            ChartKeyError::Differs { running: KeyReference { secret, key }, .. } => {
                let hint = format!(
                    "refer to the running one: `config.encryptionKey = {{ existing = {{ name = \
                     \"{secret}\", key = \"{key}\" }} }}`"
                );
                Self::world(error).hint(hint)
            }
            ChartKeyError::Incomparable { is_closed: true, .. } => Self::world(error)
                .hint("it is sealed; pass the file with the private key: --identity FILE"),
            ChartKeyError::Incomparable { is_closed: false, .. } => Self::world(error)
                .hint("adopt with `existing` or `generate`, and change it afterwards"),
        }
    }
}
