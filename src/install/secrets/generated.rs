//! What is generated: what is there, and what is missing.

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

/// The annotation that says of each key which generation its value is. Without one, it is the
/// first.
pub const GENERATIONS: &str = "relay-bundle/generations";

/// 64 characters, so that a byte's lower six bits choose one without a bias.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A Secret of which values are to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Making {
    pub key: ObjectKey,
    pub values: Vec<NewValue>,
    pub is_encryption_key: bool,
    /// Whether the Secret is there with other keys.
    pub is_there: bool,
}

/// A value that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NewValue {
    pub key: String,
    length: usize,
    generation: i64,
    pub why: Why,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// There is none.
    Missing,
    /// The bundle wants a later one.
    Raised,
}

/// Returns what is to be made; what would be made anew against the will of a person is refused.
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
        "the bundle wants new values in place of generated ones; none was made",
    )
    .hint(
        "what the old values protect may be lost with them; if that is meant: --allow-regenerate",
    );
    Err(raised.into_iter().fold(failure, Failure::reason))
}

/// Refuses to replace values that the installation runs with and that are gone; returns the warning
/// if a person allows it.
///
/// Pods that run keep the old value, and those that start get the new one: Redis would refuse the
/// relay.
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
            "{}: the installation runs with values that are gone; new ones are generated, and pods \
             that run keep the old ones: restart Redis and the relay after this run: `relay-bundle \
             restart redis -n {namespace}`, then `relay-bundle restart relay -n {namespace}`",
            lost.join("; ")
        )));
    }
    let failure = Failure::world(
        "generated values that the installation runs with are gone; nothing was changed: pods that \
         run keep the old ones, and those that start would get others",
    )
    .hint("restore the Secret: relay-bundle secrets restore; docs/recovery.md shows how")
    .hint("if the old values are lost for good, let new ones be generated: --allow-regenerate");
    Err(lost.into_iter().fold(failure, Failure::reason))
}

/// Refuses to write into a Secret that nobody can.
pub(super) fn ensure_mutable(key: &ObjectKey, secret: &Secret) -> Result<(), Failure> {
    if !secret.immutable {
        return Ok(());
    }
    Err(Failure::world(format!("{key} is immutable, and the bundle wants other values in it")).hint(
        "make sure that its values are kept elsewhere, delete it, and create it again with all its keys and without `immutable`",
    ))
}

impl Found<'_> {
    /// Returns what is to be made of the Secret; nothing if it is whole.
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
                // Going back brings no old value back: the new one stays, and the pods get it.
                std::cmp::Ordering::Less if goes_back => {}
                std::cmp::Ordering::Less => return Err(self.is_older(wanted, generation, live)),
            }
        }
        let (key, is_there) = (self.key.clone(), self.secret.is_some());
        Ok((!values.is_empty()).then_some(Making { key, values, is_encryption_key, is_there }))
    }

    fn is_older(&self, wanted: &WantedKey, generation: i64, live: i64) -> Failure {
        Failure::input(format!(
            "{}: the value of `{}` is generation {live}, and the bundle wants generation \
             {generation}: an old value does not come back",
            self.key, wanted.key
        ))
        .hint(format!("set `generation` in the profile to {live} or more, and build again"))
    }
}

/// Returns what the annotation says; what is no number was written by somebody else, and counts as
/// the first.
fn generations(secret: &Secret) -> BTreeMap<String, i64> {
    let text = secret.annotation(GENERATIONS).unwrap_or("{}");
    serde_json::from_str(text).unwrap_or_default()
}

/// Notes of keys which generation their values are.
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
    /// Leaves out what comes from elsewhere; none if nothing is left to make.
    pub(super) fn without(mut self, coming: &Coming) -> Option<Self> {
        if let Some(keys) = coming.get(&self.key.name) {
            self.values.retain(|value| !keys.contains(&value.key));
        }
        (!self.values.is_empty()).then_some(self)
    }

    /// Says which values are gone that the installation runs with.
    fn lost(&self, known: &KnownSecrets) -> Option<String> {
        let is_lost = |value: &&NewValue| {
            value.why == Why::Missing && known.has_used(&self.key.name, &value.key)
        };
        let keys: Vec<&str> =
            self.values.iter().filter(is_lost).map(|value| value.key.as_str()).collect();
        (!keys.is_empty()).then(|| format!("Secret/{}: {}", self.key.name, keys.join(", ")))
    }

    /// Says what is made, without values.
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

    /// Puts new values into a Secret, or into a new one of the installation `instance`.
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
        // Nobody changes it by mistake: a container that was started with another key could never
        // tell.
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
