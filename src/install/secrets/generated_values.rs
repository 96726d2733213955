//! Plans the values to generate.

use super::annotations::generations;
use super::encryption_key;
use super::encryption_key_error::EncryptionKeyError;
use super::error::SecretsError;
use super::live_secrets::LiveSecret;
use super::planned_secret::{NewValue, PlannedSecret, Why};
use crate::bundle::open::Bundle;
use crate::failure::Failure;
use crate::rollout::known_secrets::KnownSecrets;

/// Returns the Secrets with values to generate. Refuses to replace a value without the operator's
/// consent.
pub(super) fn survey(
    all: &[LiveSecret<'_>],
    bundle: &Bundle,
    goes_back: bool,
    allow_regenerate: bool,
) -> Result<Vec<PlannedSecret>, Failure> {
    let mut secret_plan = Vec::new();
    for found in all {
        if let Some(planned) = found.planned_secret(bundle, goes_back)? {
            found.ensure_mutable()?;
            secret_plan.push(planned);
        }
    }
    let raised: Vec<String> =
        secret_plan.iter().filter_map(|planned| planned.describe(Why::Raised)).collect();
    if raised.is_empty() || allow_regenerate {
        return Ok(secret_plan);
    }
    Err(SecretsError::Regenerated { values: raised }.into())
}

/// Refuses to replace lost values that the installation runs with. With the operator's consent,
/// returns a warning instead.
///
/// Running pods keep the old value, and new pods get the new one: Redis would reject the relay.
pub(super) fn check_lost(
    secret_plan: &[PlannedSecret],
    known: &KnownSecrets,
    allow_regenerate: bool,
) -> Result<Option<String>, SecretsError> {
    let lost: Vec<String> = secret_plan.iter().filter_map(|planned| planned.lost(known)).collect();
    if lost.is_empty() {
        return Ok(None);
    }
    if allow_regenerate {
        let namespace =
            secret_plan.first().map(|planned| planned.key.namespace.as_str()).unwrap_or_default();
        return Ok(Some(format!(
            "{}: values in use are missing; new ones are generated, but running pods keep the old \
             ones: restart Redis and the relay after this run: `relay-bundle restart redis -n \
             {namespace}`, then `relay-bundle restart relay -n {namespace}`",
            lost.join("; ")
        )));
    }
    Err(SecretsError::Lost { values: lost })
}

impl LiveSecret<'_> {
    /// Returns the values to generate into the Secret, or `None` if it is complete.
    pub(super) fn planned_secret(
        &self,
        bundle: &Bundle,
        goes_back: bool,
    ) -> Result<Option<PlannedSecret>, Failure> {
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
                    return Err(EncryptionKeyError::Regenerated(self.key.clone()).into());
                }
                std::cmp::Ordering::Greater => values.push(of(Why::Raised)),
                // A rollback does not restore old values: the pods get the newer ones.
                std::cmp::Ordering::Less if goes_back => {}
                std::cmp::Ordering::Less => {
                    let (secret, key) = (self.key.name.clone(), wanted.key.clone());
                    let older = SecretsError::OlderGeneration { secret, key, generation, live };
                    return Err(older.into());
                }
            }
        }

        let (key, is_there) = (self.key.clone(), self.secret.is_some());
        Ok((!values.is_empty()).then_some(PlannedSecret {
            key,
            values,
            is_encryption_key,
            is_there,
        }))
    }
}
