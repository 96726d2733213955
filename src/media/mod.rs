//! Where a bundle lies: `medium` opens an archive, a file in parts, a folder or an entry of the
//! store.

pub mod archive;
pub mod medium;
pub mod parts;
