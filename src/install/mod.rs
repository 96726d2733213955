//! The engine that changes a cluster: observes it, plans with [`crate::rollout`], executes the
//! plan, and keeps the record.

pub mod adopt;
pub mod comparison;
pub mod event;
pub mod execute;
pub mod generations;
pub mod observe;
pub mod ownership;
pub mod pod_dry_run;
pub mod preflight;
pub mod problems;
pub mod record;
pub mod recovery_file;
pub mod secrets;
pub mod verified_record;
pub mod wait;
