//! Settings for registry access. The caller reads the environment, the clock and the command line.

use std::time::Duration;

use camino::Utf8PathBuf;

use super::credentials::RegistryCredentials;
use super::host::{Mirror, PlainHost};
use crate::fsio::ReadFileError;
use crate::proxy::ProxyEnvironment;

/// Settings of a [`super::Registry`]. Without `Debug`, because they contain credentials.
pub struct RegistrySettings {
    pub credentials: RegistryCredentials,
    /// PEM certificates that replace the system's.
    pub ca: Option<Utf8PathBuf>,
    /// Hosts without TLS.
    pub plain_http: Vec<PlainHost>,
    pub proxies: ProxyEnvironment,
    /// The first match for a host applies.
    pub mirrors: Vec<Mirror>,
    pub timeouts: Timeouts,
    pub persistence: Persistence,
    /// Waits before a retry.
    pub sleep: Box<dyn Fn(Duration) + Send + Sync>,
}

/// Whether to retry a request after a temporary failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    Retry,
    /// Do not retry: a user waits for the answer and can continue without it.
    Once,
}

/// The time limits of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// The limit for a connection and its TLS handshake.
    pub connect: Duration,
    /// The limit for the next byte.
    pub silence: Duration,
    /// The limit for the answer to a large upload: the registry hashes and stores it first.
    pub commit: Duration,
    /// The limit for a credential helper.
    pub helper: Duration,
    /// The limit for a request including its whole answer; `None` if the answer may be large.
    pub total: Option<Duration>,
}

impl Default for Timeouts {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            connect: seconds(10),
            silence: seconds(60),
            commit: seconds(600),
            helper: seconds(10),
            total: None,
        }
    }
}

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RegistrySettingsError {
    #[error("cannot read the certificates of registries: {0}")]
    ReadCa(#[from] ReadFileError),
    #[error("`{path}` has no certificate (PEM) that can be used")]
    NoCertificate { path: Utf8PathBuf },
}
