//! The edge to a cluster: connections, credentials, requests and what is tried again. Decides
//! nothing about objects.
//!
//! Bodies are bytes and answers are JSON: what was verified is what is sent. Calls block; the
//! runtime below them is an inner matter of this folder.

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
