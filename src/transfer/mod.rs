//! Brings images and bundles from place to place.
//!
//! | module | from | to |
//! |---|---|---|
//! | `lock` | the tags in a registry | the digests in `images.lock` |
//! | `fetch` | registries | the store |
//! | `cargo`, `pack` | a bundle and the store | an archive |
//! | `push` | an archive or the store | the registry of a site |
//!
//! `presence` asks registries for the images of a bundle before a rollout. `event` and `meter` are
//! what a transfer reports while it works.

pub mod cargo;
pub mod event;
pub mod fetch;
pub mod lock;
pub mod meter;
pub mod pack;
pub mod presence;
pub mod push;
