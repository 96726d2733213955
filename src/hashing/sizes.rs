//! The sizes from which more cores pay off.

/// Large enough that system calls and handovers cost little compared to SHA-256; fits into a core's
/// own cache.
pub(super) const BUFFER_BYTES: usize = 256 << 10;

/// The minimum size of a file for the crew: there, SHA-256 takes ten times as long as the handover.
pub(super) const CREW_BYTES_MIN: u64 = 256 << 10;

/// The minimum size for a separate hashing thread: starting one takes less than a tenth of the
/// hashing time.
pub(super) const THREAD_BYTES_MIN: u64 = 1 << 20;
