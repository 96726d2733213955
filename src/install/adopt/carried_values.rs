//! The values that an adoption writes to the Secrets of the bundle. They are zeroed in memory.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use crate::cluster::Session;
use crate::cluster::secret::Secret;
use crate::failure::Failure;
use crate::install::secrets::{Coming, note_generations};
use crate::model::object_key::ObjectKey;
use crate::model::secret_value::SecretValue;

/// A value to write to a Secret of the bundle.
pub struct CarriedValue {
    pub secret: ObjectKey,
    pub key: String,
    pub(super) value: Zeroizing<Vec<u8>>,
    /// Its generation, if the bundle would otherwise generate it.
    pub(super) generation: Option<i64>,
    /// A description of its source.
    pub(super) from: String,
    /// Whether a Secret that is created for it is immutable.
    pub(super) immutable: bool,
}

/// Describes the values to carry. Shows no value.
pub(super) fn describe(carried: &[CarriedValue]) -> Vec<String> {
    carried.iter().map(|of| format!("{}: {}, from {}", of.secret, of.key, of.from)).collect()
}

/// Returns the keys to carry, by Secret.
pub(super) fn coming(carried: &[CarriedValue]) -> Coming {
    let mut coming = Coming::new();
    for of in carried {
        coming.entry(of.secret.name.clone()).or_default().insert(of.key.clone());
    }
    coming
}

/// Writes all values of one Secret in one request: the keys of a revision belong together, and a
/// run may be interrupted between two requests.
pub(super) fn carry(
    session: &Session,
    key: &ObjectKey,
    carried: &[&CarriedValue],
    instance: &str,
) -> Result<(), Failure> {
    let new = || {
        let mut secret = Secret::new(key, instance);
        secret.immutable = carried.iter().any(|carried| carried.immutable);
        secret
    };
    let mut secret = session.find_secret(key)?.unwrap_or_else(new);
    for carried in carried {
        secret.data.insert(carried.key.clone(), SecretValue::new(carried.value.clone()));
    }
    let generations =
        carried.iter().filter_map(|carried| Some((carried.key.clone(), carried.generation?)));
    let generations: Vec<_> = generations.collect();
    if !generations.is_empty() {
        note_generations(&mut secret, generations.into_iter())?;
    }
    session.put_secret(key, &secret)?;
    Ok(())
}

/// Groups the values to carry by their Secret.
pub(super) fn by_secret(carried: &[CarriedValue]) -> BTreeMap<&ObjectKey, Vec<&CarriedValue>> {
    let mut all: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for carried in carried {
        all.entry(&carried.secret).or_default().push(carried);
    }
    all
}
