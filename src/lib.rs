//! Reproducible, content-addressed Kubernetes bundles for Claude Relay Service.
//!
//! `ARCHITECTURE.md` explains the modules; `tests/architecture.rs` lists the dependencies allowed
//! between them. Nothing below `cmd` reads the environment, the locale or the time of day; `sealed`
//! alone takes randomness, for age, and `ui` reads `NO_COLOR`. Only `cluster` and `registry` use the
//! network, and they measure their own timeouts.

pub mod age_file;
pub mod build;
pub mod bundle;
pub mod canonical;
pub mod cluster;
pub mod cmd;
pub mod command;
pub mod diff;
pub mod failure;
pub mod fluent_bit;
pub mod fsio;
pub mod hashing;
pub mod helm;
pub mod images;
pub mod install;
pub mod keyring;
pub mod media;
pub mod model;
pub mod profile;
pub mod profile_folder;
pub mod proxy;
pub mod registry;
pub mod render;
pub mod rollout;
pub mod sealed;
pub mod sealing;
pub mod signing;
pub mod state_file;
pub mod store;
pub mod tls_error;
pub mod transfer;
pub mod trust;
pub mod ui;
