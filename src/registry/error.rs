//! Errors of registry requests.

use std::fmt;
use std::io;
use std::time::Duration;

use serde_json::Value;

use super::credentials::CredentialError;
use super::place::RegistryPlace;
use super::redirect::REDIRECTS_MAX;
use crate::images::manifest::{BadManifest, MediaType, NoChild};
use crate::images::reference::ImageReference;
use crate::model::digest::Digest;
use crate::model::printable::{shortened, start_of};
use crate::model::url::without_user_info;
use crate::proxy::ProxyError;

/// The maximum length of a quoted registry message.
const REPORTED_CHARACTERS_MAX: usize = 200;

/// A failed request to a registry.
#[derive(Debug, thiserror::Error)]
#[error("cannot {} {what} {} {place}: {why}", action.verb(), action.preposition())]
pub struct RegistryError {
    pub action: RegistryAction,
    pub what: Box<RegistryContent>,
    /// The host that failed; it may be a mirror, a token service, or storage behind the registry.
    pub place: Box<RegistryPlace>,
    pub why: RegistryFault,
}

/// The failed action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistryAction {
    Fetch,
    /// Check whether the registry has the content.
    Ask,
    Push,
}

impl RegistryAction {
    fn verb(self) -> &'static str {
        match self {
            Self::Fetch => "fetch",
            Self::Ask => "look for",
            Self::Push => "push",
        }
    }

    fn preposition(self) -> &'static str {
        match self {
            Self::Fetch => "from",
            Self::Ask => "at",
            Self::Push => "to",
        }
    }
}

/// The content of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistryContent {
    Manifest { image: ImageReference },
    Blob { image: ImageReference, digest: Digest },
}

/// Whether credentials were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginUse {
    Anonymous,
    /// No, because the connection is plain HTTP.
    PlainHttp,
    Credentials,
}

/// The cause of a failure.
#[derive(Debug, thiserror::Error)]
pub enum RegistryFault {
    #[error("the registry has no such image or tag")]
    UnknownImage,
    #[error("the registry no longer has sha256:{0}")]
    Gone(Digest),
    #[error("the registry has no such repository, and does not create one")]
    UnknownRepository,
    #[error("the registry no longer knows the upload")]
    UploadLost,
    #[error("access denied{} (HTTP {code}){error}", without(*access))]
    Denied { code: u16, access: LoginUse, error: ReportedError },
    #[error("HTTP {code}{error}")]
    Status { code: u16, retry_after: Option<Duration>, error: ReportedError },
    #[error("{0}")]
    Connection(String),
    #[error("the host name does not resolve")]
    UnknownHost,
    #[error("no answer within {} s", .limit.as_secs())]
    Silent { limit: Duration },
    #[error("TLS verification failed: the server's certificate is signed by an unknown authority")]
    UnknownAuthority,
    #[error("TLS verification failed: this system has no authorities")]
    NoAuthorities,
    #[error("TLS verification failed: {0}")]
    Tls(String),
    #[error("the server does not speak TLS")]
    NotTls,
    #[error("the answer is not HTTP")]
    NotHttp,
    #[error("it points to {to} over plain HTTP")]
    PlainHttp { to: String },
    #[error("it points to an address that cannot be followed")]
    BadRedirect,
    #[error("it redirects more than {REDIRECTS_MAX} times")]
    RedirectLoop,
    #[error("unusable proxy: {0}")]
    ProxySetting(#[from] ProxyError),
    #[error("the proxy refuses the connection: {0}")]
    ProxyRefused(String),
    #[error("the registry asks for credentials in an unsupported way")]
    Challenge,
    #[error("unusable answer of the token service: {0}")]
    Token(&'static str),
    #[error(transparent)]
    Credentials(#[from] CredentialError),
    #[error("the registry has it as a manifest of schema 1 only")]
    Schema1,
    #[error("expected an image manifest or index, got {0}")]
    MediaType(String),
    #[error("invalid manifest: {0}")]
    Manifest(#[from] BadManifest),
    #[error("the index does not fit: {0}")]
    NoChild(#[from] NoChild),
    #[error("the image is for {}, not for {wanted}", shortened(found))]
    OtherPlatform { wanted: String, found: String },
    #[error("wrong content: expected sha256:{wanted}, got sha256:{found}")]
    WrongDigest { wanted: Digest, found: Digest },
    #[error("wrong content: expected the media type {}, got {}", .wanted.as_str(), .found.as_str())]
    WrongType { wanted: MediaType, found: MediaType },
    #[error(
        "wrong content: expected sha256:{wanted}, and the registry names `{}`",
        shortened(found)
    )]
    OtherDigest { wanted: Digest, found: String },
    #[error("wrong content: expected {wanted} bytes, got {found}")]
    WrongSize { wanted: u64, found: u64 },
    #[error("wrong content: it has more than {wanted} bytes")]
    TooLong { wanted: u64 },
    #[error("the answer has more than {bytes_max} bytes")]
    TooLarge { bytes_max: u64 },
    /// Replaces any failure that would show a secret.
    #[error("the answer repeats the credentials, and is not shown")]
    Echo,
    /// The caller failed to read the content to upload.
    #[error("cannot read it: {0}")]
    Source(io::Error),
    /// The caller failed to store the downloaded content.
    #[error("cannot store it: {0}")]
    Sink(io::Error),
}

fn without(access: LoginUse) -> &'static str {
    match access {
        LoginUse::Anonymous => " without credentials",
        LoginUse::PlainHttp => ": credentials are not sent over plain HTTP",
        LoginUse::Credentials => "",
    }
}

impl RegistryContent {
    pub(super) fn manifest(image: &ImageReference) -> Self {
        Self::Manifest { image: image.clone() }
    }

    pub(super) fn blob(image: &ImageReference, digest: Digest) -> Self {
        Self::Blob { image: image.clone(), digest }
    }

    pub(super) fn image(&self) -> &ImageReference {
        let (Self::Manifest { image } | Self::Blob { image, .. }) = self;
        image
    }
}

impl fmt::Display for RegistryContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manifest { image } => write!(f, "the manifest of `{image}`"),
            Self::Blob { image, digest } => write!(f, "blob sha256:{digest} of `{image}`"),
        }
    }
}

