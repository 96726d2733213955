//! Files in parts, for media that are too small for the file or have a file size limit.
//!
//! An index beside the parts lists their digests, so that a bad copy of one part can be found,
//! named and replaced individually. The index proves nothing about the origin of the file: only
//! `verify` on the whole file does. `docs/format/bundle.md` specifies the format.

mod index;
mod join;
mod part_size;
mod set;
mod split;

pub use self::index::{
    INDEX_BYTES_MAX, InvalidIndex, PARTS_MAX, Part, PartsIndex, SUFFIX, is_part,
};
pub use self::join::join;
pub use self::part_size::PartSize;
pub use self::set::{BadPart, PartFault, PartSet, Parts, PartsError};
pub use self::split::{SplitError, split};
