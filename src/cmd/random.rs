//! Random bytes of the system. Below this folder they are an argument.

use crate::failure::Failure;

/// Fills `bytes` with random ones that nobody can guess.
///
/// # Errors
///
/// When the system has none.
pub(super) fn fill(bytes: &mut [u8]) -> Result<(), Failure> {
    getrandom::fill(bytes)
        .map_err(|error| Failure::world(format!("the system gives no random numbers: {error}")))
}
