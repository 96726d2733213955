//! The edge to a cluster: connections, credentials, requests and retries. Makes no decision about
//! objects.
//!
//! Bodies are bytes and answers are JSON: the verified bytes are sent unchanged. Calls block; the
//! async runtime is an implementation detail of this folder.

mod body;
mod client;
mod connection;
mod credentials;
pub mod error;
mod files;
mod handshake;
mod kubeconfig;
mod plugin;
pub mod request;
pub mod resource;
pub mod retry;
pub mod secret;
mod signals;
mod tls;
mod transport;

pub use client::{Cluster, Identity};
pub use connection::{Access, ConnectError, ConnectWarning};
pub use plugin::{PluginError, PluginFault, Surroundings, Terminal};
