//! Failures whose answer repeats a secret that was sent: they must not show it.

use super::client::Registry;
use super::error::{
    RegistryAction, RegistryContent, RegistryError, RegistryFault, ReportedError, RequestFailure,
};
use crate::images::manifest::{BadManifest, NoChild};

/// Replaces the name of a host that repeats a secret.
pub(super) const HIDDEN_HOST: &str = "a host whose name repeats the credentials";

/// Replaces the description of a failed connection that repeats a secret.
const HIDDEN_TEXT: &str = "the description repeats the credentials, and is not shown";

impl Registry {
    /// Adds the action and the content to a failure, and hides what repeats a secret.
    ///
    /// Any part of an answer can repeat one: a header, a key of a manifest, the host of a redirect
    /// or of a token service. Each failure therefore passes here, and nothing else makes a
    /// [`RegistryError`].
    pub(super) fn failed(
        &self,
        action: RegistryAction,
        what: RegistryContent,
        failure: RequestFailure,
    ) -> RegistryError {
        let RequestFailure { mut place, why } = failure;
        let is_secret = |text: &str| self.transport.secrets.are_quoted(text);
        // The operator named the host of the registry itself.
        if place.host != self.repository(what.image()).host && is_secret(&place.host) {
            HIDDEN_HOST.clone_into(&mut place.host);
        }
        let is_echo = why.foreign_text().is_some_and(|text| is_secret(&text));
        let why = if is_echo { why.without_foreign_text() } else { why };
        RegistryError { action, what: Box::new(what), place: Box::new(place), why }
    }
}

impl RegistryFault {
    /// Returns the text that the server determines, also the part that a message cuts off.
    fn foreign_text(&self) -> Option<String> {
        Some(match self {
            Self::Denied { error, .. } | Self::Status { error, .. } => error.text(),
            Self::Connection(text)
            | Self::Tls(text)
            | Self::ProxyRefused(text)
            | Self::PlainHttp { to: text }
            | Self::MediaType(text)
            | Self::NoChild(NoChild::Absent { there: text, .. })
            | Self::OtherPlatform { found: text, .. }
            | Self::OtherDigest { found: text, .. } => text.clone(),
            Self::Manifest(BadManifest::Json(error)) => error.to_string(),
            Self::Manifest(BadManifest::Field { at, why }) => format!("{at} {why}"),
            Self::Gone(digest) => digest.to_string(),
            Self::WrongDigest { wanted, found } => format!("{wanted} {found}"),
            Self::WrongSize { wanted, found } => format!("{wanted} {found}"),
            Self::TooLong { wanted } => wanted.to_string(),
            Self::UnknownImage
            | Self::UnknownRepository
            | Self::UploadLost
            | Self::UnknownHost
            | Self::Silent { .. }
            | Self::UnknownAuthority
            | Self::NoAuthorities
            | Self::NotTls
            | Self::NotHttp
            | Self::BadRedirect
            | Self::RedirectLoop
            | Self::ProxySetting(_)
            | Self::Challenge
            | Self::Token(_)
            | Self::Credentials(_)
            | Self::Schema1
            | Self::NoChild(NoChild::Ambiguous { .. })
            | Self::WrongType { .. }
            | Self::TooLarge { .. }
            | Self::Echo
            | Self::Source(_)
            | Self::Sink(_) => return None,
        })
    }

    /// Removes the text that the server determines. The status of an answer stays, and whether a
    /// connection failed: retries depend on both.
    fn without_foreign_text(self) -> Self {
        let error = ReportedError::default();
        match self {
            Self::Denied { code, access, .. } => Self::Denied { code, access, error },
            Self::Status { code, retry_after, .. } => Self::Status { code, retry_after, error },
            Self::Connection(_) => Self::Connection(HIDDEN_TEXT.to_owned()),
            Self::Tls(_) => Self::Tls(HIDDEN_TEXT.to_owned()),
            Self::ProxyRefused(_) => Self::ProxyRefused(HIDDEN_TEXT.to_owned()),
            _ => Self::Echo,
        }
    }
}
