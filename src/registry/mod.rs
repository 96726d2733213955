//! The edge to image registries: names are resolved, manifests and blobs fetched, looked for and
//! pushed. The only folder that knows the HTTP client.
//!
//! | module | decides |
//! |---|---|
//! | `settings`, `host` | which host is asked, with TLS or without, and mirrors |
//! | `credentials` | which files and helpers give a login |
//! | `challenge`, `token` | how a registry asks for it, and what it gets |
//! | `client` | the way of each request: login, redirects, retries; `redirect`, `retry` and `range` hold its rules |
//! | `reply`, `error`, `remedy` | the failure that an answer stands for, and the way out |
//! | `transport`, `tls` | one request: connections, proxies, time limits, certificates |
//! | `manifest`, `blob` | what is asked for, and that it is what was asked for |
//! | `presence` | whether a manifest or blob is there |
//! | `push`, `upload_body` | uploads, mounts and tags, and what can be sent twice |
//!
//! Calls block. No answer is believed: bytes have a digest and a size, and where they have none
//! yet, a limit.

mod blob;
mod challenge;
mod client;
mod credentials;
pub mod error;
mod host;
mod manifest;
mod presence;
mod push;
mod range;
mod redirect;
mod remedy;
mod reply;
mod retry;
mod settings;
mod tls;
mod token;
mod transport;
mod upload_body;

pub use blob::{BlobRequest, BlobSink};
pub use client::Registry;
pub use credentials::{
    CredentialEnvironment, CredentialError, CredentialFile, CredentialWarning, Presence,
    RegistryCredentials,
};
pub use host::{InvalidHost, Mirror, PlainHost, RegistryPrefix};
pub use manifest::PulledManifest;
pub use presence::Availability;
pub use push::{BlobUpload, MountAnswer, TagTarget, UploadFailure};
pub use settings::{Persistence, RegistrySettings, RegistrySettingsError, Timeouts};
