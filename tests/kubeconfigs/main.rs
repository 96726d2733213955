//! Kubeconfigs and environments, with kubectl as the oracle: both programs talk to a server of this
//! test, which records the requests. No control plane is needed.
//!
//! Without kubectl and openssl the tests report that they are skipped; with `CI=true` they fail.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod certificates;
mod clients;
mod credentials;
mod messages;
#[path = "../support/openssl.rs"]
mod openssl;
mod proxies;
mod recorder;
mod table;
#[path = "../support/tools.rs"]
mod tools;
