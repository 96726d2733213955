//! The content of a bundle, wherever it is kept: its files, their list, its limits, and how it is read.
//!
//! Pure: names no file system. `docs/format/bundle.md` specifies what these modules implement.

pub mod files;
pub mod layout;
pub mod limits;
pub mod read;
pub mod sums;
