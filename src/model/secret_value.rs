//! The value of a secret, wherever it is in memory.

use zeroize::Zeroizing;

/// The bytes of a secret.
///
/// No `Debug`, `Clone`, `Display` or `Serialize`: [`SecretValue::expose`] is the only way to them.
/// They are overwritten when the value is dropped.
#[derive(PartialEq, Eq)]
pub struct SecretValue(Zeroizing<Vec<u8>>);

impl SecretValue {
    /// Takes over bytes.
    pub fn new(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    /// Returns the bytes, for the few places that compare them or write them into a Secret.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Returns a second copy: what is encrypted for recovery is also written.
    #[must_use]
    pub fn copied(&self) -> Self {
        Self(Zeroizing::new(self.0.to_vec()))
    }
}
