//! Decides whether a bundle may be applied here, given the accepted releases and the deployed one.
//!
//! Deployed content is always accepted: applying it again repairs drift, and a rollback may have
//! gone below the accepted serial. Such content is verified as for `rollback`, and leaves the
//! accepted serial unchanged.

use super::checked_bundle::{Accepted, BundleOrigin, CheckedBundle};
use super::record::Journal;
use crate::failure::Failure;
use crate::model::command_line::command_line;
use crate::rollout::record::GenerationEntry;
use crate::rollout::rollback_target::ways_back;
use crate::trust::refusal::{Reason, Refusal};
use crate::trust::state::{Place, Replay};

/// How a bundle relates to the record.
pub(super) enum BundleStanding {
    /// It is accepted as a new release.
    New,
    /// Its content is deployed, and its statement is accepted as a new release.
    Deployed,
    /// Its content is deployed. As a new release it would be refused, for this reason.
    Excused(String),
    /// It comes from the record.
    Recorded,
}

impl BundleStanding {
    /// Classifies a bundle. Refuses one that is neither acceptable as a new release nor deployed.
    pub(super) fn of(checked: &CheckedBundle, journal: &Journal) -> Result<Self, Failure> {
        let BundleOrigin::Brought(accepted) = &checked.origin else { return Ok(Self::Recorded) };
        let bundle = &checked.bundle;
        let is_deployed =
            journal.head.deployed().is_some_and(|entry| entry.content_id == bundle.content_id);
        let by_record = refused_by_record(checked, journal);
        let refused = checked.only_if_deployed().or(by_record.as_ref());
        match refused {
            None if is_deployed => Ok(Self::Deployed),
            None => Ok(Self::New),
            Some(refused) if is_deployed => Ok(Self::Excused(refused.to_string())),
            Some(refused) => Err(with_next_steps(refused, accepted, checked, journal)?),
        }
    }

    /// Returns whether the content has run here: generated values, also later ones, are then kept.
    pub(super) fn ran_here(&self) -> bool {
        !matches!(self, Self::New)
    }

    /// Returns where to note the statement as accepted. Rollbacks and repairs are not noted.
    pub(super) fn accepted<'a>(&self, origin: &'a BundleOrigin) -> Option<&'a Accepted> {
        match (self, origin) {
            (Self::New | Self::Deployed, BundleOrigin::Brought(accepted)) => Some(accepted),
            _ => None,
        }
    }

    /// Returns a warning about the refusal that is overruled because the content is deployed.
    pub(super) fn excused(&self, journal: &Journal) -> Option<String> {
        let Self::Excused(why) = self else { return None };
        let generation = journal.head.deployed()?.generation;
        Some(format!(
            "{why}; its content is that of the deployed generation {generation}: it may be applied \
             again, and the accepted serials stay unchanged"
        ))
    }
}

fn refused_by_record(checked: &CheckedBundle, journal: &Journal) -> Option<Refusal> {
    let (statement, target) =
        (&checked.bundle.voucher().statement, checked.policy.target.within_cluster());
    let replay = journal.state.check(statement, &target, checked.now).err()?;
    Some(Refusal::from(Reason::Replay(replay)))
}

/// Adds the command that rolls back to the content, if it ran here. If nothing is installed, adds
/// those that let a lost installation be restored.
fn with_next_steps(
    refusal: &Refusal,
    accepted: &Accepted,
    checked: &CheckedBundle,
    journal: &Journal,
) -> Result<Failure, Failure> {
    let (bundle, refused) = (&checked.bundle, Failure::from(refusal));
    let ran = ways_back(&journal.head).find(|entry| entry.content_id == bundle.content_id);
    if let Some(GenerationEntry { generation, .. }) = ran {
        let back = checked.rollback_line(*generation);
        return Ok(
            refused.hint(format!("it is generation {generation}, which ran here before: {back}"))
        );
    }
    if journal.is_there() || !is_only_below(refusal, checked) {
        return Ok(refused);
    }
    let state = accepted.file.read()?;
    let places = state.places_above(&bundle.voucher().statement, &checked.policy.target);
    Ok(places.fold(refused, |refused, place| {
        refused.hint(format!(
            "nothing is installed here: if the installation was lost, run the same command again \
             after resetting the accepted serial: {}",
            reset_line(place, &accepted.words)
        ))
    }))
}

/// Returns whether only a higher accepted serial stands against the bundle: only then does a reset
/// help. A reset neither admits a second content with the same serial, nor restores keys or time.
fn is_only_below(refusal: &Refusal, checked: &CheckedBundle) -> bool {
    let is_expired = checked.bundle.voucher().expires.is_some_and(|expires| expires < checked.now);
    matches!(*refusal.reason, Reason::Replay(Replay::Rollback { .. })) && !is_expired
}

/// The reason in a printed command line. The operator may replace it.
const LOST: &str = "the installation was lost";

/// Returns the command line that removes the minimum serial of a place. `state` holds the arguments
/// that select the state.
fn reset_line(place: &Place, state: &[String]) -> String {
    let Place { bundle, profile, namespace, site, cluster_uid } = place;
    let own = ["state", "reset", "--bundle", bundle.as_str(), "--profile", profile.as_str()];
    let own = own.into_iter().chain(["--namespace", namespace.as_str()]);
    let site = site.iter().flat_map(|site| ["--site", site.as_str()]);
    let cluster = cluster_uid.iter().flat_map(|uid| ["--cluster-uid", uid.as_str()]);
    let state = state.iter().map(String::as_str);
    command_line(own.chain(site).chain(cluster).chain(["--reason", LOST]).chain(state))
}
