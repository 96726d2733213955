//! Registries that lie, stall and break off: the client talks to servers of this test, which answer from a table and note
//! what arrives.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod blobs;
mod certificates;
mod client;
mod credentials;
mod images;
mod manifests;
#[path = "../support/openssl.rs"]
mod openssl;
mod retries;
mod stub;
mod tokens;
#[path = "../support/tools.rs"]
mod tools;
mod wires;
