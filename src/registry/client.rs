//! Sends requests to registries, with credentials, redirects and retries, for every kind of
//! content.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::header::{AUTHORIZATION, LOCATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

use super::challenge::Challenge;
use super::credentials::RegistryCredentials;
use super::error::{LoginUse, RegistryFault, RequestFailure};
use super::host::{Mirror, PlainHosts, Repository, Wire, is_loopback};
use super::redirect::{self, REDIRECTS_MAX};
use super::reply::{Authorization, RegistryReply, SMALL_BYTES_MAX};
use super::settings::{Persistence, RegistrySettings, RegistrySettingsError};
use super::tls;
use super::token::{basic, request_token};
use super::transport::{HttpBody, HttpRequest, HttpTransport, place_of};
use super::upload_body::CallBody;
use crate::images::reference::ImageReference;

/// A registry client that threads can share. Without `Debug`, because it contains credentials.
pub struct Registry {
    pub(super) transport: HttpTransport,
    credentials: RegistryCredentials,
    mirrors: Vec<Mirror>,
    helper_patience: Duration,
    pub(super) persistence: Persistence,
    pub(super) sleep: Box<dyn Fn(Duration) + Send + Sync>,
    /// The detected protocols of loopback hosts, which may or may not have TLS.
    wires: Mutex<BTreeMap<String, Wire>>,
    /// Authorizations that a registry asked for, sent with all later requests to the repository.
    authorizations: Mutex<BTreeMap<Repository, Authorization>>,
}

/// A request without its body.
pub(super) struct Call {
    method: Method,
    target: CallTarget,
    headers: HeaderMap,
}

/// The target of a call.
enum CallTarget {
    /// A path below a repository, such as `manifests/1`.
    Path(String),
    /// A checked address that the registry returned.
    Address(Uri),
}

/// The first address of a call; only the server of the registry receives the authorization.
#[derive(Clone)]
struct Start {
    uri: Uri,
    is_home: bool,
}

impl Call {
    /// Returns a GET request without headers.
    pub(super) fn get(path: String) -> Self {
        Self::new(Method::GET, path)
    }

    pub(super) fn new(method: Method, path: String) -> Self {
        Self { method, target: CallTarget::Path(path), headers: HeaderMap::new() }
    }

    pub(super) fn to(method: Method, address: Uri) -> Self {
        Self { method, target: CallTarget::Address(address), headers: HeaderMap::new() }
    }

    /// Adds a header.
    pub(super) fn with(mut self, name: HeaderName, value: &str) -> Self {
        let value =
            HeaderValue::from_str(value).expect("our own headers have no control characters");
        self.headers.insert(name, value);
        self
    }
}

impl Registry {
    /// Creates a client and reads the certificates, without sending a request.
    ///
    /// # Errors
    ///
    /// When the certificate file is unreadable, or contains no certificate.
    pub fn new(settings: RegistrySettings) -> Result<Self, RegistrySettingsError> {
        let tls = tls::configure(settings.ca.as_deref())?;
        Ok(Self {
            transport: HttpTransport::new(
                tls,
                settings.proxies,
                settings.timeouts,
                PlainHosts::new(settings.plain_http),
            ),
            credentials: settings.credentials,
            mirrors: settings.mirrors,
            helper_patience: settings.timeouts.helper,
            persistence: settings.persistence,
            sleep: settings.sleep,
            wires: Mutex::default(),
            authorizations: Mutex::default(),
        })
    }

    /// Returns the repository of an image, at its registry or at a mirror.
    pub(super) fn repository(&self, image: &ImageReference) -> Repository {
        Repository::locate(image, &self.mirrors)
    }

    /// Sends a call without a body once, with a token or a login if the registry asks for one.
    pub(super) fn send(
        &self,
        repository: &Repository,
        call: &Call,
    ) -> Result<RegistryReply, RequestFailure> {
        self.send_body(repository, call, &mut CallBody::None)
    }

    /// Same as [`Registry::send`], with a body.
    pub(super) fn send_body(
        &self,
        repository: &Repository,
        call: &Call,
        body: &mut CallBody,
    ) -> Result<RegistryReply, RequestFailure> {
        let wire = self.wire(repository.address());
        let start = start(wire, repository, &call.target);
        let known = self.lock_authorizations().get(repository).cloned();
        let mut first = self.follow(call, &start, known.as_ref(), body)?;
        if first.answer.status != 401 || !first.is_home || body.is_spent() {
            return Ok(first);
        }
        // Authorize only once: a second 401 is final.
        let authorization = self.authorize(repository, wire, &mut first)?;
        let second = self.follow(call, &start, Some(&authorization), body)?;
        if second.answer.status != 401 {
            self.lock_authorizations().insert(repository.clone(), authorization);
        }
        Ok(second)
    }

