//! The record of an installation in the cluster: ConfigMaps with a head, which holds the lock, and
//! one per generation.

mod error;
mod journal;
mod lock;
mod writes;

pub use error::JournalError;
pub use journal::Journal;
pub use lock::{Turn, release_after};
