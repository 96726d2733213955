//! Rows that both programs must agree on.

use crate::certificates::Certificates;
use crate::clients::{Client, Given, Site};

/// A kubeconfig, an environment, and what arrives.
pub(crate) struct Row {
    pub(crate) cluster: &'static str,
    pub(crate) user: &'static str,
    pub(crate) environment: &'static [(&'static str, &'static str)],
    /// What the server sees, or `nothing`.
    pub(crate) arrives: &'static str,
    pub(crate) ours: Ours,
}

/// What this program does.
#[derive(Clone, Copy)]
pub(crate) enum Ours {
    AsKubectl,
    /// It refuses, and says this.
    Refuses(&'static str),
}

/// The cluster of the rows that are not about one.
pub(crate) const CLUSTER: &str = "server: 'https://127.0.0.1:{TLS}', certificate-authority: ca.crt";

/// Runs all rows with both programs, side by side, and lists what differs.
pub(crate) fn check(rows: &[Row]) {
    let (Some(certificates), Some(kubectl)) = (Certificates::get(), Client::kubectl()) else {
        return;
    };
    let clients = [kubectl, Client::Ours];
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let clients = &clients;
        let runs: Vec<_> = rows
            .iter()
            .flat_map(|row| clients.iter().map(move |client| (row, client)))
            .map(|(row, client)| scope.spawn(move || difference(row, client, certificates)))
            .collect();
        runs.into_iter().filter_map(|run| run.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Runs a row, and returns what is not as it should be.
fn difference(row: &Row, client: &Client, certificates: &'static Certificates) -> Option<String> {
    let site = Site::new(certificates);
    let given = Given { cluster: row.cluster, user: row.user, environment: row.environment };
    let outcome = site.run(client, given);
    let (wanted, said) = match (client, row.ours) {
        (Client::Ours, Ours::Refuses(why)) => ("nothing", why),
        _ => (row.arrives, ""),
    };
    let is_right = outcome.arrived == wanted && outcome.stderr.contains(said);
    let (cluster, user, environment) = (row.cluster, row.user, row.environment);
    let seen = (outcome.arrived, outcome.stderr);
    (!is_right).then(|| {
        format!(
            "{client:?}: {cluster} | {user} | {environment:?}\n  {seen:?}\n  not {wanted} {said}"
        )
    })
}
