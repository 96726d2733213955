//! The random numbers of the system. Below `cmd`, they are an argument.

use crate::failure::Failure;

/// Fills `bytes` with cryptographically secure random bytes.
///
/// # Errors
///
/// When the system provides none.
pub(super) fn fill(bytes: &mut [u8]) -> Result<(), Failure> {
    getrandom::fill(bytes).map_err(|error| {
        Failure::world(format!("the system cannot provide random numbers: {error}"))
    })
}
