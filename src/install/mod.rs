//! The engine that changes a cluster: observes it, plans with [`crate::rollout`], executes the
//! plan, and keeps the record.

pub mod adopt;
pub mod blocked_plan;
pub mod change;
pub mod checked_bundle;
pub mod comparison;
pub mod deletion;
pub mod event;
pub mod execution;
pub mod garbage;
pub mod generations;
pub mod host;
pub mod images;
pub mod installations;
pub mod observation;
pub mod options;
pub mod ownership;
pub mod pod_dry_run;
pub mod preflight;
pub mod problems;
pub mod record;
pub mod removal;
pub mod restart;
pub mod rollback;
pub mod rollout;
pub mod run;
pub mod secrets;
pub mod secrets_init;
mod standing;
pub mod verified_record;
pub mod wait;

use crate::failure::AGAIN;
