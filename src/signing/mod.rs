//! Signs a bundle where it lies: the statement and its terms, the signatures, and the attestation in
//! a folder, an entry of the store or an archive.

pub mod draft;
pub mod entry;
mod error;
pub mod offline_files;
pub mod releases;
pub mod seen;
pub mod target;
pub mod terms;
