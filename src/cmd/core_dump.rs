//! No core dumps: whatever ends this program, keys and secrets in its memory do not come to a disk.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// One byte is less than any dump has, so none is written to a file; and where dumps go to a
/// program, Linux takes this very limit as a sign to make none, which it does not of 0.
const BYTES_MAX: u64 = 1;

/// Forbids them, for this process and for those that it starts.
pub(super) fn forbid() {
    let maximum = getrlimit(Resource::Core).maximum.map_or(BYTES_MAX, |known| known.min(BYTES_MAX));
    let limit = Rlimit { current: Some(maximum), maximum: Some(maximum) };
    // A limit may always be lowered; where a sandbox forbids even that, the command works all the
    // same.
    setrlimit(Resource::Core, limit).ok();
}
