//! Secret values in memory.

use zeroize::Zeroizing;

/// The bytes of a secret.
///
/// Without `Debug`, `Clone`, `Display` and `Serialize`, only [`SecretValue::expose`] gives access
/// to them. They are overwritten on drop.
#[derive(PartialEq, Eq)]
pub struct SecretValue(Zeroizing<Vec<u8>>);

impl SecretValue {
    /// Takes ownership of bytes.
    pub fn new(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    /// Returns the bytes, only for comparing them or writing them into a Secret.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Returns a copy: one value is both encrypted for recovery and written to a Secret.
    #[must_use]
    pub fn copied(&self) -> Self {
        Self(Zeroizing::new(self.0.to_vec()))
    }
}
