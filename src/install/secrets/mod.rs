//! Creates Secrets: generates values once and never again, and writes the sealed values of a
//! bundle. No value is ever shown.
//!
//! `found` reads the live Secrets, `generated` plans missing values, `sealed` plans the bundle's
//! sealed values, and `encryption_key` refuses to replace the encryption key. `keeper` saves
//! encrypted copies of generated values before `make` writes them.

mod encryption_key;
mod found;
mod generated;
mod keeper;
mod make;
mod opening;
pub mod restore;
mod sealed;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use camino::Utf8PathBuf;
use serde::Serialize;

use super::record::Journal;
use crate::bundle::index::Source;
use crate::bundle::open::Bundle;
use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::rollout::known::{KnownSecrets, Whose};
use crate::rollout::record::Item;
use crate::rollout::rights::Right;
use found::Found;
pub use found::seen;
pub use generated::note_generations;
use generated::{Making, Why};
use keeper::Keeper;
pub use keeper::RecoveryPlace;
pub use opening::open;
pub use sealed::Opened;
pub use {generated::GENERATIONS, sealed::SEALED};

/// Keys of Secrets whose values come from elsewhere.
pub type Coming = BTreeMap<String, BTreeSet<String>>;

/// The Secrets and values to create.
#[derive(Default)]
pub struct Makings {
    generated: Vec<Making>,
    /// Secrets of sealed values, with the keys to write.
    sealed: Vec<(String, Vec<String>)>,
    /// Saves copies of generated values; `None` if no value is generated or no copy is needed.
    keeper: Option<Keeper>,
    /// Whether the operator must still confirm that the relay has never run here.
    asks_first_install: bool,
    /// Warnings for the operator: volumes that could not be checked, Secrets that the record does
    /// not know, and lost values.
    warnings: Vec<String>,
    /// The Secrets that the record does not know, and all that exist.
    strange: Vec<Item>,
    seen: Vec<Item>,
    /// Whether the record must list other Secrets than it does.
    notes: bool,
}

/// Where generated values are saved, and for which recipients.
#[derive(Clone, Debug, Serialize)]
pub struct RecoveryPlan {
    /// Public keys. If empty, the values cannot be recovered.
    pub recipients: Vec<String>,
    /// The path of the encrypted copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<Utf8PathBuf>,
}

impl fmt::Display for RecoveryPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => {
                write!(
                    f,
                    "keep      an encrypted copy in {file}, for {}",
                    self.recipients.join(", ")
                )
            }
            None => f.write_str("keep      no copy of generated values: they cannot be recovered"),
        }
    }
}

/// The operator's decisions about secrets.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Consent {
    pub first_install: bool,
    pub no_recovery: bool,
    pub allow_regenerate: bool,
    pub recovery: RecoveryPlace,
    /// Whether we can ask the operator.
    pub can_ask: bool,
}

/// The inputs of every decision about secrets, besides the record.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub cluster: &'a Cluster,
    pub bundle: &'a Bundle,
    pub opened: Option<&'a Opened>,
    /// Whether the bundle has run here before.
    pub goes_back: bool,
    /// Whether the bundle takes over a Helm release, whose encryption key was determined already.
    pub adopts: bool,
    pub random: Random,
}

/// Fills a slice with cryptographically secure random bytes.
pub type Random = fn(&mut [u8]) -> Result<(), Failure>;

/// Plans the Secrets to create from the live ones. Refuses a plan that could cost data.
pub fn survey(
    context: Context<'_>,
    known: &KnownSecrets,
    earlier: &[Item],
    consent: &Consent,
) -> Result<Makings, Failure> {
    survey_beside(context, known, earlier, consent, &Coming::new())
}

