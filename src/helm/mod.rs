//! Adoption of a Helm release, as data: the release, the owners of fields, the action for each
//! object, and the encryption key that the relay runs with.
//!
//! Pure: releases and live objects come in as JSON, and decisions go out as values. These modules
//! compare and carry values of Secrets, and never write them into a message.

pub mod abandonment;
pub mod disposition;
pub mod encryption_key;
pub mod field_owners;
pub mod redis_volume;
pub mod release;
pub mod values;
