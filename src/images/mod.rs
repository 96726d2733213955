//! Container images as data: references, platforms, manifests, and the lock that pins tags to
//! digests.
//!
//! Pure. `registry` is the edge that talks to registries; `bundle` carries what is pinned.

mod json;
pub mod layout;
pub mod list;
pub mod lock;
pub mod manifest;
pub mod platform;
pub mod reference;
