//! Real Redis servers, started by the rendered script with the rendered configuration.

#[path = "../support/mod.rs"]
mod support;

mod container;
mod harness;
mod kills;
mod password;
mod probe;
mod volume;
