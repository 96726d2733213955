//! Parses the address of a proxy, including its login.

use std::fmt;

use http::Uri;
use http::uri::Authority;
use zeroize::Zeroizing;

/// The protocol of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `CONNECT` without TLS.
    Http,
    /// `CONNECT` inside TLS.
    Https,
    /// SOCKS 5; the proxy resolves the name of the server.
    Socks5,
}

impl Scheme {
    fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Socks5 => "socks5",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
            Self::Socks5 => 1080,
        }
    }
}

/// A proxy. `Display` and `Debug` omit its login.
#[derive(PartialEq, Eq)]
pub struct Proxy {
    pub scheme: Scheme,
    /// Host and port.
    authority: String,
    pub login: Option<Login>,
}

/// Credentials for a proxy. Without `Debug`.
#[derive(PartialEq, Eq)]
pub struct Login {
    pub user: Zeroizing<String>,
    pub password: Zeroizing<String>,
}

/// Why a text is not a valid proxy address.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Mistake {
    Scheme(String),
    Address,
}

impl Proxy {
    /// Parses `scheme://[user[:password]@]host[:port]`, the format in a kubeconfig.
    pub(super) fn parse(text: &str) -> Result<Self, Mistake> {
        let (scheme, rest) = text.split_once("://").ok_or(Mistake::Address)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            "socks5" => Scheme::Socks5,
            other if is_scheme(other) => return Err(Mistake::Scheme(other.to_owned())),
            _ => return Err(Mistake::Address),
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        // A slash in a password would split it off as a path, and turn the user name into the host.
        if path.contains('@') {
            return Err(Mistake::Address);
        }
        let (login, address) = match authority.rsplit_once('@') {
            Some((login, address)) => (Some(Login::parse(login)?), address),
            None => (None, authority),
        };
        let host: Authority = address.parse().map_err(|_| Mistake::Address)?;
        let port = match address.strip_prefix(host.host()).filter(|_| !host.host().is_empty()) {
            Some("" | ":") => scheme.default_port(),
            Some(port) => port.trim_start_matches(':').parse().map_err(|_| Mistake::Address)?,
            None => return Err(Mistake::Address),
        };
        Ok(Self { scheme, authority: format!("{}:{port}", host.host()), login })
    }

    /// Parses the value of an environment variable: the scheme defaults to `http`, and `socks5h` is
    /// an alias of `socks5`.
    pub(super) fn parse_lenient(text: &str) -> Result<Self, Mistake> {
        match text.split_once("://") {
            None => Self::parse(&format!("http://{text}")),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("socks5h") => {
                Self::parse(&format!("socks5://{rest}"))
            }
            Some(_) => Self::parse(text),
        }
    }

    /// Returns the URI to connect to.
    pub fn uri(&self) -> Uri {
        // The connector supports only these two schemes; the port is always set.
        let scheme = if self.scheme == Scheme::Https { "https" } else { "http" };
        let uri =
            Uri::builder().scheme(scheme).authority(self.authority.as_str()).path_and_query("/");
        uri.build().expect("host and port were read from an authority")
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.name(), self.authority)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Login {
    fn parse(text: &str) -> Result<Self, Mistake> {
        let (user, password) = text.split_once(':').unwrap_or((text, ""));
        let decoded = |text| unescape(text).map(Zeroizing::new).ok_or(Mistake::Address);
        Ok(Self { user: decoded(user)?, password: decoded(password)? })
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// Decodes percent escapes; returns `None` for an invalid escape, or if the result is not UTF-8.
fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        rest = behind;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let digit = |at: usize| char::from(*behind.get(at)?).to_digit(16);
        bytes.push(u8::try_from(digit(0)? * 16 + digit(1)?).ok()?);
        rest = &behind[2..];
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxy_without_scheme_or_port_gets_defaults() {
        for (text, shown) in [
            ("proxy", "http://proxy:80"),
            ("proxy:3128", "http://proxy:3128"),
            ("10.0.0.1:3128/", "http://10.0.0.1:3128"),
            ("HTTP://proxy:", "http://proxy:80"),
            ("https://proxy", "https://proxy:443"),
            ("socks5://proxy", "socks5://proxy:1080"),
            ("socks5h://[::1]", "socks5://[::1]:1080"),
            ("alice:pw@proxy:3128", "http://proxy:3128"),
        ] {
            assert_eq!(Proxy::parse_lenient(text).unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn login_of_proxy_is_unescaped_and_never_shown() {
        let proxy = Proxy::parse("http://al%40ice:p%3aw@d@proxy:3128").unwrap();
        let login = proxy.login.as_ref().unwrap();
        assert_eq!((login.user.as_str(), login.password.as_str()), ("al@ice", "p:w@d"));
        assert_eq!(
            format!("{proxy} {proxy:?} {}", proxy.uri()),
            "http://proxy:3128 http://proxy:3128 http://proxy:3128/"
        );
    }

    #[test]
    fn invalid_address_is_refused() {
        for text in [
            "",
            "http://",
            "http://:3128",
            "http://a b",
            "http://a:b@",
            "http://p:99999",
            "http://p:x",
            "http://%zz@p",
        ] {
            assert!(Proxy::parse_lenient(text).is_err(), "{text}");
        }
    }
}
