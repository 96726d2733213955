//! Hashes large files on all cores, with memory use independent of their size.
//!
//! Large files whose content is not needed are hashed in parallel by a [`Crew`]; a file that is
//! copied or comes from a pipe is hashed on another thread while it is read ([`start`]). Small
//! files start no thread, and thread scheduling never changes a result.

mod aside;
mod crew;
mod file;

pub use self::aside::start;
pub use self::crew::Crew;
pub use self::file::{FileContent, Stream};

/// Large enough that system calls and handovers cost little compared to SHA-256; fits into a core's
/// own cache.
const BUFFER_BYTES: usize = 256 << 10;

/// The minimum size of a file for the crew: there, SHA-256 takes ten times as long as the handover.
const CREW_BYTES_MIN: u64 = 256 << 10;

/// The minimum size for a separate hashing thread: starting one takes less than a tenth of the
/// hashing time.
const THREAD_BYTES_MIN: u64 = 1 << 20;
