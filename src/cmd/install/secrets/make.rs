//! Writes Secrets. What is generated is kept first; whatever happens between two steps, running again converges.

use camino::Utf8PathBuf;

use super::generated::{self, Found, Making};
use super::{Context, Makings, sealed};
use crate::cluster::Cluster;
use crate::cluster::secret::Secret;
use crate::cmd::failure::Failure;
use crate::cmd::journal::Journal;
use crate::model::object_key::ObjectKey;

/// How often others may be first.
const ROUNDS: usize = 4;

/// Makes everything; returns where the recovery files are.
pub(super) fn make(
    makings: &Makings,
    context: Context<'_>,
    journal: &mut Journal<'_>,
) -> Result<Vec<Utf8PathBuf>, Failure> {
    let files = if makings.generated.is_empty() { Vec::new() } else { generate(makings, context, journal)? };
    if !makings.sealed.is_empty() {
        unseal(context, journal)?;
    }
    Ok(files)
}

/// Generates what is missing. Somebody else may create a Secret meanwhile, or an answer may be lost: what is there then
/// counts, and the copy that is kept is made anew if it is not of that.
fn generate(
    makings: &Makings,
    Context { cluster, bundle, goes_back, .. }: Context<'_>,
    journal: &mut Journal<'_>,
) -> Result<Vec<Utf8PathBuf>, Failure> {
    let mut files = Vec::new();
    let mut kept: Option<Vec<(ObjectKey, Secret)>> = None;
    for _ in 0..ROUNDS {
        journal.beat()?;
        let found = generated::read(cluster, bundle)?;
        let mut to_make = Vec::new();
        for found in &found {
            to_make.push(found.making(bundle, goes_back)?);
        }
        check_planned(makings, to_make.iter().flatten())?;
        let is_done = to_make.iter().all(Option::is_none);
        if is_done && kept.as_ref().is_some_and(|kept| are_live(kept, &found)) {
            return Ok(files);
        }
        let whole = fill(found, &to_make)?;
        if let Some(keeper) = &makings.keeper {
            files.push(keeper.keep(journal, &whole)?);
        }
        let made = whole.iter().zip(&to_make).filter(|(_, making)| making.is_some());
        for ((key, secret), _) in made {
            journal.beat()?;
            if !put(cluster, key, secret)? {
                break;
            }
        }
        kept = Some(whole);
    }
    Err(Failure::world("somebody else keeps changing the Secrets that are generated")
        .hint("find out who, and run the command again: what is there by then counts"))
}

/// What a person has agreed to is made, and nothing else.
fn check_planned<'a>(makings: &Makings, to_make: impl Iterator<Item = &'a Making>) -> Result<(), Failure> {
    for making in to_make {
        let planned = makings.generated.iter().find(|planned| planned.key == making.key);
        let is_planned = |value| planned.is_some_and(|planned| planned.values.contains(value));
        // What is there without it may have lost it.
        let is_damaged = making.is_encryption_key && making.is_there;
        let is_gone = planned.is_some_and(|planned| planned.is_there && !making.is_there);
        if !making.values.iter().all(is_planned) || is_damaged || is_gone {
            return Err(Failure::world(format!("somebody else changed {} meanwhile", making.key))
                .hint("run the command again: it plans with what is there now"));
        }
    }
    Ok(())
}

/// Returns all Secrets as they are to be.
fn fill(found: Vec<Found<'_>>, to_make: &[Option<Making>]) -> Result<Vec<(ObjectKey, Secret)>, Failure> {
    let mut whole = Vec::new();
    for (found, making) in found.into_iter().zip(to_make) {
        let secret = match making {
            Some(making) => Some(making.fill(found.secret)?),
            None => found.secret,
        };
        whole.extend(secret.map(|secret| (found.key, secret)));
    }
    Ok(whole)
}

/// Tells whether what was kept is what is there.
fn are_live(kept: &[(ObjectKey, Secret)], found: &[Found<'_>]) -> bool {
    let live = |key: &ObjectKey| found.iter().find(|found| found.key == *key)?.secret.as_ref();
    kept.iter().all(|(key, secret)| live(key).is_some_and(|live| live.data == secret.data))
}

/// Writes a Secret; false if somebody else was first.
fn put(cluster: &Cluster, key: &ObjectKey, secret: &Secret) -> Result<bool, Failure> {
    match cluster.put_secret(key, secret) {
        Ok(_) => Ok(true),
        Err(error) if error.code() == 409 => Ok(false),
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
        let sealings = sealed::survey(cluster, bundle, opened)?;
        if sealings.is_empty() {
            return Ok(());
        }
        for sealing in &sealings {
            put(cluster, &sealing.key, &sealing.secret)?;
        }
    }
    Err(Failure::world("somebody else keeps changing the Secrets of sealed values")
        .hint("find out who, and run the command again"))
}
