//! Writes Secrets. Saves copies of generated values first, so that a run that was interrupted at
//! any step can be repeated.

use camino::Utf8PathBuf;

use super::context::{Random, SecretSources};
use super::error::{SecretsError, UnusedCopy, UnusedCopyFate};
use super::keeper::KeptCopy;
use super::live_secrets::{self, LiveSecret};
use super::plan::SecretPlan;
use super::planned_secret::PlannedSecret;
use super::sealed_values;
use crate::bundle::index::Source;
use crate::cluster::Session;
use crate::cluster::secret::Secret;
use crate::failure::Failure;
use crate::install::record::Journal;
use crate::model::object_key::ObjectKey;

/// The number of attempts to write sealed values that other clients change concurrently.
const ROUNDS: usize = 4;

impl SecretPlan {
    /// Writes all Secrets; returns the paths of the recovery files.
    pub fn make(
        &self,
        sources: SecretSources<'_>,
        journal: &mut Journal,
    ) -> Result<Vec<Utf8PathBuf>, Failure> {
        let files =
            if self.generated.is_empty() { Vec::new() } else { generate(self, sources, journal)? };
        if !self.sealed.is_empty() {
            unseal(sources, journal)?;
        }
        Ok(files)
    }
}

/// Generates missing values, and saves copies before it writes them.
///
/// If another client creates or changes one of these Secrets concurrently, this fails, and leaves
/// no copy with other values than the live ones.
fn generate(
    secret_plan: &SecretPlan,
    SecretSources { bundle, goes_back, random, .. }: SecretSources<'_>,
    journal: &mut Journal,
) -> Result<Vec<Utf8PathBuf>, Failure> {
    journal.beat()?;
    let found = live_secrets::read(journal.session(), bundle, Source::Generated)?;
    let mut to_create = Vec::new();
    for found in &found {
        to_create.push(found.planned_secret(bundle, goes_back)?);
    }
    check_planned(&secret_plan.generated, &to_create)?;
    let whole = fill(found, &to_create, bundle.index.name.as_str(), random)?;

    let keep = |secrets: &[(ObjectKey, Secret)], journal: &Journal| {
        secret_plan.keeper.as_ref().map(|keeper| keeper.keep(journal, secrets)).transpose()
    };
    let kept = keep(&whole, journal).map_err(|failure| failure.hint("nothing was generated"))?;

    let made: Vec<(&Secret, &PlannedSecret)> =
        to_create.iter().flatten().map(|planned| (secret_of(&whole, planned), planned)).collect();
    for (secret, planned) in &made {
        journal.beat()?;
        if !put(journal.session(), &planned.key, secret)? {
            break;
        }
    }

    journal.beat()?;
    let found = live_secrets::read(journal.session(), bundle, Source::Generated)?;
    let Some((lost, _)) = whole.iter().find(|(key, secret)| !is_live(key, secret, &found)) else {
        return Ok(kept.into_iter().map(|kept| kept.file).collect());
    };

    let is_any_ours = made.iter().any(|(secret, planned)| has_any_live(planned, secret, &found));
    let there: Vec<(ObjectKey, Secret)> =
        found.into_iter().filter_map(|found| Some((found.key, found.secret?))).collect();
    // Some of our values are live, and the only copy of them is about to be deleted.
    let again = || if is_any_ours { keep(&there, journal) } else { Ok(None) };
    let copy = kept.map(|kept| discard(&kept, again, journal));
    Err(SecretsError::Overtaken { secret: lost.name.clone(), copy }.into())
}

/// Deletes the copy of our values, and returns its fate. `again` saves the live values first.
fn discard(
    kept: &KeptCopy,
    again: impl FnOnce() -> Result<Option<KeptCopy>, Failure>,
    journal: &Journal,
) -> UnusedCopy {
    let file = kept.file.clone();
    let replacement = match again() {
        Ok(again) => again.map(|again| again.file),
        Err(why) => {
            let fate = UnusedCopyFate::Kept(why.message());
            return UnusedCopy { file, replacement: None, fate };
        }
    };
    let fate = match kept.discard(journal) {
        Ok(()) => UnusedCopyFate::Deleted,
        Err(why) => UnusedCopyFate::Left(why.message()),
    };
    UnusedCopy { file, replacement, fate }
}

