//! Failures of connections and calls, with their remedies.

use super::error::CallError;
use super::{ConnectError, PluginError, PluginFault};
use crate::failure::{AGAIN, Failure, FailureKind};

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
