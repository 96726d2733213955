//! The edge to a cluster: connections, credentials, requests and retries. Makes no decision about
//! objects.
//!
//! Bodies are bytes and answers are JSON: the verified bytes are sent unchanged. Calls block; the
//! async runtime is an implementation detail of this folder.

mod answer;
mod authorization;
mod body;
mod client;
mod connect_error;
mod connection;
mod credentials;
pub mod error;
mod failure;
mod files;
mod handshake;
mod kubeconfig;
mod outage;
mod plugin;
pub mod request;
pub mod resource;
mod retry;
pub mod secret;
mod sending;
mod session;
mod signals;
mod tls;
mod transport;
mod write;

pub use client::{Cluster, ClusterIdentity};
pub use connect_error::ConnectError;
pub use connection::ClusterAccess;
pub use outage::{Outage, OutageObserver};
pub use plugin::{PluginEnvironment, PluginError, PluginFault, Terminal};
pub use session::Session;
pub use write::Write;
