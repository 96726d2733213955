//! Plans the Secrets and values to create.

use super::context::{Consent, SecretContext, SecretSources};
use super::encryption_key_error::EncryptionKeyError;
use super::error::SecretsError;
use super::keeper::Keeper;
use super::live_secrets::{self, LiveSecret};
use super::planned_secret::{PlannedSecret, Why};
use super::{encryption_key, generated_values, sealed_values};
use crate::bundle::index::Source;
use crate::bundle::open::Bundle;
use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::rollout::known_secrets::{KnownSecrets, Whose};
use crate::rollout::permissions::Permission;
use crate::rollout::record::Item;
use crate::rollout::recovery_plan::RecoveryPlan;

/// The Secrets and values to create.
#[derive(Default)]
pub struct SecretPlan {
    pub(super) generated: Vec<PlannedSecret>,
    /// Secrets of sealed values, with the keys to write.
    pub(super) sealed: Vec<(String, Vec<String>)>,
    /// Saves copies of generated values; `None` if no value is generated or no copy is needed.
    pub(super) keeper: Option<Keeper>,
    /// Whether the operator must still confirm that the relay has never run here.
    asks_first_install: bool,
    /// Warnings for the operator: volumes that could not be checked, Secrets that the record does
    /// not know, and lost values.
    warnings: Vec<String>,
    /// The Secrets that the record does not know, and all that exist.
    foreign: Vec<Item>,
    seen: Vec<Item>,
    /// Whether the record must list other Secrets than it does.
    notes: bool,
}

/// Plans the Secrets to create from the live ones. Refuses a plan that could cost data.
pub fn survey(
    SecretContext { cluster, sources, adopts, coming }: SecretContext<'_>,
    known: &KnownSecrets,
    earlier: &[Item],
    consent: &Consent,
) -> Result<SecretPlan, Failure> {
    let SecretSources { bundle, opened, goes_back, .. } = sources;
    let to_seal = live_secrets::read(cluster, bundle, Source::Sealed)?;
    let to_generate = live_secrets::read(cluster, bundle, Source::Generated)?;
    let mut secret_plan = SecretPlan::default();
    to_generate.iter().chain(&to_seal).for_each(|found| secret_plan.note(found, known));

    let sealed = sealed_values::survey(to_seal, bundle, opened);
    let generated =
        generated_values::survey(&to_generate, bundle, goes_back, consent.allow_regenerate)?;
    secret_plan.generated =
        generated.into_iter().filter_map(|planned| planned.without(coming)).collect();
    if !adopts {
        encryption_key::check_change(cluster, bundle, opened, earlier)?;
    }

    if let Some(planned) = secret_plan.generated.iter().find(|planned| planned.is_encryption_key) {
        secret_plan.warnings.extend(encryption_key::check_creation(
            cluster,
            bundle,
            planned,
            known.has_run(),
        )?);
        secret_plan.asks_first_install = !consent.first_install;
        if secret_plan.asks_first_install && !consent.can_ask {
            let secret = planned.key.name.clone();
            let no_consent = EncryptionKeyError::NoConsent { secret }.into();
            return Err(match sealed {
                Err(closed) => joined(closed, no_consent),
                Ok(_) => no_consent,
            });
        }
    }

    secret_plan.sealed = sealed?.iter().map(sealed_values::Sealing::describe).collect();
    let lost =
        generated_values::check_lost(&secret_plan.generated, known, consent.allow_regenerate)?;
    secret_plan.warnings.extend(lost);
    if !secret_plan.generated.is_empty() && !consent.no_recovery {
        secret_plan.keeper = Keeper::of(bundle, &secret_plan.generated, &consent.recovery)?;
    }
    Ok(secret_plan)
}

/// Returns one failure for two that the operator would otherwise meet one after the other.
fn joined(one: Failure, other: Failure) -> Failure {
    let failure = Failure::from(SecretsError::Several).reason(one.message());
    let failure = one.reasons.into_iter().fold(failure, Failure::reason).reason(other.message());
    one.hints.into_iter().chain(other.hints).fold(failure, Failure::hint)
}

impl SecretPlan {
    /// Returns whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.generated.is_empty() && self.sealed.is_empty()
    }

    /// Returns the permissions that writing the Secrets requires.
    pub fn permissions(&self, namespace: &str) -> Vec<Permission> {
        let generated = self.generated.iter().map(|planned| planned.key.name.as_str());
        let names = generated.chain(self.sealed.iter().map(|(name, _)| name.as_str()));
        names
            .flat_map(|name| {
                [
                    Permission::to_all("create", "Secret", namespace),
                    Permission::to_one("update", "Secret", namespace, name),
                ]
            })
            .collect()
    }

    /// Returns whether the plan generates the encryption key, and the operator has not yet agreed.
    pub fn asks_first_install(&self) -> bool {
        self.asks_first_install
    }

    /// Notes an existing Secret, and warns if the record does not know it.
    fn note(&mut self, found: &LiveSecret<'_>, known: &KnownSecrets) {
        self.seen.extend(found.item());
        let why = match found.whose(known) {
            None | Some(Whose::Ours) => return,
            Some(Whose::Taken(why)) => why,
            Some(Whose::Another(why)) => {
                self.notes = true;
                why
            }
        };
        self.warnings.push(why);
        self.foreign.extend(found.item());
    }

    /// Returns whether the record must list other Secrets than it does: they replaced those that it
    /// lists.
    pub fn notes_others(&self) -> bool {
        self.notes
    }

    /// Returns the warnings to show before any write.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Returns the Secrets that existed before.
    pub fn seen(&self) -> &[Item] {
        &self.seen
    }

    /// Returns the live Secrets once all are written. Fails if one that existed before was
    /// replaced.
    pub fn noted(&self, cluster: &Cluster, bundle: &Bundle) -> Result<Vec<Item>, Failure> {
        let now = live_secrets::noted(cluster, bundle)?;
        match self.seen.iter().find(|item| !now.contains(item)) {
            None => Ok(now),
            Some(lost) => Err(SecretsError::Changed { secret: lost.key.name.clone() }.into()),
        }
    }

    /// Returns the Secrets that the record does not know.
    pub fn foreign(&self) -> &[Item] {
        &self.foreign
    }

    /// Returns where generated values are saved; `None` if no value is generated.
    pub fn recovery(&self) -> Option<RecoveryPlan> {
        let keeper = self.keeper.as_ref();
        let recipients = keeper.map(Keeper::recipients).unwrap_or_default();
        (!self.generated.is_empty())
            .then(|| RecoveryPlan { recipients, file: keeper.map(Keeper::file) })
    }

    /// Describes the values that are generated because they are missing.
    pub fn generated(&self) -> Vec<String> {
        self.described(Why::Missing)
    }

    /// Describes the values that are generated in place of older ones.
    pub fn regenerated(&self) -> Vec<String> {
        self.described(Why::Raised)
    }

    /// Describes the sealed values to write.
    pub fn sealed(&self) -> Vec<String> {
        self.sealed
            .iter()
            .map(|(name, keys)| format!("Secret/{name}: {}", keys.join(", ")))
            .collect()
    }

    /// Describes all values to write.
    pub fn all(&self) -> Vec<String> {
        [self.generated(), self.regenerated(), self.sealed()].concat()
    }

    fn described(&self, why: Why) -> Vec<String> {
        self.generated.iter().filter_map(|planned| planned.describe(why)).collect()
    }
}
