//! The archive: a bundle as one file, an uncompressed `ustar` with exactly one spelling.
//!
//! Our own reader and writer, since libraries accept and produce too much. The writer knows one
//! header for a path and a size; the reader builds that header again and compares all 512 bytes, so
//! links, devices, extensions, odd numbers and duplicates need no rule of their own.
//! `docs/format/bundle.md` specifies the form.

mod header;
mod read;
mod write;

pub use self::read::{Archive, open, open_file};
pub use self::write::{WriteError, Writer, size, write};
