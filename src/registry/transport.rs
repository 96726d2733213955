//! Sends single HTTP requests: connections, proxies, timeouts, and the hosts that may be used
//! without TLS. Follows no redirect and interprets no status.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderName, Method, Uri};
use ureq::config::Config;
use ureq::tls::TlsConfig;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, BodyReader, ProxyProtocol, SendBody, Timeout};

use super::error::{RegistryFault, RequestFailure};
use super::host::{PlainHosts, Wire, host_of};
use super::place::RegistryPlace;
use super::secrets::SentSecrets;
use super::settings::Timeouts;
use super::tls;
use crate::proxy::{self, Proxy, ProxyEnvironment, Scheme};

/// The `User-Agent` of this program.
const USER_AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));

/// The maximum size of the buffer that is allocated before an answer arrives.
const ROOM_BYTES_MAX: usize = 64 << 10;

/// How long to wait for `100 Continue` before sending a body; not all servers send it.
const CONTINUE: Duration = Duration::from_secs(1);

/// Sends requests.
pub(super) struct HttpTransport {
    tls: TlsConfig,
    proxies: ProxyEnvironment,
    timeouts: Timeouts,
    pub(super) plain_hosts: PlainHosts,
    /// The agents by proxy; each has a connection pool and reads the authorities once.
    agents: Mutex<BTreeMap<Option<String>, Agent>>,
    /// Must be kept out of messages, since any answer can repeat them.
    pub(super) secrets: SentSecrets,
}

/// One request.
pub(super) struct HttpRequest<'a> {
    pub(super) method: Method,
    pub(super) uri: &'a Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: HttpBody<'a>,
}

/// The body of a request.
pub(super) enum HttpBody<'a> {
    Empty,
    Text(&'a str),
    Bytes(&'a [u8]),
    /// The headers contain its length.
    Stream(&'a mut dyn Read),
}

/// The head of an answer; its body is read in pieces.
pub(super) struct HttpAnswer {
    pub(super) place: RegistryPlace,
    pub(super) status: u16,
    headers: HeaderMap,
    body: BodyReader<'static>,
    timeouts: Timeouts,
    /// The limit for the next byte of the answer.
    silence: Duration,
}

impl HttpTransport {
    pub(super) fn new(
        tls: TlsConfig,
        proxies: ProxyEnvironment,
        timeouts: Timeouts,
        plain_hosts: PlainHosts,
    ) -> Self {
        let (agents, secrets) = (Mutex::default(), SentSecrets::default());
        Self { tls, proxies, timeouts, plain_hosts, agents, secrets }
    }

    /// Checks an address that a server returned: no downgrade from TLS, and plain HTTP only to
    /// listed hosts and this machine.
    pub(super) fn check(&self, target: &Uri, from: Option<Wire>) -> Result<(), RegistryFault> {
        match Wire::of(target) {
            Some(Wire::Tls) => Ok(()),
            Some(Wire::Plain) if from != Some(Wire::Tls) && self.plain_hosts.allow(target) => {
                Ok(())
            }
            Some(Wire::Plain) => Err(RegistryFault::PlainHttp { to: host_of(target) }),
            None => Err(RegistryFault::BadRedirect),
        }
    }

    /// Sends a request and returns the head of the answer.
    pub(super) fn send(&self, request: HttpRequest) -> Result<HttpAnswer, RequestFailure> {
        let HttpRequest { method, uri, headers, body } = request;
        let direct = place_of(uri);
        let proxy = proxy::choose(uri, None, &self.proxies)
            .map_err(|error| RegistryFault::from(error).at(&direct))?;
        let place = RegistryPlace { proxy: proxy.as_ref().map(ToString::to_string), ..direct };

        // Only the answer to a large upload may take longer.
        let is_upload = matches!(body, HttpBody::Stream(_));
        let silence = if is_upload { self.timeouts.commit } else { self.timeouts.silence };
        self.secrets.add_request(&headers, proxy.as_ref());
        let failed = |error| why(error, self.timeouts, silence).at(&place);

        let agent = self.agent(proxy.as_ref()).map_err(failed)?;
        let mut sent = http::Request::builder().method(method).uri(uri);
        if let Some(map) = sent.headers_mut() {
            *map = headers;
        }

        let answer = match body {
            HttpBody::Empty => {
                sent.body(()).map_err(ureq::Error::from).and_then(|sent| agent.run(sent))
            }
            HttpBody::Text(text) => {
                sent.body(text).map_err(ureq::Error::from).and_then(|sent| agent.run(sent))
            }
            HttpBody::Bytes(bytes) => {
                sent.body(bytes).map_err(ureq::Error::from).and_then(|sent| agent.run(sent))
            }
            HttpBody::Stream(reader) => {
                let sent = sent.body(SendBody::from_reader(reader)).map_err(ureq::Error::from);
                sent.and_then(|sent| {
                    let sent = agent.configure_request(sent).timeout_recv_response(Some(silence));
                    // The per-read limit applies to the head of an answer as well, and the shorter
                    // limit wins.
                    agent.run(sent.timeout_per_read(Some(silence)).build())
                })
            }
        };

        let (head, body) = answer.map_err(failed)?.into_parts();
        let (status, headers) = (head.status.as_u16(), head.headers);
        Ok(HttpAnswer {
            place,
            status,
            headers,
            body: body.into_reader(),
            timeouts: self.timeouts,
            silence,
        })
    }

    fn agent(&self, proxy: Option<&Proxy>) -> Result<Agent, ureq::Error> {
        let key = proxy.map(ToString::to_string);
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(agent) = agents.get(&key) {
            return Ok(agent.clone());
        }

        let Timeouts { connect, silence, total, .. } = self.timeouts;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(proxy.map(through).transpose()?)
            .tls_config(self.tls.clone())
            .user_agent(USER_AGENT)
            // The digest of a blob covers its bytes without content encoding.
            .accept_encoding("identity")
            .timeout_global(total)
            .timeout_resolve(Some(connect))
            .timeout_connect(Some(connect))
            .timeout_recv_response(Some(silence))
            .timeout_per_read(Some(silence))
            .timeout_per_write(Some(silence))
            .timeout_await_100(Some(CONTINUE.min(silence / 2)))
            .build();
        let agent = Agent::with_parts(
            config,
            DefaultConnector::default(),
            NameResolver(DefaultResolver::default()),
        );

        agents.insert(key, agent.clone());
        Ok(agent)
    }
}

/// Resolves names, and reports a name without an address separately from other network failures.
#[derive(Debug)]
struct NameResolver(DefaultResolver);

impl Resolver for NameResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        self.0.resolve(uri, config, timeout).map_err(|error| match error {
            ureq::Error::Io(_) => ureq::Error::HostNotFound,
            other => other,
        })
    }
}

