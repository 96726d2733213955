//! Why no connection to a cluster can be made.

use super::plugin::PluginError;

/// Why creating a client failed.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("unusable kubeconfig: {0}")]
    Kubeconfig(String),
    /// The proxy of the kubeconfig or the environment is unusable.
    #[error("unusable proxy: {0}")]
    Proxy(String),
    #[error(transparent)]
    Plugin(#[from] PluginError),
    #[error("cannot create the client: {0}")]
    Client(String),
}
