//! The permissions that the operator gives a run, and how long it waits.

use std::time::Duration;

use super::record::Turn;
use super::secrets::Consent;
use crate::rollout::conflict::Permit;

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
}
