//! The machine that a run works on: its clock, randomness and name, and where steps are reported.

use super::event::Observer;
use super::secrets::Random;
use crate::failure::Failure;
use crate::model::timestamp::Timestamp;
use crate::rollout::lock::RecordLock;

/// The machine and its operator.
#[derive(Clone, Copy)]
pub struct Host<'a> {
    pub observe: &'a Observer<'a>,
    pub now: fn() -> Result<Timestamp, Failure>,
    pub random: Random,
    /// Makes the lock for a run of this command.
    pub holder: fn(&str) -> Result<RecordLock, Failure>,
}
