//! Answers of registries, and the failures that they represent.

use std::time::Duration;

use http::HeaderValue;
use http::header::RETRY_AFTER;

use super::error::{LoginUse, RegistryFault, ReportedError, RequestFailure};
use super::transport::HttpAnswer;

/// The maximum size of an error or a token answer.
pub(super) const SMALL_BYTES_MAX: u64 = 64 << 10;

/// The value of `Authorization` that a registry accepts for a repository. Without `Debug`.
#[derive(Clone)]
pub(super) struct Authorization {
    pub(super) header: HeaderValue,
    pub(super) access: LoginUse,
}

/// An answer with its origin.
pub(super) struct RegistryReply {
    pub(super) answer: HttpAnswer,
    pub(super) authorization: Option<Authorization>,
    /// Whether the answer came from the registry itself, rather than from a redirect target.
    pub(super) is_home: bool,
}

impl RegistryReply {
    /// Returns the failure that an answer represents; `missing` is the failure for status 404.
    pub(super) fn refused(mut self, missing: RegistryFault) -> RequestFailure {
        let code = self.answer.status;
        let retry_after = retry_after(self.answer.header(&RETRY_AFTER));
        let error = self.error();
        let access = self.authorization.as_ref().map_or(LoginUse::Anonymous, |it| it.access);
        let why = match code {
            401 | 403 if self.is_home => RegistryFault::Denied { code, access, error },
            404 if self.is_home => missing,
            _ => RegistryFault::Status { code, retry_after, error },
        };
        why.at(&self.answer.place)
    }

    /// Returns the reported error.
    pub(super) fn error(&mut self) -> ReportedError {
        ReportedError::read(&self.answer.read_all(SMALL_BYTES_MAX).unwrap_or_default())
    }
}

/// Parses the seconds of `Retry-After`. A date would require a clock and is ignored.
pub(super) fn retry_after(header: Option<&str>) -> Option<Duration> {
    let text = header?.trim();
    let seconds = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?;
    seconds.map(Duration::from_secs)
}
