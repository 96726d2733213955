//! Plans the values to generate.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::found::Found;
use super::{Coming, Random, encryption_key};
use crate::bundle::index::WantedKey;
use crate::bundle::open::Bundle;
use crate::cluster::secret::Secret;
use crate::failure::Failure;
use crate::model::object_key::ObjectKey;
use crate::model::secret_value::SecretValue;
use crate::rollout::known::KnownSecrets;

/// The annotation with the generation of each key's value. A key that it lacks has generation 1.
pub const GENERATIONS: &str = "relay-bundle/generations";

/// 64 characters, so that the lower six bits of a byte select one without bias.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A Secret with values to generate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Making {
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
    length: usize,
    generation: i64,
    pub why: Why,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The value does not exist.
    Missing,
    /// The bundle wants a later generation.
    Raised,
}

/// Returns the Secrets with values to generate. Refuses to replace a value without the operator's
/// consent.
pub(super) fn survey(
    all: &[Found<'_>],
    bundle: &Bundle,
    goes_back: bool,
    allow_regenerate: bool,
) -> Result<Vec<Making>, Failure> {
    let mut makings = Vec::new();
    for found in all {
        if let Some(making) = found.making(bundle, goes_back)? {
            found.secret.as_ref().map_or(Ok(()), |secret| ensure_mutable(&making.key, secret))?;
            makings.push(making);
        }
    }
    let raised: Vec<String> =
        makings.iter().filter_map(|making| making.describe(Why::Raised)).collect();
    if raised.is_empty() || allow_regenerate {
        return Ok(makings);
    }
    let failure = Failure::input(
        "the bundle requests new values in place of generated ones; none was generated",
    )
    .hint(
        "data protected by the old values may be lost with them; to continue: --allow-regenerate",
    );
    Err(raised.into_iter().fold(failure, Failure::reason))
}

/// Refuses to replace lost values that the installation runs with. With the operator's consent,
/// returns a warning instead.
///
/// Running pods keep the old value, and new pods get the new one: Redis would reject the relay.
pub(super) fn check_lost(
    makings: &[Making],
    known: &KnownSecrets,
    allow_regenerate: bool,
) -> Result<Option<String>, Failure> {
    let lost: Vec<String> = makings.iter().filter_map(|making| making.lost(known)).collect();
    if lost.is_empty() {
        return Ok(None);
    }
    if allow_regenerate {
        let namespace =
            makings.first().map(|making| making.key.namespace.as_str()).unwrap_or_default();
        return Ok(Some(format!(
            "{}: values in use are missing; new ones are generated, but running pods keep the old \
             ones: restart Redis and the relay after this run: `relay-bundle restart redis -n \
             {namespace}`, then `relay-bundle restart relay -n {namespace}`",
            lost.join("; ")
        )));
    }
    let failure = Failure::world(
        "generated values in use are missing; nothing was changed: running pods keep the old \
         values, but new pods would get different ones",
    )
    .hint("restore the Secret: relay-bundle secrets restore (see docs/recovery.md)")
    .hint("if the old values are permanently lost, generate new ones: --allow-regenerate");
    Err(lost.into_iter().fold(failure, Failure::reason))
}

/// Fails if a Secret is immutable.
pub(super) fn ensure_mutable(key: &ObjectKey, secret: &Secret) -> Result<(), Failure> {
    if !secret.immutable {
        return Ok(());
    }
    Err(Failure::world(format!("{key} is immutable, but the bundle requests different values")).hint(
        "save its values, delete it, and create it again with all its keys and without `immutable`",
    ))
}

impl Found<'_> {
    /// Returns the values to generate into the Secret, or `None` if it is complete.
    pub(super) fn making(
        &self,
        bundle: &Bundle,
        goes_back: bool,
    ) -> Result<Option<Making>, Failure> {
        let is_encryption_key = encryption_key::is_of(&self.wanted.name, bundle);
        let generations = self.secret.as_ref().map(generations).unwrap_or_default();
        let mut values = Vec::new();
        for wanted in &self.wanted.keys {
            let is_there = self.has(&wanted.key);
            let (Some(length), Some(generation)) = (wanted.length, wanted.generation) else {
                self.check_plain(wanted)?;
                continue;
            };
            let length = usize::try_from(length).map_err(Failure::bug)?;
            let of = |why| NewValue { key: wanted.key.clone(), length, generation, why };
            let live = generations.get(&wanted.key).copied().unwrap_or(1);
            match generation.cmp(&live) {
                _ if !is_there => values.push(of(Why::Missing)),
                std::cmp::Ordering::Equal => {}
                std::cmp::Ordering::Greater if is_encryption_key => {
                    return Err(encryption_key::never_again(&self.key));
                }
                std::cmp::Ordering::Greater => values.push(of(Why::Raised)),
                // A rollback does not restore old values: the pods get the newer ones.
                std::cmp::Ordering::Less if goes_back => {}
                std::cmp::Ordering::Less => return Err(self.is_older(wanted, generation, live)),
            }
        }
        let (key, is_there) = (self.key.clone(), self.secret.is_some());
        Ok((!values.is_empty()).then_some(Making { key, values, is_encryption_key, is_there }))
    }

    fn is_older(&self, wanted: &WantedKey, generation: i64, live: i64) -> Failure {
        Failure::input(format!(
            "{}: the value of `{}` is generation {live}, but the bundle requests generation \
             {generation}: old values are not restored",
            self.key, wanted.key
        ))
        .hint(format!("set `generation` in the profile to {live} or more, and build again"))
    }
}

/// Returns the generations in the annotation. One that does not parse was written by another
/// program, and counts as absent.
fn generations(secret: &Secret) -> BTreeMap<String, i64> {
    let text = secret.annotation(GENERATIONS).unwrap_or("{}");
    serde_json::from_str(text).unwrap_or_default()
}

/// Sets the generations of values in the annotation.
pub fn note_generations(
    secret: &mut Secret,
    values: impl Iterator<Item = (String, i64)>,
) -> Result<(), Failure> {
    let mut generations = generations(secret);
    generations.extend(values);
    secret.annotate(GENERATIONS, &serde_json::to_string(&generations).map_err(Failure::bug)?);
    Ok(())
}

impl Making {
    /// Removes the values that come from elsewhere; returns `None` if none is left.
    pub(super) fn without(mut self, coming: &Coming) -> Option<Self> {
        if let Some(keys) = coming.get(&self.key.name) {
            self.values.retain(|value| !keys.contains(&value.key));
        }
        (!self.values.is_empty()).then_some(self)
    }

    /// Describes the missing values that the installation runs with.
    fn lost(&self, known: &KnownSecrets) -> Option<String> {
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
