//! Counts the bytes of a transfer.

/// Receives the progress of a transfer.
pub trait Meter {
    /// Adds bytes that were transferred.
    fn advance(&mut self, bytes: u64);

    /// Subtracts bytes that must be transferred again.
    fn retreat(&mut self, bytes: u64);
}
