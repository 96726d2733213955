//! Logins of registries, as files and helpers provide them.

use serde::Deserialize;
use serde::de::Deserializer;
use zeroize::Zeroizing;

/// A secret text. It has no `Debug`, and is overwritten when dropped.
pub(in crate::registry) struct LoginSecret(pub(in crate::registry) Zeroizing<String>);

impl<'de> Deserialize<'de> for LoginSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

/// A registry login. Without `Debug`.
pub(in crate::registry) enum RegistryLogin {
    Password {
        user: Zeroizing<String>,
        password: Zeroizing<String>,
    },
    /// A token that the token service exchanges for access tokens.
    Identity(Zeroizing<String>),
}
