//! The permissions that the operator gives a run, and how long it waits.

use std::time::Duration;

use super::AGAIN;
use super::record::Turn;
use super::secrets::Consent;
use crate::rollout::conflict::Permit;

/// The hint for resuming a run whose plan was approved by its hash.
const PLANNED_AGAIN: &str = "the remaining plan has another hash: review it with --dry-run, and run \
                             it with that hash, or with --yes";

/// The options of a rollout.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether to take over objects that this installation did not create.
    pub adopt: bool,
    /// The fields to take from other owners.
    pub permits: Vec<Permit>,
    pub consent: Consent,
    /// How to proceed when another run holds the lock.
    pub turn: Turn,
    /// How long to wait until everything is ready.
    pub timeout: Duration,
    /// Whether the operator approves only the plan with a certain hash.
    pub is_approved_by_hash: bool,
}

impl Options {
    /// Whether the run only makes a plan.
    pub fn is_dry_run(&self) -> bool {
        self.turn == Turn::Reads
    }

    /// Returns the hint for resuming the run.
    pub(super) fn again(&self) -> &'static str {
        if self.is_approved_by_hash { PLANNED_AGAIN } else { AGAIN }
    }
}
