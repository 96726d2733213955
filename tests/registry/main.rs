//! Registries that lie, stall and break off: the client talks to servers of this test, which answer
//! from a table and record the requests.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod blobs;
mod certificates;
mod client;
mod command;
mod credentials;
mod docker_hub;
mod echoes;
mod fake;
mod fetches;
mod helpers;
mod images;
mod left_out;
mod manifests;
#[path = "../support/openssl.rs"]
mod openssl;
mod presence;
mod push;
mod retries;
#[path = "../support/site.rs"]
mod site;
mod stub;
mod tags;
#[path = "../support/tar.rs"]
mod tar;
mod tokens;
#[path = "../support/tools.rs"]
mod tools;
mod trust;
mod tunnel;
mod uploads;
mod wires;
