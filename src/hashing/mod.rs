//! Hashes large files on all cores, with memory that does not depend on their size.
//!
//! Whole files that nobody wants to see are hashed beside each other by a [`Crew`]; a file that is
//! copied, or comes through a pipe, is hashed by one more thread while it is read ([`start`]).
//! Small files start no thread, and which thread is faster changes no result.

mod aside;
mod crew;
mod file;

pub use self::aside::start;
pub use self::crew::Crew;
pub use self::file::{FileContent, Stream};

/// Large enough that system calls and hand-overs cost little beside SHA-256; fits a core's own
/// cache.
const BUFFER_BYTES: usize = 256 << 10;

/// From this size on, a file is hashed by the crew: SHA-256 takes ten times as long as handing it
/// over.
const CREW_BYTES_MIN: u64 = 256 << 10;

/// From this size on, a file gets a thread of its own while it is read; to start one takes less
/// than a tenth.
const THREAD_BYTES_MIN: u64 = 1 << 20;
