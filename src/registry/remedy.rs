//! Remedies for failed requests.

use super::echo::HIDDEN_HOST;
use super::error::{LoginUse, RegistryAction, RegistryContent, RegistryError, RegistryFault};

impl RegistryError {
    /// Returns a command or an imperative, if one helps.
    pub fn remedy(&self) -> Option<String> {
        use RegistryFault as F;
        let host = &self.place.host;
        if host == HIDDEN_HOST {
            return self.why.remedy().map(str::to_owned);
        }

        let special = match self.action {
            RegistryAction::Fetch => None,
            RegistryAction::Ask => self.why.remedy_at_site(),
            RegistryAction::Push if self.is_refused_manifest() => {
                Some("if the registry has lost a config or layer, send it again: push with --deep")
            }
            RegistryAction::Push => {
                self.why.remedy_of_upload().or_else(|| self.why.remedy_at_site())
            }
        };
        if let Some(remedy) = special {
            return Some(remedy.to_owned());
        }

        let verb = if self.action == RegistryAction::Push { "push to" } else { "read" };
        Some(match &self.why {
            F::Denied { access: LoginUse::Anonymous, .. } => format!(
                "log in with `docker login {host}` or `podman login {host}`, or pass --registry-config FILE"
            ),
            F::Denied { access: LoginUse::Credentials, .. } => {
                format!(
                    "check that the credentials for {host} are valid and may {verb} this repository"
                )
            }
            F::NotTls => {
                format!("if the registry has no TLS, pass --plain-http {}", with_port(host))
            }
            F::PlainHttp { to } => {
                format!("serve it over TLS, or pass --plain-http {to} if you trust the network")
            }
            F::ProxySetting(_) | F::ProxyRefused(_) => {
                format!("correct HTTPS_PROXY, or name {host} in NO_PROXY if no proxy leads to it")
            }
            F::Credentials(error) => return error.remedy(),
            why => return why.remedy().map(str::to_owned),
        })
    }
}

impl RegistryError {
    fn is_refused_manifest(&self) -> bool {
        matches!(*self.what, RegistryContent::Manifest { .. })
            && matches!(self.why, RegistryFault::Status { code: 400, .. })
    }
}

impl RegistryFault {
    /// Returns remedies specific to uploads.
    fn remedy_of_upload(&self) -> Option<&'static str> {
        Some(match self {
            Self::Status { code: 413, .. } => {
                "raise the limit of the proxy in front of the registry (nginx: `client_max_body_size 0`)"
            }
            Self::Status { code: 500.., .. } => {
                "see the registry's log (its disk may be full), then run the same command again: it resumes"
            }
            Self::Connection(_) | Self::Silent { .. } | Self::UploadLost => {
                "check the network and the limits of proxies in front of the registry, then run the \
                 same command again: it resumes"
            }
            Self::WrongDigest { .. } | Self::WrongSize { .. } | Self::WrongType { .. } => {
                "the registry, or a proxy in front of it, stores different content: use another registry"
            }
            Self::UnknownRepository => "create the repository, or its project, in the registry",
            Self::Gone(_) => {
                "see the registry's log, then run the same command again: the registry does not keep uploads"
            }
            _ => return None,
        })
    }

    /// Returns remedies for a site's own registry, which no mirror can replace.
    fn remedy_at_site(&self) -> Option<&'static str> {
        Some(match self {
            Self::Status { code: 429, .. } => "wait, then run the same command again: it resumes",
            Self::WrongDigest { .. }
            | Self::OtherDigest { .. }
            | Self::WrongSize { .. }
            | Self::WrongType { .. } => {
                "the registry, or a proxy in front of it, alters content: use another registry"
            }
            _ => return None,
        })
    }

    /// Returns remedies that do not depend on the host.
    fn remedy(&self) -> Option<&'static str> {
        Some(match self {
            Self::UnknownImage => {
                "check name and tag; some registries hide private images: log in with `docker \
                 login`, or pass --registry-config FILE"
            }
            Self::Gone(_) => {
                "lock the image again with `relay-bundle lock --update`, or fetch from a mirror \
                 that has it (--from HOST=MIRROR)"
            }
            Self::Denied { .. } => "serve the registry over TLS",
            Self::Status { code: 429, .. } => {
                "wait, log in (registries limit anonymous pulls), or fetch from a mirror (--from HOST=MIRROR)"
            }
            Self::Status { code: 500.., .. } | Self::Silent { .. } => {
                "run the same command again later"
            }
            Self::Connection(_) | Self::UnknownHost => {
                "check the host, the network and the proxy (HTTPS_PROXY, NO_PROXY)"
            }
            Self::UnknownAuthority => {
                "pass the registry's authority with --ca FILE; a proxy may answer in its place"
            }
            Self::NoAuthorities => {
                "pass the registry's authority with --ca FILE, or name those of the system in SSL_CERT_FILE"
            }
            Self::Tls(_) => {
                "compare the host with the names in its certificate, and check the clock; a proxy may answer in its place"
            }
            Self::NotHttp | Self::BadRedirect | Self::RedirectLoop | Self::MediaType(_) => {
                "check the host and the proxy (HTTPS_PROXY, NO_PROXY): a login page may answer in place of the registry"
            }
            Self::Echo => "check the host: a registry has no reason to repeat credentials",
            Self::Schema1 => "push the image again with a current client",
            Self::NoChild(_) | Self::OtherPlatform { .. } => {
                "choose another platform with --platform, or another tag"
            }
            Self::WrongDigest { .. }
            | Self::WrongSize { .. }
            | Self::WrongType { .. }
            | Self::TooLong { .. } => {
                "the registry, or a proxy in front of it, alters content: fetch from another (--from HOST=MIRROR)"
            }
            _ => return None,
        })
    }
}

/// Returns HOST:PORT for `--plain-http`; the default is the port that was tried with TLS.
fn with_port(host: &str) -> String {
    if host.contains(':') { host.to_owned() } else { format!("{host}:443") }
}