/// A cause and a place; `Registry::failed` adds the action and the content.
#[derive(Debug)]
pub(super) struct RequestFailure {
    pub(super) place: RegistryPlace,
    pub(super) why: RegistryFault,
}

impl RegistryError {
    /// Returns whether the registry understood the request and refused it, for example because a
    /// tag is immutable.
    pub fn is_refusal(&self) -> bool {
        match self.why {
            RegistryFault::Denied { .. } => true,
            RegistryFault::Status { code, .. } => {
                (400..500).contains(&code) && !matches!(code, 408 | 429)
            }
            _ => false,
        }
    }
}

impl RegistryFault {
    /// Returns whether the server speaks TLS but failed verification.
    pub(super) fn is_of_tls(&self) -> bool {
        matches!(self, Self::UnknownAuthority | Self::NoAuthorities | Self::Tls(_))
    }

    /// Returns whether any request to the host would probably fail in the same way.
    pub fn is_of_host(&self) -> bool {
        self.is_of_tls()
            || matches!(
                self,
                Self::Connection(_)
                    | Self::UnknownHost
                    | Self::Silent { .. }
                    | Self::NotTls
                    | Self::NotHttp
                    | Self::ProxySetting(_)
                    | Self::ProxyRefused(_)
            )
    }

    pub(super) fn at(self, place: &RegistryPlace) -> RequestFailure {
        RequestFailure { place: place.clone(), why: self }
    }
}

/// The first error that a registry reports in an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportedError {
    code: String,
    message: String,
}

impl ReportedError {
    /// Reads the body of an answer; empty if it reports no error.
    pub(super) fn read(body: &[u8]) -> Self {
        let value: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |key: &str| {
            let text = value.pointer(&format!("/errors/0/{key}")).and_then(Value::as_str);
            without_user_info(text.unwrap_or_default()).into()
        };
        Self { code: text("code"), message: text("message") }
    }

    /// Returns `CODE: message`, of which messages show the beginning.
    pub(super) fn text(&self) -> String {
        let words = [self.code.as_str(), self.message.as_str()];
        words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(": ")
    }

    /// Returns whether the error has this code of the distribution specification.
    pub(super) fn is(&self, code: &str) -> bool {
        self.code == code
    }
}

impl fmt::Display for ReportedError {
    /// Writes the beginning of ` CODE: message`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text();
        if text.is_empty() {
            return Ok(());
        }
        write!(f, " {}", start_of(&text, REPORTED_CHARACTERS_MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(why: RegistryFault) -> RegistryError {
        let place = RegistryPlace { host: "r.example:5000".to_owned(), proxy: None };
        let image = "r.example:5000/a:1".parse().unwrap();
        let what = Box::new(RegistryContent::Manifest { image });
        RegistryError { action: RegistryAction::Fetch, what, place: Box::new(place), why }
    }

    #[test]
    fn only_host_faults_apply_to_other_images() {
        let digest = Digest::of(b"");
        let of_one = [
            RegistryFault::UnknownImage,
            RegistryFault::Denied {
                code: 401,
                access: LoginUse::Anonymous,
                error: ReportedError::default(),
            },
            RegistryFault::Status { code: 500, retry_after: None, error: ReportedError::default() },
            RegistryFault::MediaType("`text/html`".to_owned()),
            RegistryFault::WrongDigest { wanted: digest, found: digest },
            RegistryFault::Schema1,
        ];
        assert!(of_one.iter().all(|fault| !fault.is_of_host()));
        let of_host = [
            RegistryFault::Connection(String::new()),
            RegistryFault::UnknownHost,
            RegistryFault::Silent { limit: Duration::from_secs(1) },
            RegistryFault::UnknownAuthority,
            RegistryFault::NotHttp,
        ];
        assert!(of_host.iter().all(RegistryFault::is_of_host));
    }

    #[test]
    fn message_names_image_host_and_reason() {
        let denied = error(RegistryFault::Denied {
            code: 401,
            access: LoginUse::Anonymous,
            error: ReportedError { code: "UNAUTHORIZED".to_owned(), message: "no".to_owned() },
        });
        assert_eq!(
            denied.to_string(),
            "cannot fetch the manifest of `r.example:5000/a:1` from r.example:5000: access denied \
             without credentials (HTTP 401) UNAUTHORIZED: no"
        );
        assert!(denied.remedy().unwrap().contains("docker login r.example:5000"));
        assert!(
            error(RegistryFault::NotTls).remedy().unwrap().contains("--plain-http r.example:5000")
        );
    }

    #[test]
    fn registry_error_text_is_truncated_and_without_logins() {
        let of = |message: &str| {
            let body = serde_json::json!({"errors": [{"code": "DENIED", "message": message}]});
            ReportedError::read(body.to_string().as_bytes()).to_string()
        };
        assert_eq!(of("no"), " DENIED: no");
        assert_eq!(of("see https://me:s3cret@h/x"), " DENIED: see https://h/x");
        assert_eq!(of(&"\u{e9}".repeat(9_000)).chars().count(), 201);
        for body in ["", "<html>", "{}", "{\"errors\":[]}", "{\"errors\":[{\"code\":1}]}"] {
            assert_eq!(ReportedError::read(body.as_bytes()), ReportedError::default(), "{body}");
        }
    }
}
