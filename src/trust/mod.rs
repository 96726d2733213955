//! Decides who signed a bundle, and whether their signatures suffice.
//!
//! An attestation is an [`envelope`] around a [`statement`] about the content id, signed by
//! [`key`]s, which are kept in [`key_file`]s. A [`policy`] lists the trusted signers and their
//! grants; a [`state`] keeps the bundles accepted before. From these, [`verify`] makes a verified
//! bundle or a [`refusal`].

pub mod entry;
pub mod envelope;
pub mod findings;
pub mod key;
pub mod key_file;
pub mod passphrase;
mod pem;
mod place;
pub mod policy;
pub mod refusal;
pub mod refusal_codes;
pub mod sign;
mod signers;
pub mod state;
pub mod statement;
pub mod template;
pub mod terms;
pub mod verify;