/// Returns the place of a failure at the server of a URI, without a proxy.
pub(super) fn place_of(uri: &Uri) -> RegistryPlace {
    RegistryPlace { host: host_of(uri), proxy: None }
}

/// Converts a proxy for the client; the exceptions in `NO_PROXY` are applied earlier.
fn through(proxy: &Proxy) -> Result<ureq::Proxy, ureq::Error> {
    let protocol = match proxy.scheme {
        Scheme::Http => ProxyProtocol::Http,
        Scheme::Https => ProxyProtocol::Https,
        // The proxy resolves the name of the registry.
        Scheme::Socks5 => ProxyProtocol::Socks5h,
    };
    let uri = proxy.uri();
    let mut made = ureq::Proxy::builder(protocol).host(uri.host().unwrap_or_default());
    if let Some(port) = uri.port_u16() {
        made = made.port(port);
    }
    if let Some(login) = &proxy.login {
        made = made.username(&login.user).password(&login.password);
    }
    made.build()
}

/// Converts an error; `silence` is the limit for the next byte of the answer.
fn why(error: ureq::Error, timeouts: Timeouts, silence: Duration) -> RegistryFault {
    use ureq::Error as E;
    match error {
        E::Io(error) => {
            tls::failure(&error).unwrap_or_else(|| RegistryFault::Connection(error.to_string()))
        }
        E::Timeout(Timeout::Resolve | Timeout::Connect) => {
            RegistryFault::Silent { limit: timeouts.connect }
        }
        E::Timeout(Timeout::RecvResponse | Timeout::PerRead) => {
            RegistryFault::Silent { limit: silence }
        }
        E::Timeout(_) => RegistryFault::Silent { limit: timeouts.silence },
        E::HostNotFound => RegistryFault::UnknownHost,
        E::Rustls(error) => {
            tls::of(&error).unwrap_or_else(|| RegistryFault::Connection(error.to_string()))
        }
        E::ConnectProxyFailed(said) => RegistryFault::ProxyRefused(said),
        E::Protocol(_) | E::LargeResponseHeader(..) => RegistryFault::NotHttp,
        other => RegistryFault::Connection(other.to_string()),
    }
}

impl HttpAnswer {
    /// Returns the text of a header.
    pub(super) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the texts of a header that may occur several times.
    pub(super) fn all<'a>(&'a self, name: &'a HeaderName) -> impl Iterator<Item = &'a str> {
        self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok())
    }

    /// Reads the next bytes of the body; returns 0 at its end.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, RequestFailure> {
        let read = self.body.read(buffer);
        read.map_err(|error| {
            why(ureq::Error::from(error), self.timeouts, self.silence).at(&self.place)
        })
    }

    /// Reads a whole body of at most `bytes_max` bytes.
    pub(super) fn read_all(&mut self, bytes_max: u64) -> Result<Vec<u8>, RequestFailure> {
        // Allocate enough for any token: a vector that grows leaves copies behind.
        let room = usize::try_from(bytes_max).unwrap_or(usize::MAX).min(ROOM_BYTES_MAX);
        let mut bytes = Vec::with_capacity(room + 1);
        // One byte beyond the limit shows that the body is too large.
        let read = io::Read::by_ref(&mut self.body).take(bytes_max + 1).read_to_end(&mut bytes);
        read.map_err(|error| {
            why(ureq::Error::from(error), self.timeouts, self.silence).at(&self.place)
        })?;
        if bytes.len() as u64 > bytes_max {
            return Err(RegistryFault::TooLarge { bytes_max }.at(&self.place));
        }
        Ok(bytes)
    }
}
