//! Where a bundle lies: an archive, a file in parts.

pub mod archive;
pub mod parts;
