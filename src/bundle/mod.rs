//! The content of a bundle, independent of where it is stored: files, checksums, limits and
//! reading.
//!
//! Pure: no access to the file system. `docs/format/bundle.md` specifies these modules.

pub mod assemble;
mod budget;
pub mod carried;
pub mod compression;
pub mod confinement;
pub mod content;
pub mod derive;
mod eviction;
pub mod fault;
pub mod files;
pub mod index;
pub mod layout;
pub mod limits;
pub mod medium;
pub mod monitor;
pub mod open;
pub mod posture;
pub mod reach;
pub mod read;
pub mod recipe;
pub mod sealed;
pub mod summary;
pub mod sums;