/// Fails unless the values to generate are the planned ones: the operator agreed to those, and
/// another client may have changed the Secrets since.
fn check_planned(
    agreed: &[PlannedSecret],
    to_create: &[Option<PlannedSecret>],
) -> Result<(), SecretsError> {
    let now: Vec<&PlannedSecret> = to_create.iter().flatten().collect();
    let is_new = |planned: &&&PlannedSecret| !agreed.contains(planned);
    let is_gone = |planned: &&PlannedSecret| !now.contains(planned);
    let other = now.iter().find(is_new).copied().or_else(|| agreed.iter().find(is_gone));
    other.map_or(Ok(()), |planned| Err(SecretsError::Changed { secret: planned.key.name.clone() }))
}

/// Returns all generated Secrets, with the new values filled in.
fn fill(
    found: Vec<LiveSecret<'_>>,
    to_create: &[Option<PlannedSecret>],
    instance: &str,
    random: Random,
) -> Result<Vec<(ObjectKey, Secret)>, Failure> {
    let mut whole = Vec::new();
    for (found, planned) in found.into_iter().zip(to_create) {
        let secret = match planned {
            Some(planned) => Some(planned.fill(found.secret, instance, random)?),
            None => found.secret,
        };
        whole.extend(secret.map(|secret| (found.key, secret)));
    }
    Ok(whole)
}

/// Returns whether the live Secret has the same values.
fn is_live(key: &ObjectKey, secret: &Secret, found: &[LiveSecret<'_>]) -> bool {
    let live = found.iter().find(|found| found.key == *key).and_then(|found| found.secret.as_ref());
    live.is_some_and(|live| live.data == secret.data)
}

/// Returns whether any generated value is live.
fn has_any_live(planned: &PlannedSecret, secret: &Secret, found: &[LiveSecret<'_>]) -> bool {
    let live =
        found.iter().find(|found| found.key == planned.key).and_then(|found| found.secret.as_ref());
    let is_live =
        |key: &String| live.is_some_and(|live| live.data.get(key) == secret.data.get(key));
    planned.values.iter().any(|value| is_live(&value.key))
}

fn secret_of<'a>(whole: &'a [(ObjectKey, Secret)], planned: &PlannedSecret) -> &'a Secret {
    let (_, secret) =
        whole.iter().find(|(key, _)| *key == planned.key).expect("each planned Secret was filled");
    secret
}

/// Writes a Secret; returns false after a conflict. The answer to a successful write may have been
/// lost: the retry then finds its own data, and returns true.
fn put(session: &Session, key: &ObjectKey, secret: &Secret) -> Result<bool, Failure> {
    match session.put_secret(key, secret) {
        Ok(_) => Ok(true),
        Err(error) if error.code() == 409 => {
            Ok(session.find_secret(key)?.is_some_and(|live| live.data == secret.data))
        }
        Err(error) => Err(Failure::from(error).hint(format!("while writing {key}"))),
    }
}

/// Writes the sealed values.
fn unseal(
    SecretSources { bundle, opened, .. }: SecretSources<'_>,
    journal: &mut Journal,
) -> Result<(), Failure> {
    for _ in 0..ROUNDS {
        journal.beat()?;
        let sealings = sealed_values::survey(
            live_secrets::read(journal.session(), bundle, Source::Sealed)?,
            bundle,
            opened,
        )?;
        if sealings.is_empty() {
            return Ok(());
        }
        for sealing in &sealings {
            put(journal.session(), &sealing.key, &sealing.secret)?;
        }
    }
    Err(SecretsError::KeepChanging.into())
}
