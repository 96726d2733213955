//! A file in parts, for media that are too small for it or take no file of its size.
//!
//! An index beside the parts lists their digests, so that a bad copy of one part is found, named
//! and replaced alone. It vouches for nothing: whoever wants to know who made the file verifies the
//! file. `docs/format/bundle.md` specifies the form.

mod index;
mod join;
mod set;
mod split;

pub use self::index::{INDEX_BYTES_MAX, Index, InvalidIndex, PARTS_MAX, Part, SUFFIX, is_part};
pub use self::join::join;
pub use self::set::{BadPart, PartFault, PartSet, Parts, PartsError};
pub use self::split::{SplitError, split};