    /// Obtains the authorization that an answer with status 401 asks for.
    fn authorize(
        &self,
        repository: &Repository,
        wire: Wire,
        refusal: &mut RegistryReply,
    ) -> Result<Authorization, RequestFailure> {
        let challenge = Challenge::choose(refusal.answer.all(&WWW_AUTHENTICATE));
        // Read the answer to its end, so that the connection can be reused.
        let error = refusal.error();
        let place = &refusal.answer.place;

        let login = match wire {
            Wire::Tls => self.credentials.find(repository, self.helper_patience),
            Wire::Plain => Ok(None),
        };
        let login = login.map_err(|error| RegistryFault::from(error).at(place))?;

        let access = match (wire, &login) {
            (Wire::Plain, _) => LoginUse::PlainHttp,
            (Wire::Tls, Some(_)) if challenge.as_ref().is_some_and(Challenge::is_plain) => {
                LoginUse::PlainHttp
            }
            (Wire::Tls, Some(_)) => LoginUse::Credentials,
            (Wire::Tls, None) => LoginUse::Anonymous,
        };
        let header = match challenge {
            None => return Err(RegistryFault::Challenge.at(place)),
            Some(Challenge::Basic) => login.as_ref().and_then(basic),
            Some(Challenge::Bearer(service)) => {
                request_token(&self.transport, place, &service, login.as_ref())?
            }
        };

        let denied = RegistryFault::Denied { code: 401, access, error };
        header.map(|header| Authorization { header, access }).ok_or_else(|| denied.at(place))
    }

    fn lock_authorizations(&self) -> MutexGuard<'_, BTreeMap<Repository, Authorization>> {
        self.authorizations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_wires(&self) -> MutexGuard<'_, BTreeMap<String, Wire>> {
        self.wires.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a call and follows redirects; only the server of the registry receives the
    /// authorization.
    fn follow(
        &self,
        call: &Call,
        start: &Start,
        authorization: Option<&Authorization>,
        body: &mut CallBody,
    ) -> Result<RegistryReply, RequestFailure> {
        let Start { mut uri, mut is_home } = start.clone();

        for _ in 0..=REDIRECTS_MAX {
            let mut headers = call.headers.clone();
            if let Some(Authorization { header, .. }) = authorization.filter(|_| is_home) {
                headers.insert(AUTHORIZATION, header.clone());
            }
            let request = HttpRequest {
                method: call.method.clone(),
                uri: &uri,
                headers,
                body: body.as_http(),
            };
            let mut answer = self.transport.send(request)?;
            let is_safe = matches!(call.method, Method::GET | Method::HEAD);
            if !is_safe || !redirect::is_redirect(answer.status) {
                return Ok(RegistryReply {
                    answer,
                    authorization: authorization.cloned(),
                    is_home,
                });
            }
            let target =
                answer.header(&LOCATION).and_then(|location| redirect::target(&uri, location));
            let target = target.ok_or_else(|| RegistryFault::BadRedirect.at(&answer.place))?;
            self.transport.check(&target, Wire::of(&uri)).map_err(|why| why.at(&answer.place))?;
            is_home &= redirect::is_same_server(&uri, &target);
            // Read the answer to its end, so that the connection can be reused.
            let _ = answer.read_all(SMALL_BYTES_MAX);
            uri = target;
        }
        Err(RegistryFault::RedirectLoop.at(&place_of(&start.uri)))
    }

    /// Returns the URI of a path below a repository.
    pub(super) fn address(&self, repository: &Repository, path: &str) -> Uri {
        uri(self.wire(repository.address()), repository, path)
    }

    /// Returns the protocol for a host: TLS, except for listed hosts. Servers on this machine are
    /// probed.
    fn wire(&self, address: &str) -> Wire {
        if self.transport.plain_hosts.lists(address) {
            return Wire::Plain;
        }
        if !is_loopback(address) {
            return Wire::Tls;
        }
        let known = self.lock_wires().get(address).copied();
        if let Some(wire) = known {
            return wire;
        }
        let found = self.probe(address);
        if let Some(wire) = found {
            self.lock_wires().insert(address.to_owned(), wire);
        }
        found.unwrap_or(Wire::Tls)
    }

    /// Tries TLS and then plain HTTP; returns the first one that the server supports.
    fn probe(&self, address: &str) -> Option<Wire> {
        let ask = |wire: Wire| {
            let uri = format!("{}://{address}/v2/", wire.scheme()).parse().ok()?;
            let request = HttpRequest {
                method: Method::GET,
                uri: &uri,
                headers: HeaderMap::new(),
                body: HttpBody::Empty,
            };
            Some(self.transport.send(request))
        };
        match ask(Wire::Tls)? {
            Ok(_) => Some(Wire::Tls),
            Err(failure) if failure.why.is_of_tls() => Some(Wire::Tls),
            Err(_) => ask(Wire::Plain)?.is_ok().then_some(Wire::Plain),
        }
    }
}

fn start(wire: Wire, repository: &Repository, target: &CallTarget) -> Start {
    match target {
        CallTarget::Path(path) => Start { uri: uri(wire, repository, path), is_home: true },
        CallTarget::Address(address) => {
            let is_home = redirect::is_same_server(&uri(wire, repository, ""), address);
            Start { uri: address.clone(), is_home }
        }
    }
}

fn uri(wire: Wire, repository: &Repository, path: &str) -> Uri {
    let text =
        format!("{}://{}/v2/{}/{path}", wire.scheme(), repository.address(), repository.path);
    text.parse().expect("a reference has only characters that an address may have")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_is_shared_by_threads() {
        fn is_shared<T: Send + Sync>() {}
        is_shared::<Registry>();
    }
}
