//! Registry hosts: mirrors, target registries for pushes, and hosts that may be used without TLS.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use http::Uri;

use super::place::RegistryPlace;
use crate::images::reference::{ImageReference, InvalidReference};
use crate::model::printable::shortened;
use crate::model::text::split_registry;

/// The host in the names of Docker Hub images, and the host that serves them.
const DOCKER_HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");

/// A registry without TLS: `HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlainHost(String);

/// A mirror for the images of one registry: `HOST=MIRROR[/PREFIX]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    of: String,
    host: String,
    /// Ends with a slash unless empty.
    prefix: String,
}

/// The registry to push images to, instead of the one in their references: `HOST[/PREFIX]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryPrefix {
    host: String,
    /// Ends with a slash unless empty.
    prefix: String,
}

/// A text that is not a valid registry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHost {
    #[error("`{0}` is not HOST:PORT, such as registry.example.internal:5000")]
    Plain(String),
    #[error(
        "`{0}` is not HOST=MIRROR or HOST=MIRROR/PREFIX, such as ghcr.io=mirror.example.internal:5000/ghcr"
    )]
    Mirror(String),
    #[error("`{0}` is not HOST or HOST/PREFIX, such as registry.example.internal:5000/relay")]
    Prefix(String),
}

impl FromStr for PlainHost {
    type Err = InvalidHost;

    fn from_str(text: &str) -> Result<Self, InvalidHost> {
        let is_host = text.contains(':')
            && !text.contains('/')
            && repository_of(&format!("{text}/x")).is_some();
        is_host.then(|| Self(text.to_owned())).ok_or_else(|| InvalidHost::Plain(shortened(text)))
    }
}

impl FromStr for Mirror {
    type Err = InvalidHost;

    fn from_str(text: &str) -> Result<Self, InvalidHost> {
        let read = || {
            let (of, to) = text.split_once('=')?;
            let (of, rest) = repository_of(&format!("{of}/x"))?;
            let (host, path) = repository_of(&format!("{to}/x"))?;
            let prefix = path.strip_suffix('x')?.to_owned();
            (rest == "x").then_some(Self { of, host, prefix })
        };
        read().ok_or_else(|| InvalidHost::Mirror(shortened(text)))
    }
}

impl FromStr for RegistryPrefix {
    type Err = InvalidHost;

    fn from_str(text: &str) -> Result<Self, InvalidHost> {
        let read = || {
            let (host, path) = repository_of(&format!("{text}/x"))?;
            Some(Self { host, prefix: path.strip_suffix('x')?.to_owned() })
        };
        read().ok_or_else(|| InvalidHost::Prefix(shortened(text)))
    }
}

impl RegistryPrefix {
    /// Returns the reference of the image at this registry, with the same path.
    ///
    /// # Errors
    ///
    /// When the reference becomes too long.
    pub fn place(&self, image: &ImageReference) -> Result<ImageReference, InvalidReference> {
        let tag = image.tag().map(|tag| format!(":{tag}")).unwrap_or_default();
        let placed: ImageReference =
            format!("{}/{}{}{tag}", self.host, self.prefix, image.repository()).parse()?;
        Ok(image.digest().map_or(placed.clone(), |digest| placed.pinned(digest)))
    }
}

impl fmt::Display for RegistryPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.prefix.strip_suffix('/').map(|prefix| format!("/{prefix}"));
        write!(f, "{}{}", self.host, path.unwrap_or_default())
    }
}

impl fmt::Display for PlainHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns the host and path of a reference that contains its registry.
fn repository_of(text: &str) -> Option<(String, String)> {
    let reference: ImageReference = text.parse().ok()?;
    let (registry, path) = split_registry(text);
    let is_repository = reference.tag().is_none() && reference.digest().is_none();
    registry.filter(|_| is_repository).map(|_| (reference.registry().to_owned(), path.to_owned()))
}

