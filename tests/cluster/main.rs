//! `apply` on a real control plane, which this program starts and takes with it.
//!
//! Without the programs of `.ci/cluster-tools` the tests say that they are skipped; with
//! `CI=true` that is a failure.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod contenders;
mod control_plane;
mod faults;
mod killed;
mod proxy;
mod refused;
mod rollout;
mod secrets;
mod site;
mod started;
mod state;
mod unasked;
mod unready;
mod watcher;
