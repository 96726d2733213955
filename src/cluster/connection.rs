//! Decides how to connect to a cluster: address, proxy and identity. Sends nothing.

use std::sync::Arc;

use http::Uri;
use http::uri::Scheme;
use kube::Config;

use super::connect_error::ConnectError;
use super::credentials::{self, Credentials};
use super::kubeconfig::{self, KubeContext};
use super::plugin::{Plugin, PluginEnvironment};
use super::tls::{self, ClientCertificate};
use super::transport::{Encryption, Transport};
use crate::proxy::{Proxy, ProxyEnvironment, choose};

/// How to connect to a cluster. Without `Debug`, because a proxy address may contain a password.
#[derive(Clone)]
pub struct ClusterAccess {
    /// The kubeconfig files; earlier ones take precedence.
    pub kubeconfigs: Vec<String>,
    /// The context; `None` for the current one.
    pub context: Option<String>,
    /// The proxy settings of the environment.
    pub proxies: ProxyEnvironment,
    /// The terminal and the clock for credential plugins.
    pub surroundings: PluginEnvironment,
}

/// A resolved connection to a cluster.
pub(super) struct Connection {
    /// The name of the context.
    pub(super) context: String,
    pub(super) namespace: String,
    /// The address of the API server for messages.
    pub(super) server: String,
    pub(super) proxy: Option<Proxy>,
    pub(super) transport: Transport,
}

impl Connection {
    /// Reads the kubeconfig and resolves the connection.
    pub(super) fn decide(access: &ClusterAccess) -> Result<Self, ConnectError> {
        let context = kubeconfig::read(&access.kubeconfigs, access.context.as_deref())?;
        let url = server_url(&context.cluster)?;
        let proxy = choose(&url, context.cluster.proxy_url.as_deref(), &access.proxies)
            .map_err(|error| ConnectError::Proxy(error.to_string()))?;
        let (name, namespace, server) =
            (context.name.clone(), context.namespace.clone(), address(&url));
        let transport = transport(url, context, access.surroundings)?;
        Ok(Self { context: name, namespace, server, proxy, transport })
    }
}

/// Returns the address of the API server. Its scheme defaults to `http`, as in kubectl.
fn server_url(cluster: &kube::config::Cluster) -> Result<Uri, ConnectError> {
    let mistake = |why: &str| ConnectError::Kubeconfig(format!("its cluster has {why}"));
    let server = cluster.server.as_deref().ok_or_else(|| mistake("no server"))?;
    let url = if server.contains("://") { server.to_owned() } else { format!("http://{server}") };
    let url: Option<Uri> = url.parse().ok().and_then(with_port);
    let is_known = |url: &Uri| matches!(url.scheme_str(), Some("http" | "https"));
    url.filter(is_known).ok_or_else(|| {
        mistake("an invalid server; expected an address such as https://10.0.0.1:6443")
    })
}

/// Adds port 80 to an `http` address without a port: the proxy would otherwise connect to 443.
fn with_port(url: Uri) -> Option<Uri> {
    if url.scheme() != Some(&Scheme::HTTP) || url.port().is_some() {
        return Some(url);
    }
    let mut parts = url.into_parts();
    parts.authority = format!("{}:80", parts.authority?.host()).parse().ok();
    Uri::from_parts(parts).ok()
}

/// Returns the TLS settings and credentials for requests. Without TLS, the server is not
/// authenticated, so it receives no credentials.
fn transport(
    url: Uri,
    context: KubeContext,
    surroundings: PluginEnvironment,
) -> Result<Transport, ConnectError> {
    let KubeContext { namespace, cluster, mut user, .. } = context;
    credentials::check(&user)?;
    let encryption =
        if url.scheme() == Some(&Scheme::HTTPS) { Encryption::Tls } else { Encryption::Absent };

    let mut config = Config::new(url);
    config.default_namespace = namespace;
    config.default_retry = false;
    if encryption == Encryption::Tls {
        tls::trust(&mut config, &cluster)?;
    } else {
        credentials::remove_all(&mut user);
    }

    let mut credentials = Credentials::take(&mut user)?;
    let mut certificate = ClientCertificate::take(&mut user);
    if let Some(plugin) = Plugin::take(&mut user, surroundings)? {
        let mut issued = plugin.run()?;
        certificate = issued.certificate.take().map(ClientCertificate::Issued);
        credentials = Credentials::of_plugin(plugin, issued);
    }

    // A server without TLS never receives credentials, so it is not reported as anonymous access.
    let is_anonymous =
        encryption == Encryption::Tls && certificate.is_none() && !credentials.is_given();

    // kube adds the impersonation headers.
    config.auth_info = user;
    let tls = tls::configure(&config, certificate)?;
    Ok(Transport { config, tls, credentials: Arc::new(credentials), encryption, is_anonymous })
}

/// Returns the address of a server without a user name and password.
fn address(url: &Uri) -> String {
    let scheme = url.scheme_str().unwrap_or("http");
    let host = url.host().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{scheme}://{host}{port}{}", url.path().trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_is_shown_without_password() {
        let shown = |url: &str| address(&url.parse().unwrap());

        assert_eq!(shown("https://10.0.0.1:6443"), "https://10.0.0.1:6443");
        assert_eq!(
            shown("https://me:s3cret@[::1]/k8s/clusters/c-1/?x"),
            "https://[::1]/k8s/clusters/c-1"
        );
    }

    #[test]
    fn kubeconfig_server_defaults_to_http() {
        let url = |server: &str| {
            let cluster =
                kube::config::Cluster { server: Some(server.to_owned()), ..Default::default() };
            server_url(&cluster).map(|url| url.to_string()).ok()
        };
        assert_eq!(url("https://10.0.0.1").as_deref(), Some("https://10.0.0.1/"));
        assert_eq!(url("10.0.0.1:6443").as_deref(), Some("http://10.0.0.1:6443/"));
        assert_eq!(url("http://[::1]/k8s").as_deref(), Some("http://[::1]:80/k8s"));
        for server in ["ftp://10.0.0.1", "https://", "https://a b"] {
            assert_eq!(url(server), None, "{server}");
        }
    }
}
