//! The media of bundles: `medium` opens an archive, an archive in parts, a folder, or a store
//! entry.

pub mod archive;
pub mod medium;
pub mod parts;
