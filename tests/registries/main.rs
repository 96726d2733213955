//! Images against real registries, containerd and skopeo: the behaviour on which the program
//! relies, and the program itself.
//!
//! Without these programs the tests report that they are skipped; with `CI=true` they fail.
#![allow(clippy::duplicate_mod, reason = "bundles and registries have images of their own")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod carried;
mod check;
mod credentials;
mod fetch;
mod garbage;
mod hosts;
mod killed;
mod lock;
mod mirror;
mod node;
#[path = "../support/oci/mod.rs"]
mod oci;
#[path = "../support/openssl.rs"]
mod openssl;
mod page;
mod push;
mod push_faults;
mod scene;
mod served;
#[path = "../support/site.rs"]
mod site;
mod tap;
#[path = "../support/tar.rs"]
mod tar;
mod together;
#[path = "../support/tools.rs"]
mod tools;
mod workplace;
