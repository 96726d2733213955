//! Real Redis servers, started by the rendered script with the rendered configuration.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

#[path = "../support/mod.rs"]
mod support;

mod container;
mod harness;
mod kills;
mod password;
mod probe;
mod volume;
