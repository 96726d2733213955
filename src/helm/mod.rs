//! Taking over what Helm installed, as data: what a release is, whose fields are whose, what
//! becomes of each object, and which key the relay runs with.
//!
//! Pure: releases and live objects come in as JSON, and what is to be done goes out as values.
//! Values of secrets are compared and carried here, and never written into a message.

pub mod abandonment;
pub mod disposition;
pub mod encryption_key;
pub mod field_owners;
pub mod redis_volume;
pub mod release;
pub mod values;
