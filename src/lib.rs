//! Reproducible, content-addressed Kubernetes bundles of Claude Relay Service.
//!
//! Modules stand in layer order: a module uses only modules above it (`tests/architecture.rs` checks).
//! Nothing below `cmd` reads the clock, the environment, randomness, the locale or the network.

pub mod canonical;
pub mod model;
pub mod fluent_bit;
pub mod profile;
pub mod render;
pub mod bundle;
pub mod fsio;
pub mod archive;
pub mod store;
pub mod ui;
pub mod cmd;
