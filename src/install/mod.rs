//! The engine that changes a cluster: observes it, plans with [`crate::rollout`], executes the
//! plan, and keeps the record.

pub mod adopt;
pub mod blocked;
pub mod checked;
pub mod comparison;
pub mod event;
pub mod execute;
pub mod garbage;
pub mod generations;
pub mod host;
pub mod observe;
pub mod options;
pub mod ownership;
pub mod pod_dry_run;
pub mod preflight;
pub mod problems;
pub mod record;
pub mod recovery_file;
pub mod remove;
pub mod restart;
pub mod run;
pub mod secrets;
mod standing;
pub mod verified_record;
pub mod wait;

/// The hint for resuming an interrupted run.
pub const AGAIN: &str = "run the same command again: it resumes where it stopped";
