//! Container images as data: references, platforms, manifests, and the lock that pins tags to
//! digests.
//!
//! Pure. `registry` talks to registries; `bundle` carries the pinned images.

mod json;
pub mod layout;
pub mod list;
pub mod lock;
pub mod manifest;
pub mod mirror;
pub mod platform;
pub mod reference;
pub mod summary;
