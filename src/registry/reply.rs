//! Answers of registries, and the failures that they stand for.

use http::HeaderValue;
use http::header::RETRY_AFTER;

use super::error::{LoginUse, RegistryFault, RequestFailure, cut, said};
use super::retry::retry_after;
use super::token::is_quoted;
use super::transport::HttpAnswer;

/// The longest answer that is an error or a token.
pub(super) const SMALL_BYTES_MAX: u64 = 64 << 10;

/// The value of `Authorization` that a registry accepts for a repository. No `Debug`.
#[derive(Clone)]
pub(super) struct Authorization {
    pub(super) header: HeaderValue,
    pub(super) access: LoginUse,
}

/// An answer, and what is known of who gave it.
pub(super) struct RegistryReply {
    pub(super) answer: HttpAnswer,
    pub(super) authorization: Option<Authorization>,
    /// What was sent to registries so far, and must not be repeated.
    pub(super) sent: Vec<HeaderValue>,
    /// Whether it came from the registry itself, and not from where it points to.
    pub(super) is_home: bool,
}

impl RegistryReply {
    /// Returns the failure that an answer stands for; `missing` is what 404 means.
    pub(super) fn refused(mut self, missing: RegistryFault) -> RequestFailure {
        let code = self.answer.status;
        let retry_after = retry_after(self.answer.header(&RETRY_AFTER));
        let said = self.said();
        let access = self.authorization.as_ref().map_or(LoginUse::Anonymous, |it| it.access);
        let why = match code {
            401 | 403 if self.is_home => RegistryFault::Denied { code, access, said },
            404 if self.is_home => missing,
            _ => RegistryFault::Status { code, retry_after, said },
        };
        why.at(&self.answer.place)
    }

    /// Returns the words of an error, unless they quote what was sent.
    pub(super) fn said(&mut self) -> String {
        let said = said(&self.answer.read_all(SMALL_BYTES_MAX).unwrap_or_default());
        let is_quoted = self.sent.iter().any(|header| is_quoted(header, &said));
        if is_quoted { String::new() } else { cut(&said) }
    }
}