/// A repository at the host that serves it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Repository {
    /// The host as it appears in image references.
    pub(super) host: String,
    pub(super) path: String,
}

impl Repository {
    /// Returns the repository of an image, at its registry or a mirror.
    pub(super) fn locate(image: &ImageReference, mirrors: &[Mirror]) -> Self {
        let path = image.repository();
        match mirrors.iter().find(|mirror| mirror.of == image.registry()) {
            None => Self { host: image.registry().to_owned(), path },
            Some(mirror) => {
                Self { host: mirror.host.clone(), path: format!("{}{path}", mirror.prefix) }
            }
        }
    }

    /// Returns the registry as the place of a failure before a request.
    pub(super) fn place(&self) -> RegistryPlace {
        RegistryPlace { host: self.host.clone(), proxy: None }
    }

    /// Returns the host and port to connect to.
    pub(super) fn address(&self) -> &str {
        if self.host == DOCKER_HUB.0 { DOCKER_HUB.1 } else { &self.host }
    }
}

/// Returns whether two references name one repository and tag at one server. Port 443 may be omitted,
/// and Docker Hub has two names; an address and a name of one server count as two.
pub fn is_same_place(one: &ImageReference, other: &ImageReference) -> bool {
    let place = |image: &ImageReference| {
        let repository = Repository::locate(image, &[]);
        let server = repository.address();
        let server = server.strip_suffix(":443").unwrap_or(server).to_owned();
        (server, repository.path, image.tag().map(str::to_owned))
    };
    place(one) == place(other)
}

/// Returns the host of a URI as it appears in image references, with its port unless that is the
/// default.
pub(super) fn host_of(uri: &Uri) -> String {
    let host = uri.host().unwrap_or_default();
    let host = if host == DOCKER_HUB.1 { DOCKER_HUB.0 } else { host };
    uri.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The protocol for a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    Tls,
    /// Plain HTTP, and therefore without credentials.
    Plain,
}

impl Wire {
    /// Returns the protocol of a URL scheme, if it is `https` or `http`.
    pub(super) fn of(uri: &Uri) -> Option<Self> {
        match uri.scheme_str()? {
            "https" => Some(Self::Tls),
            "http" => Some(Self::Plain),
            _ => None,
        }
    }

    pub(super) fn scheme(self) -> &'static str {
        match self {
            Self::Tls => "https",
            Self::Plain => "http",
        }
    }
}

/// The hosts that may be used without TLS: those that the operator lists, and this machine.
pub(super) struct PlainHosts(BTreeSet<PlainHost>);

impl PlainHosts {
    pub(super) fn new(listed: Vec<PlainHost>) -> Self {
        Self(listed.into_iter().collect())
    }

    /// Returns whether the operator listed the host, so that TLS is not tried.
    pub(super) fn lists(&self, address: &str) -> bool {
        self.0.iter().any(|PlainHost(host)| host == address)
    }

    /// Returns whether requests to an `http` URL are allowed.
    pub(super) fn allow(&self, uri: &Uri) -> bool {
        let address = |uri: &Uri| Some(format!("{}:{}", uri.host()?, uri.port_u16().unwrap_or(80)));
        address(uri).is_some_and(|address| is_loopback(&address) || self.lists(&address))
    }
}

