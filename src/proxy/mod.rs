//! Selects the proxy for an API server or a registry, by the rules of kubectl.
//!
//! Pure: the environment variables are passed as data.
//!
//! | decided by | proxy |
//! |---|---|
//! | the cluster's `proxy-url` in the kubeconfig | that one, regardless of `NO_PROXY` |
//! | a server that is `localhost` or a loopback address | none |
//! | an entry of `NO_PROXY` (or `no_proxy`) that matches the server | none |
//! | `HTTPS_PROXY` or `https_proxy`; for `http`, `HTTP_PROXY` or `http_proxy` | that one |
//! | nothing | none |

mod address;
mod no_proxy;

pub use address::{Login, Proxy, Scheme};
use http::Uri;
use no_proxy::NoProxy;

use self::address::Mistake;

/// The proxy settings of the environment; an empty variable counts as unset. Without `Debug`,
/// because they may contain passwords.
#[derive(Clone, Default)]
pub struct ProxyEnvironment {
    /// `HTTPS_PROXY`, or else `https_proxy`.
    pub https: Option<String>,
    /// `HTTP_PROXY`, or else `http_proxy`.
    pub http: Option<String>,
    /// `NO_PROXY`, or else `no_proxy`.
    pub exceptions: Option<String>,
}

/// An unusable proxy setting. Its value is not shown, because it may contain a password.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    #[error("{setting} is not the address of a proxy, such as http://proxy.example.com:3128")]
    Address { setting: &'static str },
    #[error("unsupported scheme `{scheme}` in {setting}: use http, https or socks5")]
    Scheme { setting: &'static str, scheme: String },
}

/// Returns the proxy for `server`, or `None` for a direct connection.
///
/// # Errors
///
/// When the deciding setting is not a valid proxy address.
pub fn choose(
    server: &Uri,
    proxy_url: Option<&str>,
    environment: &ProxyEnvironment,
) -> Result<Option<Proxy>, ProxyError> {
    let told = |setting| {
        move |mistake| match mistake {
            Mistake::Scheme(scheme) => ProxyError::Scheme { setting, scheme },
            Mistake::Address => ProxyError::Address { setting },
        }
    };
    if let Some(url) = proxy_url {
        return Proxy::parse(url).map(Some).map_err(told("proxy-url"));
    }
    let is_https = server.scheme() == Some(&http::uri::Scheme::HTTPS);
    let (setting, value, default_port) = if is_https {
        ("HTTPS_PROXY", &environment.https, 443)
    } else {
        ("HTTP_PROXY", &environment.http, 80)
    };
    let Some(value) = value else { return Ok(None) };
    let (host, port) =
        (server.host().unwrap_or_default(), server.port_u16().unwrap_or(default_port));
    if NoProxy::parse(environment.exceptions.as_deref().unwrap_or_default()).matches(host, port) {
        return Ok(None);
    }
    Proxy::parse_lenient(value).map(Some).map_err(told(setting))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(https: &str, exceptions: &str) -> ProxyEnvironment {
        let given = |value: &str| Some(value.to_owned()).filter(|value| !value.is_empty());
        ProxyEnvironment { https: given(https), http: None, exceptions: given(exceptions) }
    }

    fn shown(server: &str, proxy_url: Option<&str>, environment: &ProxyEnvironment) -> String {
        match choose(&server.parse().unwrap(), proxy_url, environment) {
            Ok(proxy) => proxy.map_or("direct".to_owned(), |proxy| proxy.to_string()),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn proxy_url_of_kubeconfig_wins_whatever_no_proxy_says() {
        for exceptions in ["localhost,127.0.0.1", "*", "api.example.internal"] {
            let environment = environment("http://other:1", exceptions);
            for server in ["https://api.example.internal:6443", "https://127.0.0.1:6443"] {
                let shown = shown(server, Some("http://127.0.0.1:3128"), &environment);
                assert_eq!(shown, "http://127.0.0.1:3128");
            }
        }
    }

    #[test]
    fn environment_proxy_is_used_unless_no_proxy_matches() {
        let table = [
            ("https://api.example.internal:6443", "", "http://proxy:3128"),
            ("https://api.example.internal:6443", ".example.internal", "direct"),
            ("https://10.1.2.3:6443", "10.0.0.0/8", "direct"),
            ("https://10.1.2.3:6443", "proxy,11.0.0.0/8", "http://proxy:3128"),
            ("https://api.example.com", "api.example.com:443", "direct"),
            ("https://api.example.com", "api.example.com:6443", "http://proxy:3128"),
        ];
        for (server, exceptions, wanted) in table {
            let shown = shown(server, None, &environment("proxy:3128", exceptions));
            assert_eq!(shown, wanted, "{server} {exceptions}");
        }
    }

    #[test]
    fn loopback_bypasses_environment_proxy() {
        for server in [
            "https://127.0.0.1:6443",
            "https://127.8.9.1",
            "https://[::1]:6443",
            "https://localhost",
        ] {
            assert_eq!(shown(server, None, &environment("http://proxy:3128", "")), "direct");
        }
    }

    #[test]
    fn proxy_variable_is_chosen_by_server_scheme() {
        let both = ProxyEnvironment {
            https: Some("http://secure:1".to_owned()),
            http: Some("http://plain:1".to_owned()),
            exceptions: None,
        };
        assert_eq!(shown("https://api.example.com", None, &both), "http://secure:1");
        assert_eq!(shown("http://api.example.com", None, &both), "http://plain:1");
        assert_eq!(
            shown("http://api.example.com", None, &environment("http://secure:1", "")),
            "direct"
        );
    }

    #[test]
    fn unusable_proxy_is_told_without_its_value() {
        let none = ProxyEnvironment::default();
        let of_kubeconfig = |url| shown("https://api.example.com", Some(url), &none);
        let of_environment = |url| shown("https://api.example.com", None, &environment(url, ""));
        for url in [
            "s3cret",
            "http://a:s3cret@",
            "socks4://a:s3cret@proxy",
            "http://a:s3cret@proxy:x",
            "http://a:s3/cret@p",
        ] {
            assert!(!of_kubeconfig(url).contains("s3"), "{url}");
            assert!(url == "s3cret" || !of_environment(url).contains("s3"), "{url}");
        }
        assert!(of_kubeconfig("proxy:3128").contains("proxy-url is not the address"));
        assert!(
            of_kubeconfig("socks5h://proxy").contains("unsupported scheme `socks5h` in proxy-url")
        );
        assert!(
            of_environment("socks4://proxy").contains("unsupported scheme `socks4` in HTTPS_PROXY")
        );
        assert!(of_environment("http://pro xy").contains("HTTPS_PROXY is not the address"));
    }
}
