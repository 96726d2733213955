//! Whether a bundle may be applied here, given what was accepted before and what is deployed.
//!
//! Deployed content is always accepted: applying it again repairs what runs, and a rollback may
//! have gone back below what was accepted. It is verified as for `rollback`, and leaves what was
//! accepted as it is.

use super::{Accepted, Checked, Origin};
use crate::cmd::args::state::reset_line;
use crate::failure::Failure;
use crate::install::record::Journal;
use crate::rollout::back::ways_back;
use crate::rollout::record::Entry;
use crate::trust::refusal::{Reason, Refusal};
use crate::trust::state::Replay;

/// How a bundle stands to the record.
pub(super) enum Standing {
    /// It is accepted as something new.
    New,
    /// Its content is deployed, and its statement is accepted as something new.
    Deployed,
    /// Its content is deployed; brought in as something new it would be refused, for this reason.
    Excused(String),
    /// The record had it.
    Recorded,
}

impl Standing {
    /// Decides; refuses what is neither acceptable as something new nor deployed.
    pub(super) fn of(checked: &Checked, journal: &Journal<'_>) -> Result<Self, Failure> {
        let Origin::Brought(accepted) = &checked.origin else { return Ok(Self::Recorded) };
        let bundle = &checked.bundle;
        let is_deployed =
            journal.head.deployed().is_some_and(|entry| entry.content_id == bundle.content_id);
        let by_record = refused_by_record(checked, journal);
        let refused = checked.only_if_deployed().or(by_record.as_ref());
        match refused {
            None if is_deployed => Ok(Self::Deployed),
            None => Ok(Self::New),
            Some(refused) if is_deployed => Ok(Self::Excused(refused.to_string())),
            Some(refused) => Err(with_ways_on(refused, accepted, checked, journal)?),
        }
    }

    /// Returns whether the content has run here: values that it generated then, and later ones,
    /// stay.
    pub(super) fn ran_here(&self) -> bool {
        !matches!(self, Self::New)
    }

    /// Returns where the statement is noted as accepted; going back and repairing note nothing.
    pub(super) fn accepted<'a>(&self, origin: &'a Origin) -> Option<&'a Accepted> {
        match (self, origin) {
            (Self::New | Self::Deployed, Origin::Brought(accepted)) => Some(accepted),
            _ => None,
        }
    }

    /// Says what is overlooked because the content is deployed.
    pub(super) fn excused(&self, journal: &Journal<'_>) -> Option<String> {
        let Self::Excused(why) = self else { return None };
        let generation = journal.head.deployed()?.generation;
        Some(format!(
            "{why}; its content is that of generation {generation}, which is deployed: it may be \
             applied again, and the serials that were accepted stay as they are"
        ))
    }
}

fn refused_by_record(checked: &Checked, journal: &Journal<'_>) -> Option<Refusal> {
    let (statement, target) =
        (&checked.bundle.voucher().statement, checked.policy.target.within_cluster());
    let replay = journal.state.check(statement, &target, checked.now).err()?;
    Some(Refusal::from(Reason::Replay(replay)))
}

/// Adds the command that goes back to the content, if it ran here; or, where nothing is installed,
/// those that let it come back to a place that was lost.
fn with_ways_on(
    refusal: &Refusal,
    accepted: &Accepted,
    checked: &Checked,
    journal: &Journal<'_>,
) -> Result<Failure, Failure> {
    let (bundle, refused) = (&checked.bundle, Failure::from(refusal));
    let ran = ways_back(&journal.head).find(|entry| entry.content_id == bundle.content_id);
    if let Some(Entry { generation, .. }) = ran {
        let back = checked.rollback_line(*generation);
        return Ok(refused.hint(format!("it is generation {generation}, which ran here: {back}")));
    }
    if journal.is_there() || !is_only_below(refusal, checked) {
        return Ok(refused);
    }
    let state = accepted.file.read()?;
    let places = state.places_above(&bundle.voucher().statement, &checked.policy.target);
    Ok(places.fold(refused, |refused, place| {
        refused.hint(format!(
            "nothing is installed here: if the installation was lost with its record, and this \
             bundle is to come back, forget what was accepted, and run the command again: {}",
            reset_line(place, &accepted.words)
        ))
    }))
}

/// Returns whether the bundle would be accepted but for a higher serial: only then does forgetting
/// that one help. Two contents with one serial are no lost place, and neither keys nor time come
/// back by a reset.
fn is_only_below(refusal: &Refusal, checked: &Checked) -> bool {
    let is_expired = checked.bundle.voucher().expires.is_some_and(|expires| expires < checked.now);
    matches!(*refusal.reason, Reason::Replay(Replay::Rollback { .. })) && !is_expired
}
