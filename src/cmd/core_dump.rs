//! Disables core dumps, so that no crash writes keys and secrets from memory to disk.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Every dump is larger than one byte, so none is written to a file. Where dumps are piped to a
/// program, Linux makes none at this very limit; at 0 it would.
const BYTES_MAX: u64 = 1;

/// Disables core dumps of this process and of its children.
pub(super) fn forbid() {
    let maximum = getrlimit(Resource::Core).maximum.map_or(BYTES_MAX, |known| known.min(BYTES_MAX));
    let limit = Rlimit { current: Some(maximum), maximum: Some(maximum) };
    // Lowering a limit is always allowed. If a sandbox forbids even that, the command still works.
    setrlimit(Resource::Core, limit).ok();
}
