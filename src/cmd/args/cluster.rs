//! `--kubeconfig` and `--context` select the cluster. Shared by every command that connects to one.

use std::io::{self, IsTerminal as _};

use camino::Utf8PathBuf;

use crate::cluster::error::CallError;
use crate::cluster::{
    Access, Cluster, ConnectError, Identity, PluginError, PluginFault, Surroundings, Terminal,
};
use crate::cmd::clock;
use crate::failure::refused::untrusted;
use crate::failure::{Failure, FailureKind};
use crate::install::AGAIN;
use crate::proxy::ProxyEnvironment;
use crate::trust::policy::Policy;
use crate::ui::printer::Printer;

/// How to reach the cluster.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Cluster")]
pub struct ClusterArgs {
    /// The kubeconfig [default: $KUBECONFIG, or ~/.kube/config]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<Utf8PathBuf>,
    /// The context in it [default: the current one]
    #[arg(long, value_name = "NAME")]
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
        let access = Access {
            kubeconfigs,
            context: self.context.clone(),
            proxies: proxies(),
            surroundings: surroundings(),
        };
        let cluster = Cluster::connect(&access)?;
        cluster.warnings.iter().for_each(|warning| printer.warn(&warning.to_string()));
        Ok(cluster)
    }
}

/// Reads the cluster's identity, and refuses if the policy is for another cluster.
///
/// # Errors
///
/// When the cluster does not answer, or does not match the policy.
pub fn identify(cluster: &Cluster, policy: &Policy) -> Result<Identity, Failure> {
    let identity = cluster.identity()?;
    match &policy.target.cluster_uid {
        Some(wanted) if *wanted != identity.uid => Err(untrusted(
            "WRONG_TARGET",
            format!(
                "context `{}` is cluster {}, but the policy is for {wanted}",
                cluster.context, identity.uid
            ),
        )
        .hint("pass another context with --context, or the policy of this cluster")),
        _ => Ok(identity),
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
fn surroundings() -> Surroundings {
    let terminal = if io::stdin().is_terminal() { Terminal::Attached } else { Terminal::Absent };
    Surroundings { terminal, clock: || clock::now().ok() }
}

/// Returns the hint for a credential plugin that returned no credentials.
fn plugin_hint(error: &PluginError) -> &'static str {
    match error.why {
        PluginFault::Start(_) => "install it, or correct the user's `exec` in the kubeconfig",
        PluginFault::NoTerminal => {
            "run the command in a terminal, or use another user of the kubeconfig"
        }
        PluginFault::Timeout(_) => {
            "run it by hand: it may wait for a login; log in, and run the same command again (in a \
             terminal it has no deadline, unless the kubeconfig sets `interactiveMode: Never`)"
        }
        _ => "run it by hand to see why, with the arguments of the user's `exec` in the kubeconfig",
    }
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

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Kubeconfig(_) => Self::input(error),
            ConnectError::Proxy(_) => Self::input(error).hint(
                "correct it, or add the API server to NO_PROXY if it is reached without a proxy (a \
                 proxy-url overrides NO_PROXY)",
            ),
            ConnectError::Plugin(ref plugin) => {
                let hint = plugin_hint(plugin);
                Self::world(error).hint(hint)
            }
            ConnectError::Client(_) => Self::world(error),
        }
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        let hint = match &error {
            CallError::Transport(_) => {
                "check the server's address, the network, and the proxy (proxy-url in the kubeconfig, HTTPS_PROXY, NO_PROXY)"
            }
            CallError::TooLarge { .. } => {
                "check the server's address and the proxy (HTTPS_PROXY, NO_PROXY): a proxy may \
                 answer in place of the API server; if it is a list, check whether the namespace \
                 has thousands of objects"
            }
            CallError::Elsewhere { .. } | CallError::Unexpected { .. } => {
                "check the server's address in the kubeconfig (https, port, path) and the proxy \
                 (HTTPS_PROXY, NO_PROXY): a login page or a load balancer may answer in place of \
                 the API server"
            }
            CallError::Certificate(_) => {
                "compare the authority and the client certificate in the kubeconfig with those of \
                 the cluster; a proxy may answer in its place"
            }
            CallError::TlsExpected(_) => {
                "use https:// in the cluster's `server` in the kubeconfig, and add a \
                 certificate-authority"
            }
            CallError::TlsMissing(_) => {
                "check the scheme and the port of the cluster's `server` in the kubeconfig, and \
                 the proxy (proxy-url, HTTPS_PROXY, NO_PROXY)"
            }
            CallError::Plugin(plugin) => plugin_hint(plugin),
            CallError::Unsendable(_) => return Self::world(error),
            CallError::Late(_) | CallError::Interrupted => AGAIN,
            CallError::Status(status) if status.is_namespace_going() => {
                "the namespace is being deleted: wait until it is gone, then run the same command again"
            }
            CallError::Status(status) => match status.code {
                401 | 403 if status.is_anonymous => {
                    "the kubeconfig has no credentials: choose a context whose user has some \
                     (--context), or another file (--kubeconfig)"
                }
                401 => "the kubeconfig's credentials are invalid or expired: renew them",
                _ if status.admission.is_some() => return Self::world(error),
                403 => {
                    "if a permission is missing, apply the Roles printed by `relay-bundle rbac` \
                     (for an upgrade or rollback, pass both bundles: `relay-bundle rbac OLD.tar \
                     NEW.tar`; for an adoption: `relay-bundle rbac --from-helm`)"
                }
                429 | 500.. => {
                    "the server failed: run the same command again when it has recovered"
                }
                _ => return Self::world(error),
            },
        };
        let kind = match error {
            CallError::Interrupted => FailureKind::Interrupted,
            _ => FailureKind::World,
        };
        Self { kind, ..Self::world(error) }.hint(hint)
    }
}
