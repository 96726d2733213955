//! `--kubeconfig` and `--context` select the cluster. Shared by every command that connects to one.

use std::io::{self, IsTerminal as _};
use std::sync::Arc;

use camino::Utf8PathBuf;

use crate::cluster::{Cluster, ClusterAccess, Outage, PluginEnvironment, Terminal};
use crate::cmd::clock;
use crate::failure::Failure;
use crate::proxy::ProxyEnvironment;
use crate::ui::printer::Printer;

const HEADING: &str = "Cluster";
const UNVERIFIED: &str = "the certificate of the API server is not verified: the kubeconfig has \
                          insecure-skip-tls-verify";

/// How to reach the cluster.
#[derive(Debug, clap::Args)]
pub struct ClusterArgs {
    /// The kubeconfig [default: $KUBECONFIG, or ~/.kube/config]
    #[arg(long, value_name = "FILE", help_heading = HEADING)]
    kubeconfig: Option<Utf8PathBuf>,
    /// The context in it [default: the current one]
    #[arg(long, value_name = "NAME", help_heading = HEADING)]
    context: Option<String>,
}

impl ClusterArgs {
    /// Returns the arguments of a command line that selects the same cluster.
    pub(in crate::cmd) fn words(&self) -> Vec<String> {
        let kubeconfig =
            self.kubeconfig.iter().flat_map(|path| ["--kubeconfig".to_owned(), path.to_string()]);
        let context = self.context.iter().flat_map(|name| ["--context".to_owned(), name.clone()]);
        kubeconfig.chain(context).collect()
    }

    /// Creates a client, and warns of suspicious settings. Sends nothing yet.
    ///
    /// # Errors
    ///
    /// When no kubeconfig exists, or it cannot be used.
    pub(in crate::cmd) fn connect(&self, printer: &Printer) -> Result<Cluster, Failure> {
        let kubeconfigs = match &self.kubeconfig {
            Some(path) => vec![path.to_string()],
            None => kubeconfigs()?,
        };
        let access = ClusterAccess {
            kubeconfigs,
            context: self.context.clone(),
            proxies: proxies(),
            surroundings: surroundings(),
        };
        let told = printer.clone();
        let observe = Arc::new(move |outage: &Outage| told.say(&outage.to_string()));
        let cluster = Cluster::connect(&access)?.observed_by(observe);
        if cluster.is_unverified {
            printer.warn(UNVERIFIED);
        }
        Ok(cluster)
    }
}

/// Returns the proxy settings of the environment. The uppercase variable wins.
#[expect(clippy::disallowed_methods, reason = "the one place that asks for proxies")]
pub(in crate::cmd) fn proxies() -> ProxyEnvironment {
    let first_of = |names: [&str; 2]| {
        names.iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    };
    ProxyEnvironment {
        https: first_of(["HTTPS_PROXY", "https_proxy"]),
        http: first_of(["HTTP_PROXY", "http_proxy"]),
        exceptions: first_of(["NO_PROXY", "no_proxy"]),
    }
}

/// Returns the terminal and clock that credential plugins depend on.
fn surroundings() -> PluginEnvironment {
    let terminal = if io::stdin().is_terminal() { Terminal::Attached } else { Terminal::Absent };
    PluginEnvironment { terminal, clock: || clock::now().ok() }
}

/// Returns the existing kubeconfigs, or an error with the places that were searched.
#[expect(clippy::disallowed_methods, reason = "the one place that asks where kubeconfigs are")]
fn kubeconfigs() -> Result<Vec<String>, Failure> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let (tried, from): (Vec<String>, _) = match (variable("KUBECONFIG"), variable("HOME")) {
        (Some(list), _) => (
            list.split(':').filter(|path| !path.is_empty()).map(str::to_owned).collect(),
            " ($KUBECONFIG)",
        ),
        (None, Some(home)) => (vec![format!("{home}/.kube/config")], ""),
        (None, None) => (Vec::new(), ""),
    };
    let there: Vec<String> =
        tried.iter().filter(|path| camino::Utf8Path::new(path).exists()).cloned().collect();
    if !there.is_empty() {
        return Ok(there);
    }
    let places: Vec<String> = tried.iter().map(|path| format!("`{path}`")).collect();
    let place = if places.is_empty() {
        String::new()
    } else {
        format!(" at {}{from}", places.join(" or "))
    };
    Err(Failure::input(format!("no cluster selected: no kubeconfig{place}"))
        .hint("pass one: --kubeconfig FILE"))
}
