//! Writes Secrets. Saves copies of generated values first, so that a run that was interrupted at
//! any step can be repeated.

use camino::Utf8PathBuf;

use super::found::{self, Found};
use super::generated::Making;
use super::keeper::Kept;
use super::{Context, Makings, Random, sealed};
use crate::bundle::index::Source;
use crate::cluster::Cluster;
use crate::cluster::secret::Secret;
use crate::failure::Failure;
use crate::install::record::Journal;
use crate::model::object_key::ObjectKey;

/// The number of attempts to write sealed values that other clients change concurrently.
const ROUNDS: usize = 4;

/// Writes all Secrets; returns the paths of the recovery files.
pub(super) fn make(
    makings: &Makings,
    context: Context<'_>,
    journal: &mut Journal<'_>,
) -> Result<Vec<Utf8PathBuf>, Failure> {
    let files = if makings.generated.is_empty() {
        Vec::new()
    } else {
        generate(makings, context, journal)?
    };
    if !makings.sealed.is_empty() {
        unseal(context, journal)?;
    }
    Ok(files)
}

/// Generates missing values, and saves copies before it writes them.
///
/// If another client creates or changes one of these Secrets concurrently, this fails, and leaves
/// no copy with other values than the live ones.
fn generate(
    makings: &Makings,
    context: Context<'_>,
    journal: &mut Journal<'_>,
) -> Result<Vec<Utf8PathBuf>, Failure> {
    let Context { cluster, bundle, goes_back, random, .. } = context;
    journal.beat()?;
    let found = found::read(cluster, bundle, Source::Generated)?;
    let mut to_make = Vec::new();
    for found in &found {
        to_make.push(found.making(bundle, goes_back)?);
    }
    check_planned(&makings.generated, &to_make)?;
    let whole = fill(found, &to_make, bundle.index.name.as_str(), random)?;
    let keep = |secrets: &[(ObjectKey, Secret)], journal: &Journal<'_>| {
        makings.keeper.as_ref().map(|keeper| keeper.keep(journal, secrets)).transpose()
    };
    let kept = keep(&whole, journal).map_err(|failure| failure.hint("nothing was generated"))?;
    let made: Vec<(&Secret, &Making)> =
        to_make.iter().flatten().map(|making| (secret_of(&whole, making), making)).collect();
    for (secret, making) in &made {
        journal.beat()?;
        if !put(cluster, &making.key, secret)? {
            break;
        }
    }
    journal.beat()?;
    let found = found::read(cluster, bundle, Source::Generated)?;
    let Some((lost, _)) = whole.iter().find(|(key, secret)| !is_live(key, secret, &found)) else {
        return Ok(kept.into_iter().map(|kept| kept.file).collect());
    };
    let is_any_ours = made.iter().any(|(secret, making)| has_any_live(making, secret, &found));
    let there: Vec<(ObjectKey, Secret)> =
        found.into_iter().filter_map(|found| Some((found.key, found.secret?))).collect();
    // Some of our values are live, and the only copy of them is about to be deleted.
    let again = || if is_any_ours { keep(&there, journal) } else { Ok(None) };
    Err(overtaken(lost, kept.as_ref(), again, journal))
}

/// Returns the error for a concurrent change, and deletes the copy of our values. `again` saves the
/// live values first.
fn overtaken(
    lost: &ObjectKey,
    kept: Option<&Kept>,
    again: impl FnOnce() -> Result<Option<Kept>, Failure>,
    journal: &Journal<'_>,
) -> Failure {
    let failure = Failure::world(format!(
        "{lost} was created or changed by another client during this run: it does not have the \
         generated values"
    ))
    .hint("find out which client; the next run uses the existing values, with a warning");
    let Some(kept) = kept else { return failure };
    let file = &kept.file;
    let failure = match again() {
        Ok(None) => failure,
        Ok(Some(again)) => {
            failure.hint(format!("the existing values are encrypted in {}", again.file))
        }
        Err(why) => {
            return failure.hint(format!(
                "the copy in {file} and the newest copy in the record are wrong for {lost}, and a \
                 correct one could not be created ({}): run relay-bundle secrets backup",
                why.message()
            ));
        }
    };
    match kept.discard(journal) {
        Ok(()) => failure.hint(format!("the copy with the unused values, {file}, was deleted")),
        Err(why) => failure.hint(format!(
            "the copies in {file} and in the record are worthless, but could not be deleted ({})",
            why.message()
        )),
    }
}

