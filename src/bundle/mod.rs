//! The content of a bundle, wherever it is kept: its files, their list, its limits, and how it is
//! read.
//!
//! Pure: names no file system. `docs/format/bundle.md` specifies what these modules implement.

pub mod assemble;
pub mod carried;
pub mod confinement;
pub mod content;
pub mod derive;
mod eviction;
pub mod files;
pub mod index;
pub mod layout;
pub mod limits;
pub mod monitor;
pub mod open;
pub mod posture;
pub mod reach;
pub mod read;
pub mod recipe;
pub mod sealed;
pub mod summary;
pub mod sums;