/// Returns whether `HOST[:PORT]` is this machine.
pub(super) fn is_loopback(address: &str) -> bool {
    let host = match address.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => address,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_host_has_port_and_nothing_else() {
        assert!("registry.example.internal:5000".parse::<PlainHost>().is_ok());
        assert!("registry:5000".parse::<PlainHost>().is_ok());
        for text in [
            "",
            "registry",
            "registry.example",
            "http://r:5000",
            "r:5000/x",
            "r:0",
            "r:x",
            "a@r:5000",
            ":5000",
        ] {
            assert!(text.parse::<PlainHost>().is_err(), "{text}");
        }
    }

    #[test]
    fn mirror_replaces_host_and_keeps_path() {
        let located = |mirror: &str, image: &str| {
            let repository =
                Repository::locate(&image.parse().unwrap(), &[mirror.parse().unwrap()]);
            format!("{}/{}", repository.address(), repository.path)
        };
        assert_eq!(located("ghcr.io=m.example:5000", "ghcr.io/a/b:1"), "m.example:5000/a/b");
        assert_eq!(located("ghcr.io=m.example/x/y", "ghcr.io/a/b:1"), "m.example/x/y/a/b");
        assert_eq!(located("docker.io=localhost", "redis:8"), "localhost/library/redis");
        assert_eq!(located("index.docker.io=m.example", "redis:8"), "m.example/library/redis");
        assert_eq!(located("ghcr.io=m.example", "redis:8"), "registry-1.docker.io/library/redis");
        assert_eq!(located("ghcr.io=docker.io/me", "ghcr.io/a/b"), "registry-1.docker.io/me/a/b");
    }

    #[test]
    fn server_may_be_spelled_in_several_ways() {
        let same =
            |one: &str, other: &str| is_same_place(&one.parse().unwrap(), &other.parse().unwrap());
        assert!(same("redis:8", "registry-1.docker.io/library/redis:8"));
        assert!(same("index.docker.io/redis:8", "docker.io/library/redis:8"));
        assert!(same("ghcr.io/a/b:1", "ghcr.io:443/a/b:1"));
        for other in ["ghcr.io:5000/a/b:1", "ghcr.io/a/b:2", "ghcr.io/a/c:1", "quay.io/a/b:1"] {
            assert!(!same("ghcr.io/a/b:1", other), "{other}");
        }
    }

    #[test]
    fn prefix_replaces_host_and_keeps_path_tag_and_digest() {
        let digest = "a".repeat(64);
        let placed = |prefix: &str, image: &str| {
            let prefix: RegistryPrefix = prefix.parse().unwrap();
            prefix.place(&image.parse().unwrap()).unwrap().to_string()
        };
        assert_eq!(placed("r.example:5000", "ghcr.io/a/b:1"), "r.example:5000/a/b:1");
        assert_eq!(placed("r.example/x/y", "redis:8"), "r.example/x/y/library/redis:8");
        let pinned = format!("ghcr.io/a/b@sha256:{digest}");
        assert_eq!(placed("localhost/x", &pinned), format!("localhost/x/a/b@sha256:{digest}"));
        for text in
            ["", "r", "r.example/", "r.example/x:1", "https://r.example", "r.example/X", "a/b"]
        {
            assert!(text.parse::<RegistryPrefix>().is_err(), "{text}");
        }
    }

    #[test]
    fn mirror_of_another_form_is_refused() {
        for text in [
            "",
            "a.b",
            "a.b=",
            "=a.b",
            "a.b/c=d.e",
            "a=b.c",
            "a.b=c",
            "a.b=c.d:1:2",
            "a.b=c.d/",
            "a.b=c.d/x:1",
            "a.b=https://c.d",
        ] {
            assert!(text.parse::<Mirror>().is_err(), "{text}");
        }
    }

    #[test]
    fn http_is_allowed_to_this_machine_and_listed_hosts() {
        let hosts = PlainHosts::new(vec![
            "r.example:5000".parse().unwrap(),
            "r.example:80".parse().unwrap(),
        ]);
        let allowed = |uri: &str| hosts.allow(&uri.parse().unwrap());
        for uri in [
            "http://localhost",
            "http://127.0.0.1:5000/v2/",
            "http://127.9.9.9",
            "http://[::1]:5000",
            "http://r.example:5000",
            "http://r.example/x",
        ] {
            assert!(allowed(uri), "{uri}");
        }
        for uri in [
            "http://r.example:5001",
            "http://x.r.example:5000",
            "http://localhost.example",
            "http://10.0.0.1",
        ] {
            assert!(!allowed(uri), "{uri}");
        }
    }
}
