//! Who vouches for a bundle, and whether that is enough.
//!
//! An attestation is an [`envelope`] around a [`statement`] about the content id, signed by [`key`]s.

pub mod envelope;
pub mod key;
pub mod key_file;
pub mod passphrase;
pub mod sign;
pub mod statement;
