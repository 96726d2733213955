//! The transport of requests: base address, credentials, TLS, proxy and timeouts.

use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper::rt::{Read, Write};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy::Builder;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::legacy::connect::{Connection, HttpConnector};
use hyper_util::rt::TokioExecutor;
use kube::client::{Body, ClientBuilder, ConfigExt as _};
use kube::{Client, Config};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tower::{BoxError, Service, ServiceBuilder};

use super::authorization;
use super::connect_error::ConnectError;
use super::credentials::Credentials;
use super::kubeconfig::words;
use crate::proxy::{Proxy, Scheme};

/// How long an answer may stall; the call is then repeated.
const READ_TIMEOUT: Duration = Duration::from_secs(20);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long sending a request may stall.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Whether the API server's address uses TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encryption {
    Tls,
    Absent,
}

/// The parts of a client.
pub(super) struct Transport {
    pub(super) config: Config,
    pub(super) tls: ClientConfig,
    pub(super) credentials: Arc<Credentials>,
    pub(super) encryption: Encryption,
    /// Whether the server uses TLS and the user has no credentials for it.
    pub(super) is_anonymous: bool,
}

impl Transport {
    /// Creates a client whose connections use `proxy`, if any.
    pub(super) fn client(self, proxy: Option<&Proxy>) -> Result<Client, ConnectError> {
        let mut direct = HttpConnector::new();
        direct.enforce_http(false);
        let Some(proxy) = proxy else { return self.build(direct) };
        match proxy.scheme {
            Scheme::Http => self.build(tunnel(proxy, direct)),
            Scheme::Https => {
                let inside_tls = self.https(direct)?;
                self.build(tunnel(proxy, inside_tls))
            }
            Scheme::Socks5 => {
                let mut socks = SocksV5::new(proxy.uri(), direct);
                if let Some(login) = &proxy.login {
                    socks = socks.with_auth(login.user.to_string(), login.password.to_string());
                }
                self.build(socks)
            }
        }
    }

    fn https<C>(&self, connector: C) -> Result<HttpsConnector<C>, ConnectError> {
        let builder =
            HttpsConnectorBuilder::new().with_tls_config(self.tls.clone()).https_or_http();
        let builder = match &self.config.tls_server_name {
            None => builder,
            Some(name) => {
                let name = ServerName::try_from(name.clone());
                let name = name.map_err(|_| {
                    ConnectError::Kubeconfig("its tls-server-name is invalid".to_owned())
                })?;
                builder.with_server_name_resolver(FixedServerNameResolver::new(name))
            }
        };
        Ok(builder.enable_http1().wrap_connector(connector))
    }

    fn build<C>(self, connector: C) -> Result<Client, ConnectError>
    where
        C: Service<Uri> + Clone + Send + Sync + 'static,
        C::Response: Connection + Read + Write + Send + Unpin + 'static,
        C::Future: Send + 'static,
        C::Error: Into<BoxError>,
    {
        let mut connector = TimeoutConnector::new(self.https(connector)?);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.set_read_timeout(Some(READ_TIMEOUT));
        connector.set_write_timeout(Some(WRITE_TIMEOUT));
        // The time that a connection was idle does not count as a stall.
        connector.set_reset_reader_on_write(true);
        let sender = Builder::new(TokioExecutor::new()).build::<_, Body>(connector);
        let Self { config, credentials, .. } = self;
        let unusable = |error: kube::Error| ConnectError::Client(words(&error));
        let service = ServiceBuilder::new()
            .layer(config.base_uri_layer())
            .layer(config.extra_headers_layer().map_err(unusable)?)
            .map_request(move |mut request: http::Request<Body>| {
                credentials.sign(request.headers_mut());
                request
            })
            .map_err(BoxError::from)
            .service(sender);
        Ok(ClientBuilder::new(service, config.default_namespace).build())
    }
}

/// Returns a connector through a proxy with `CONNECT`.
fn tunnel<C>(proxy: &Proxy, connector: C) -> Tunnel<C> {
    let tunnel = Tunnel::new(proxy.uri(), connector);
    match &proxy.login {
        None => tunnel,
        Some(login) => tunnel.with_auth(authorization::basic(&login.user, &login.password)),
    }
}
