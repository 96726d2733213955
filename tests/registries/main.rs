//! Behaviour of real registries, containerd and skopeo that the program relies on.
//!
//! Without these programs the tests say that they are skipped; with `CI=true` that is a failure.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../support/carried.rs"]
mod carried;
mod garbage;
mod node;
#[path = "../support/oci/mod.rs"]
mod oci;
mod push;
mod served;
#[path = "../support/site.rs"]
mod site;
#[path = "../support/tar.rs"]
#[allow(dead_code, reason = "these tests only write archives")]
mod tar;
#[path = "../support/tools.rs"]
mod tools;
