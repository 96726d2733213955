//! Where a request failed.

use std::fmt;

/// A host, and the proxy for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryPlace {
    /// Host and port. Without the path, because a signed storage URL contains a credential.
    pub host: String,
    /// The proxy without its login.
    pub proxy: Option<String>,
}

impl fmt::Display for RegistryPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        self.proxy.as_ref().map_or(Ok(()), |proxy| write!(f, " through the proxy {proxy}"))
    }
}
