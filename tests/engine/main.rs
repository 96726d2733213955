//! Tests of the engine on an API server in memory, without a control plane.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod admission;
mod adopt;
#[path = "../support/api_table/mod.rs"]
mod api_table;
mod bundles;
mod commands;
mod damage;
mod execute;
mod fake;
mod killed;
mod ownership;
mod plan;
mod preflight;
mod record;
mod remove;
mod rollback;
mod scene;
mod secrets;
mod wait;

/// The scenarios that also run on a real control plane, in `tests/cluster/api_scenarios.rs`.
mod table {
    use crate::api_table::{Server, api_tests, client};
    use crate::fake::Fake;

    fn run(name: &str, scenario: fn(&Server)) {
        let fake = Fake::start();
        let kubeconfig = tempfile::NamedTempFile::new().unwrap();
        fs_err::write(kubeconfig.path(), fake.kubeconfig()).unwrap();
        scenario(&Server::new(client(kubeconfig.path().to_str().unwrap()), name));
    }

    api_tests!(run);
}