/// Plans as [`survey`] does, but leaves out the values in `coming`: they are written before.
pub fn survey_beside(
    Context { cluster, bundle, opened, goes_back, adopts, .. }: Context<'_>,
    known: &KnownSecrets,
    earlier: &[Item],
    consent: &Consent,
    coming: &Coming,
) -> Result<Makings, Failure> {
    let to_seal = found::read(cluster, bundle, Source::Sealed)?;
    let to_generate = found::read(cluster, bundle, Source::Generated)?;
    let mut makings = Makings::default();
    to_generate.iter().chain(&to_seal).for_each(|found| makings.judge(found, known));
    let sealed = sealed::survey(to_seal, bundle, opened)?;
    makings.sealed = sealed.iter().map(sealed::Sealing::describe).collect();
    let generated = generated::survey(&to_generate, bundle, goes_back, consent.allow_regenerate)?;
    makings.generated = generated.into_iter().filter_map(|making| making.without(coming)).collect();
    if !adopts {
        encryption_key::check_change(cluster, bundle, opened, earlier)?;
    }
    if let Some(making) = makings.generated.iter().find(|making| making.is_encryption_key) {
        makings.warnings.extend(encryption_key::check_making(
            cluster,
            bundle,
            making,
            known.has_run(),
        )?);
        makings.asks_first_install = !consent.first_install;
        if makings.asks_first_install && !consent.can_ask {
            return Err(encryption_key::no_consent(making));
        }
    }
    let lost = generated::check_lost(&makings.generated, known, consent.allow_regenerate)?;
    makings.warnings.extend(lost);
    if !makings.generated.is_empty() && !consent.no_recovery {
        makings.keeper = Keeper::of(bundle, &makings.generated, &consent.recovery)?;
    }
    Ok(makings)
}

/// Returns the live Secrets that apply creates, for the record.
fn noted(cluster: &Cluster, bundle: &Bundle) -> Result<Vec<Item>, Failure> {
    let mut items = Vec::new();
    for source in [Source::Generated, Source::Sealed] {
        items.extend(found::read(cluster, bundle, source)?.iter().filter_map(Found::item));
    }
    Ok(items)
}

/// Fails if a Secret that apply creates is missing, or is not the one that the pods got: such a
/// rollout is not complete.
pub fn check_noted(cluster: &Cluster, bundle: &Bundle, then: &[Item]) -> Result<(), Failure> {
    let now = noted(cluster, bundle)?;
    let of = |items: &[Item], name: &str| items.iter().find(|item| item.key.name == name).cloned();
    let made = bundle.index.contract.iter().filter(|wanted| wanted.source != Source::Cluster);
    for name in made.map(|wanted| wanted.name.as_str()) {
        let what = match of(&now, name) {
            None => "it no longer exists",
            Some(now) if of(then, name).as_ref() != Some(&now) => "another one now has its name",
            Some(_) => continue,
        };
        return Err(Failure::world(format!(
            "Secret/{name} was deleted by another client during the rollout: {what}"
        ))
        .hint("running pods still have the old values; new pods do not")
        .hint("restore the Secret: relay-bundle secrets restore (see docs/recovery.md)"));
    }
    Ok(())
}

impl Makings {
    /// Returns whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.generated.is_empty() && self.sealed.is_empty()
    }

    /// Returns the permissions that writing the Secrets requires.
    pub fn rights(&self, namespace: &str) -> Vec<Right> {
        let generated = self.generated.iter().map(|making| making.key.name.as_str());
        let names = generated.chain(self.sealed.iter().map(|(name, _)| name.as_str()));
        names
            .flat_map(|name| {
                [
                    Right::to_all("create", "Secret", namespace),
                    Right::to_one("update", "Secret", namespace, name),
                ]
            })
            .collect()
    }

    /// Returns whether the plan generates the encryption key, and the operator has not yet agreed.
    pub fn asks_first_install(&self) -> bool {
        self.asks_first_install
    }

    /// Notes an existing Secret, and warns if the record does not know it.
    fn judge(&mut self, found: &Found<'_>, known: &KnownSecrets) {
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
        self.strange.extend(found.item());
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
        let now = noted(cluster, bundle)?;
        match self.seen.iter().find(|item| !now.contains(item)) {
            None => Ok(now),
            Some(lost) => Err(Failure::world(format!(
                "{} was changed by another client during this run",
                lost.key
            ))
            .hint("run the command again: it will plan from the current state")),
        }
    }

    /// Returns the Secrets that the record does not know.
    pub fn strange(&self) -> &[Item] {
        &self.strange
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
        self.generated.iter().filter_map(|making| making.describe(why)).collect()
    }

    /// Writes all Secrets; returns the paths of the recovery files.
    pub fn make(
        &self,
        context: Context<'_>,
        journal: &mut Journal<'_>,
    ) -> Result<Vec<Utf8PathBuf>, Failure> {
        make::make(self, context, journal)
    }
}
