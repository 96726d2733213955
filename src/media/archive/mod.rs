//! The archive: a bundle as one uncompressed `ustar` file with exactly one valid encoding.
//!
//! It has its own reader and writer because tar libraries accept and produce too many variants. The
//! writer emits one header for a given path and size; the reader rebuilds that header and compares
//! all 512 bytes, so links, devices, extensions, non-canonical numbers and duplicates need no
//! separate rules. `docs/format/bundle.md` specifies the format.

mod header;
mod read;
mod target;
mod write;

pub use self::read::{Archive, open, open_file};
pub use self::target::{ArchiveError, ArchiveTarget};
pub use self::write::{WriteError, Writer, size, write};
