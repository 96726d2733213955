//! Trust: which signatures count, for what, when and where, and that unverified data is not used.

#![expect(clippy::unwrap_used, reason = "in a test an unmet expectation is the failure")]

#[path = "../support/carried.rs"]
mod carried;
mod confusion;
mod content;
mod forbidden;
mod forger;
mod gate;
mod images;
mod order;
mod policy;
#[path = "../support/sealed_files.rs"]
mod sealed_files;
mod situation;
mod state;
mod table;
#[path = "../support/tar.rs"]
mod tar;
mod world;
