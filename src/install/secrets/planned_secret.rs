//! A Secret with values to generate.

use zeroize::Zeroizing;

use super::annotations::note_generations;
use super::context::{Coming, Random};
use crate::cluster::secret::Secret;
use crate::failure::Failure;
use crate::model::object_key::ObjectKey;
use crate::model::secret_value::SecretValue;
use crate::rollout::known_secrets::KnownSecrets;

/// 64 characters, so that the lower six bits of a byte select one without bias.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A Secret with values to generate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PlannedSecret {
    pub key: ObjectKey,
    pub values: Vec<NewValue>,
    pub is_encryption_key: bool,
    /// Whether the Secret exists.
    pub is_there: bool,
}

/// A value to generate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NewValue {
    pub key: String,
    pub length: usize,
    pub generation: i64,
    pub why: Why,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The value does not exist.
    Missing,
    /// The bundle wants a later generation.
    Raised,
}

impl PlannedSecret {
    /// Removes the values that come from elsewhere; returns `None` if none is left.
    pub(super) fn without(mut self, coming: &Coming) -> Option<Self> {
        if let Some(keys) = coming.get(&self.key.name) {
            self.values.retain(|value| !keys.contains(&value.key));
        }
        (!self.values.is_empty()).then_some(self)
    }

    /// Describes the missing values that the installation runs with.
    pub(super) fn lost(&self, known: &KnownSecrets) -> Option<String> {
        let is_lost = |value: &&NewValue| {
            value.why == Why::Missing && known.has_used(&self.key.name, &value.key)
        };
        let keys: Vec<&str> =
            self.values.iter().filter(is_lost).map(|value| value.key.as_str()).collect();
        (!keys.is_empty()).then(|| format!("Secret/{}: {}", self.key.name, keys.join(", ")))
    }

    /// Describes the keys to generate for this reason. Shows no value.
    pub(super) fn describe(&self, why: Why) -> Option<String> {
        let values = self.values.iter().filter(|value| value.why == why);
        let keys: Vec<String> = values
            .map(|value| match why {
                Why::Missing => value.key.clone(),
                Why::Raised => format!("{} (generation {})", value.key, value.generation),
            })
            .collect();
        (!keys.is_empty()).then(|| format!("Secret/{}: {}", self.key.name, keys.join(", ")))
    }

    /// Adds new values to a Secret, or to a new one of the installation `instance`.
    pub(super) fn fill(
        &self,
        secret: Option<Secret>,
        instance: &str,
        random: Random,
    ) -> Result<Secret, Failure> {
        let mut secret = secret.unwrap_or_else(|| Secret::new(&self.key, instance));
        for value in &self.values {
            secret.data.insert(value.key.clone(), random_text(value.length, random)?);
        }
        let values = self.values.iter().map(|value| (value.key.clone(), value.generation));
        note_generations(&mut secret, values)?;
        // Prevents an accidental change: a container that starts with another key cannot detect it.
        secret.immutable |= self.is_encryption_key;
        Ok(secret)
    }
}

fn random_text(length: usize, random: Random) -> Result<SecretValue, Failure> {
    let mut bytes = Zeroizing::new(vec![0; length]);
    random(&mut bytes)?;
    for byte in bytes.iter_mut() {
        *byte = ALPHABET[usize::from(*byte & 63)];
    }
    Ok(SecretValue::new(bytes))
}
