//! Turns a resolved profile into manifests. Pure: no clock, environment, file or cluster.

pub mod redis_conf;
pub mod scripts;
