//! Brings a cluster to the state of a bundle, as data: the plan, the record, and the readiness of
//! objects.
//!
//! Pure: live objects come in as JSON, and decisions go out as values.

pub mod additions;
pub mod back;
pub mod claim;
pub mod conflict;
pub mod copies;
pub mod dropped;
pub mod known;
pub mod live;
pub mod lock;
pub mod packed;
pub mod plan;
pub mod plan_hash;
pub mod pods;
pub mod prune;
pub mod readiness;
pub mod record;
pub mod record_names;
pub mod remedy;
pub mod removal;
pub mod replicas;
pub mod restart;
pub mod rights;
pub mod standing;
pub mod takeover;
pub mod trial;
