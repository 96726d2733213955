//! The reasons why the encryption key is neither generated nor replaced, with their remedies.

use std::fmt;

use crate::failure::Failure;
use crate::helm::encryption_key::KeyReference;
use crate::model::object_key::ObjectKey;

/// The remedy for a Secret that was lost.
pub(super) const RESTORE: &str =
    "restore the Secret: relay-bundle secrets restore (see docs/recovery.md)";

/// A plan that would cost the encryption key, or the data that it encrypts.
#[derive(Debug, thiserror::Error)]
pub enum EncryptionKeyError {
    #[error(
        "the encryption key would change: the installation uses the one in Secret {}, key `{}`, \
         but {} for Secret {}, key `{}`; every account and API key would be lost",
        .live.secret, .live.key, .new, .wanted.secret, .wanted.key
    )]
    WouldChange {
        live: KeyReference,
        wanted: KeyReference,
        new: NewKey,
        /// Whether this program created the live Secret for the bundle's own relay.
        is_made_here: bool,
    },
    #[error(
        "the encryption key, Secret {secret}, is missing, and {why}: a new key would make every \
         account and API key unusable"
    )]
    Lost { secret: String, why: KeyNeed },
    #[error(
        "the encryption key, Secret {secret}, is missing: it is generated only at a first \
         installation"
    )]
    NoConsent { secret: String },
    #[error(
        "the bundle requests a new encryption key in place of the one in {0}: every account and \
         API key would be lost"
    )]
    Regenerated(ObjectKey),
}

/// The origin of the key that would replace the live one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewKey {
    Generated,
    OfBundle,
}

impl fmt::Display for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Generated => "a new one would be generated",
            Self::OfBundle => "the bundle has a different one",
        })
    }
}

/// Why a missing key is needed: data may exist that it encrypted.
#[derive(Debug)]
pub enum KeyNeed {
    HasRun,
    SecretExists,
    /// The PVC of Redis exists.
    Claim(ObjectKey),
    /// A volume of Redis exists without its PVC.
    Volume {
        volume: String,
        claim: ObjectKey,
    },
}

impl fmt::Display for KeyNeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HasRun => f.write_str("the relay has run here"),
            Self::SecretExists => f.write_str("the Secret exists without it"),
            Self::Claim(claim) => write!(f, "the Redis volume {claim} exists"),
            Self::Volume { volume, claim } => {
                write!(f, "the Redis volume PersistentVolume/{volume} of {claim} exists")
            }
        }
    }
}

impl From<EncryptionKeyError> for Failure {
    fn from(error: EncryptionKeyError) -> Self {
        match &error {
            EncryptionKeyError::WouldChange { live, is_made_here, .. } => {
                // Never suggest deleting a Secret of another owner.
                let discard = is_made_here.then(|| {
                    let secret = &live.secret;
                    format!(
                        "to discard the installation, delete its Redis volume and Secret {secret}"
                    )
                });
                let failure = Self::world(error).hint(
                    "nothing was changed; keep the previous form of the secret in the profile, or \
                     provide the same value in the new form",
                );
                discard.into_iter().fold(failure, Self::hint)
            }
            EncryptionKeyError::Lost { .. } => Self::world(error).hint(RESTORE),
            EncryptionKeyError::NoConsent { .. } => Self::input(error)
                .hint("if the relay has never run here, pass --first-install")
                .hint(format!("otherwise {RESTORE}")),
            EncryptionKeyError::Regenerated(_) => Self::input(error).hint(
                "the encryption key has no generation; remove the number from the profile, and \
                 build again",
            ),
        }
    }
}
