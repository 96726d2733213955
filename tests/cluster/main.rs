//! `apply` on a real control plane, which this program starts and takes with it.
//!
//! Without the programs of `.ci/cluster-tools` the tests say that they are skipped; with
//! `CI=true` that is a failure.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../support/console.rs"]
mod console;
mod contenders;
mod control_plane;
mod drift;
mod faults;
mod garbage;
mod killed;
mod kubectl;
mod outage;
mod platform;
mod proxy;
mod record;
mod refused;
mod remove;
mod restart;
mod rollback;
mod rollout;
mod secrets;
mod site;
mod started;
mod state;
mod tour;
mod unasked;
mod unready;
mod watcher;
