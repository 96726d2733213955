//! Brings a cluster to the state of a bundle, as data: the plan, the record, and the readiness of
//! objects.
//!
//! Pure: live objects come in as JSON, and decisions go out as values.

pub mod additions;
pub mod conflict;
pub mod dropped_fields;
pub mod dry_run_pods;
pub mod image_state;
pub mod known_secrets;
pub mod live_object;
pub mod lock;
pub mod object_status;
pub mod obstacle;
pub mod outcome;
pub mod packed_bundle;
pub mod permissions;
pub mod plan;
pub mod plan_hash;
pub mod pods;
pub mod prune;
pub mod pvc;
pub mod readiness;
pub mod record;
pub mod record_names;
pub mod recovery_copies;
pub mod recovery_plan;
pub mod remedy;
pub mod removal;
pub mod replicas;
pub mod restart;
pub mod roles;
pub mod rollback_target;
pub mod takeover;
