//! Rows on which both programs must agree.

use crate::certificates::Certificates;
use crate::clients::{Client, Given, Site};

/// A kubeconfig, an environment, and the expected request.
pub(crate) struct Row {
    pub(crate) cluster: &'static str,
    pub(crate) user: &'static str,
    pub(crate) environment: &'static [(&'static str, &'static str)],
    /// The request as the server sees it, or `nothing`.
    pub(crate) arrives: &'static str,
    pub(crate) ours: Ours,
}

/// The expected behaviour of this program.
#[derive(Clone, Copy)]
pub(crate) enum Ours {
    AsKubectl,
    /// It refuses with this message.
    Refuses(&'static str),
}

/// The cluster of the rows that test something else.
pub(crate) const CLUSTER: &str = "server: 'https://127.0.0.1:{TLS}', certificate-authority: ca.crt";

/// Runs all rows with both programs concurrently, and lists the differences.
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

/// Runs a row, and returns its difference from the expected result.
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
