//! How registries are reached. The environment, the clock and the command line are read by the
//! caller.

use std::time::Duration;

use camino::Utf8PathBuf;

use super::credentials::RegistryCredentials;
use super::host::{Mirror, PlainHost};
use crate::fsio::ReadFileError;
use crate::proxy::ProxyEnvironment;

/// Settings of a [`super::Registry`]. No `Debug`, for they have credentials.
pub struct RegistrySettings {
    pub credentials: RegistryCredentials,
    /// Certificates (PEM) that replace those of the system.
    pub ca: Option<Utf8PathBuf>,
    /// Hosts without TLS.
    pub plain_http: Vec<PlainHost>,
    pub proxies: ProxyEnvironment,
    /// The first one for a host counts.
    pub mirrors: Vec<Mirror>,
    pub timeouts: Timeouts,
    pub persistence: Persistence,
    /// Waits before a request is sent again.
    pub sleep: Box<dyn Fn(Duration) + Send + Sync>,
}

/// Whether a request that failed, and may pass, is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    Retry,
    /// It is not: a person waits for the answer, and can do without.
    Once,
}

/// How long is waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection, with its TLS handshake.
    pub connect: Duration,
    /// For the next byte.
    pub silence: Duration,
    /// For the answer to a large upload: a registry hashes and stores it first.
    pub commit: Duration,
    /// For a credential helper.
    pub helper: Duration,
    /// For a request with its whole answer; none where that may be large.
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

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RegistrySettingsError {
    #[error("cannot read the certificates of registries: {0}")]
    ReadCa(#[from] ReadFileError),
    #[error("`{path}` has no certificate (PEM) that can be used")]
    NoCertificate { path: Utf8PathBuf },
}
