//! Everything about Helm, as data: `values` turns the values of the chart into a profile; the other
//! modules decide about the adoption of a release: its owners of fields, the action for each object,
//! and the encryption key that the relay runs with.
//!
//! Pure: releases and live objects come in as JSON, and decisions go out as values. These modules
//! compare and carry values of Secrets, and never write them into a message.

pub mod abandonment;
pub mod adoption;
pub mod adoption_obstacle;
pub mod disposition;
pub mod encryption_key;
pub mod field_owners;
pub mod identity;
pub mod redis_volume;
pub mod release;
pub mod values;
