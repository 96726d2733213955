//! The edge to image registries: resolves names; fetches, looks up and pushes manifests and blobs.
//! Only this folder uses the HTTP client.
//!
//! | module | decides |
//! |---|---|
//! | `settings`, `host` | the host to use, with or without TLS, and mirrors |
//! | `credentials` | the files and helpers that provide a login |
//! | `challenge`, `token` | how a registry asks for a login, and the answer to it |
//! | `client`, `retry` | login, redirects and retries, by the rules in `redirect` and `range` |
//! | `reply`, `error`, `place`, `remedy`, `failure` | the failure that an answer represents, its place and remedy |
//! | `secrets`, `echo` | which secrets were sent, and what must not be shown because it repeats one |
//! | `transport`, `tls` | a single request: connections, proxies, timeouts, certificates |
//! | `manifest`, `blob` | requests for content, and the checks of the answers |
//! | `presence` | whether a registry has a manifest or blob |
//! | `push`, `upload_body` | uploads, mounts and tags, and whether a body can be sent twice |
//!
//! Calls block. No answer is trusted: bytes are checked against a digest and a size or, where these
//! are not known yet, limited in size.

mod blob;
mod challenge;
mod client;
mod credentials;
mod echo;
pub mod error;
mod failure;
mod host;
mod manifest;
mod place;
mod presence;
mod push;
mod range;
mod redirect;
mod remedy;
mod reply;
mod retry;
mod secrets;
mod settings;
mod tls;
mod token;
mod transport;
mod upload_body;

pub use blob::{BlobRequest, BlobSink};
pub use client::Registry;
pub use credentials::{
    CredentialEnvironment, CredentialError, CredentialFile, CredentialWarning, Presence,
    PullSecretFormat, RegistryCredentials,
};
pub use host::{InvalidHost, Mirror, PlainHost, RegistryPrefix, is_same_place};
pub use manifest::PulledManifest;
pub use presence::Availability;
pub use push::{BlobUpload, MountAnswer, TagTarget, UploadFailure};
pub use settings::{Persistence, RegistrySettings, RegistrySettingsError, Timeouts};