/// Fails unless the values to generate are the planned ones: the operator agreed to those, and
/// another client may have changed the Secrets since.
fn check_planned(planned: &[Making], to_make: &[Option<Making>]) -> Result<(), Failure> {
    let now: Vec<&Making> = to_make.iter().flatten().collect();
    let is_new = |making: &&&Making| !planned.contains(making);
    let is_gone = |making: &&Making| !now.contains(making);
    let other = now.iter().find(is_new).copied().or_else(|| planned.iter().find(is_gone));
    other.map_or(Ok(()), |making| {
        Err(Failure::world(format!("{} was changed by another client during this run", making.key))
            .hint("run the command again: it will plan from the current state"))
    })
}

/// Returns all generated Secrets, with the new values filled in.
fn fill(
    found: Vec<Found<'_>>,
    to_make: &[Option<Making>],
    instance: &str,
    random: Random,
) -> Result<Vec<(ObjectKey, Secret)>, Failure> {
    let mut whole = Vec::new();
    for (found, making) in found.into_iter().zip(to_make) {
        let secret = match making {
            Some(making) => Some(making.fill(found.secret, instance, random)?),
            None => found.secret,
        };
        whole.extend(secret.map(|secret| (found.key, secret)));
    }
    Ok(whole)
}

/// Returns whether the live Secret has the same values.
fn is_live(key: &ObjectKey, secret: &Secret, found: &[Found<'_>]) -> bool {
    let live = found.iter().find(|found| found.key == *key).and_then(|found| found.secret.as_ref());
    live.is_some_and(|live| live.data == secret.data)
}

/// Returns whether any generated value is live.
fn has_any_live(making: &Making, secret: &Secret, found: &[Found<'_>]) -> bool {
    let live =
        found.iter().find(|found| found.key == making.key).and_then(|found| found.secret.as_ref());
    let is_live =
        |key: &String| live.is_some_and(|live| live.data.get(key) == secret.data.get(key));
    making.values.iter().any(|value| is_live(&value.key))
}

fn secret_of<'a>(whole: &'a [(ObjectKey, Secret)], making: &Making) -> &'a Secret {
    let (_, secret) =
        whole.iter().find(|(key, _)| *key == making.key).expect("each making was filled");
    secret
}

/// Writes a Secret; returns false after a conflict. The answer to a successful write may have been
/// lost: the retry then finds its own data, and returns true.
fn put(cluster: &Cluster, key: &ObjectKey, secret: &Secret) -> Result<bool, Failure> {
    match cluster.put_secret(key, secret) {
        Ok(_) => Ok(true),
        Err(error) if error.code() == 409 => {
            Ok(cluster.find_secret(key)?.is_some_and(|live| live.data == secret.data))
        }
        Err(error) => Err(Failure::from(error).hint(format!("while writing {key}"))),
    }
}

/// Writes the sealed values.
fn unseal(
    Context { cluster, bundle, opened, .. }: Context<'_>,
    journal: &mut Journal<'_>,
) -> Result<(), Failure> {
    for _ in 0..ROUNDS {
        journal.beat()?;
        let sealings =
            sealed::survey(found::read(cluster, bundle, Source::Sealed)?, bundle, opened)?;
        if sealings.is_empty() {
            return Ok(());
        }
        for sealing in &sealings {
            put(cluster, &sealing.key, &sealing.secret)?;
        }
    }
    Err(Failure::world("another client keeps changing the Secrets of sealed values")
        .hint("find out which client, and run the command again"))
}
