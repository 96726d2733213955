//! Taking over what Helm installed, as data: what a release is, whose fields are whose, what
//! becomes of each object, and which key the relay runs with.
//!
//! Pure: releases and live objects come in as JSON, and what is to be done goes out as values.
//! Values of secrets are compared and carried here, and never written into a message.

pub mod abandon;
pub mod claims;
pub mod fate;
pub mod fields;
pub mod keys;
pub mod release;
