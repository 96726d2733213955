//! Errors of requests to the API server.

use std::fmt;

use serde_json::Value;

use super::plugin::PluginError;
use crate::model::denial::{Denial, FaultKind, FieldFault};
use crate::model::url::without_user_info;

/// The reason of a cause for a namespace that is being deleted.
const NAMESPACE_GOES: &str = "NamespaceTerminating";
/// The reason of a cause for a field that another field manager owns.
const FIELD_CONFLICT: &str = "FieldManagerConflict";

/// The fields of a Secret that may be named where the server's message is hidden.
const SECRET_FIELDS: [&str; 4] = ["data", "immutable", "metadata.name", "type"];

/// The reasons that reveal only the kind of a refusal.
const REASONS: [&str; 5] = ["AlreadyExists", "Conflict", "Forbidden", "Invalid", "NotFound"];

/// The maximum number of causes to keep: the user sees each as a line.
const CAUSES_MAX: usize = 100;
/// The maximum length of a message: one that lists every mistake of a manifest has a few thousand
/// bytes.
const MESSAGE_BYTES_MAX: usize = 16_000;
/// The maximum length of each text in a cause; a field path has up to a few hundred bytes.
const CAUSE_BYTES_MAX: usize = 1_000;

/// Longer than any name in Kubernetes.
const NAME_BYTES_MAX: usize = 300;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The API server refused the request.
    #[error("{0}")]
    Status(Box<ApiStatus>),
    /// No complete answer arrived, so the outcome is unknown.
    #[error("the API server did not answer: {0}")]
    Transport(String),
    /// An answer that no API server sends, so the outcome is unknown.
    #[error("the answer{} is not {what}", of(server))]
    Unexpected { server: String, what: String },
    /// The answer is larger than any that an API server sends.
    #[error("the answer has more than {} MiB, which no API server sends", .bytes_max >> 20)]
    TooLarge { bytes_max: usize },
    /// A redirect, which is not followed, because the kubeconfig does not name its target.
    #[error("the server redirects to `{to}` (HTTP {code}), which is not followed")]
    Elsewhere { code: u16, to: String },
    /// The server failed verification, or it does not accept our certificate.
    #[error("the TLS handshake with the API server failed: {0}")]
    Certificate(String),
    /// The address has no TLS, and the server does not speak plain HTTP. Contains the address.
    #[error("{0} is an address without TLS, but the server seems to expect TLS")]
    TlsExpected(String),
    /// The address has TLS, and the server does not. Contains the address.
    #[error("the server does not speak TLS: {0}")]
    TlsMissing(String),
    /// The token has expired and the plugin returned no new one; the request was not sent.
    #[error(transparent)]
    Plugin(PluginError),
    /// The request is invalid, for example because of a name in its path.
    #[error("invalid request: {0}")]
    Unsendable(String),
    /// The deadline for a write has passed: another process may hold the lock now. Contains the
    /// previous failure, if any.
    #[error("the lock was not renewed in time, and another run may hold it now{0}")]
    Late(String),
    /// A signal asked to stop.
    #[error("interrupted")]
    Interrupted,
}

fn with_space(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(" {reason}") }
}

/// The API server's `ApiStatus` for a failed request.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("{message} (HTTP {code}{})", with_space(.reason))]
pub struct ApiStatus {
    pub code: u16,
    pub reason: String,
    pub message: String,
    /// The resource that the answer names, such as `namespaces`; may be empty.
    pub resource: String,
    /// The admission that refused the request instead of the API server's own checks, if the server
    /// names it.
    pub admission: Option<Admission>,
    pub causes: Vec<Cause>,
    /// The number of causes that were dropped.
    pub more_causes: usize,
    /// Whether the request had no credentials.
    pub is_anonymous: bool,
}

/// Admission that the API server itself names at the start of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// This webhook denied the request.
    Webhook(String),
    /// This webhook does not support dry run, so no dry run is possible.
    WebhookWithoutDryRun(String),
    Quota,
}

impl Admission {
    /// Parses the start of a message. Kubernetes reports these refusals without a reason or cause
    /// of their own, but with a fixed prefix before the message of a webhook or policy. The rest is
    /// not parsed.
    fn of(message: &str) -> Option<Self> {
        if let Some(named) = message.strip_prefix("admission webhook \"") {
            let (name, rest) =
                named.split_once("\" ").filter(|(name, _)| is_name(name)).unwrap_or_default();
            let name = name.to_owned();
            return Some(match rest {
                "does not support dry run" => Self::WebhookWithoutDryRun(name),
                _ => Self::Webhook(name),
            });
        }
        let (_, why) = message.split_once(" is forbidden: ")?;
        why.starts_with("exceeded quota: ").then_some(Self::Quota)
    }
}

impl fmt::Display for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Webhook(name) => write!(f, "the admission webhook {name} denies it"),
            Self::WebhookWithoutDryRun(name) => {
                write!(f, "the admission webhook {name} does not support dry run")
            }
            Self::Quota => f.write_str("exceeded quota"),
        }
    }
}

/// One of several causes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    pub reason: String,
    pub message: String,
    pub field: String,
}

impl ApiStatus {
    /// Parses an error answer. A body that is not JSON was sent by something in between, such as a
    /// proxy.
    pub fn of(code: u16, body: &[u8]) -> Self {
        let value: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |value: &Value, key: &str| {
            value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
        };

        let causes = value.pointer("/details/causes").and_then(Value::as_array);
        let cause = |cause: &Value| Cause {
            reason: text(cause, "reason"),
            message: without_user_info(&text(cause, "message")).into_owned(),
            field: text(cause, "field"),
        };
        let resource =
            value.pointer("/details/kind").and_then(Value::as_str).unwrap_or_default().to_owned();

        let message = match text(&value, "message") {
            message if message.is_empty() => {
                String::from_utf8_lossy(&body[..body.len().min(200)]).trim().to_owned()
            }
            message => message,
        };
        let mut message = without_user_info(&message).into_owned();
        if message.len() > MESSAGE_BYTES_MAX {
            message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
            message.push('…');
        }

        let all: Vec<Cause> = causes.into_iter().flatten().map(cause).collect();
        let number = all.len();
        let causes: Vec<Cause> = all.into_iter().filter(Cause::is_short).take(CAUSES_MAX).collect();
        let more_causes = number - causes.len();

        let (reason, admission) = (text(&value, "reason"), Admission::of(&message));
        Self {
            code,
            reason,
            message,
            resource,
            admission,
            causes,
            more_causes,
            is_anonymous: false,
        }
    }

    /// Removes the server's messages, except for names that it reports for any object: a webhook or
    /// a proxy may quote the Secret that was sent.
    #[must_use]
    pub(super) fn without_words(self) -> Self {
        let (mut causes, number) = (self.causes, self.more_causes);
        let number = number + causes.len();
        causes.retain_mut(Cause::keep_names);
        let more_causes = number - causes.len();
        let faults = causes.iter().filter(|cause| FaultKind::of(&cause.reason).is_some());
        let mut said: Vec<String> =
            faults.map(|cause| format!("`{}`: {}", cause.field, cause.reason)).collect();
        let resource =
            Some(self.resource).filter(|resource| resource == "namespaces").unwrap_or_default();
        if self.code == 404 && !resource.is_empty() {
            said.push("the namespace does not exist".to_owned());
        }
        said.extend(self.admission.as_ref().map(Admission::to_string));
        said.push(
            "the server's message is not shown, because it may contain the values".to_owned(),
        );
        let reason = Some(self.reason)
            .filter(|reason| REASONS.contains(&reason.as_str()))
            .unwrap_or_default();
        let (code, message, admission) = (self.code, said.join("; "), self.admission);
        let is_anonymous = self.is_anonymous;
        Self { code, reason, message, resource, admission, causes, more_causes, is_anonymous }
    }

    /// Returns the structure of the refusal.
    pub fn denial(&self) -> Denial {
        let fault = |cause: &Cause| {
            let kind = FaultKind::of(&cause.reason).filter(|_| !cause.field.is_empty())?;
            Some(FieldFault { kind, field: cause.field.clone() })
        };
        let faults: Option<Vec<FieldFault>> = self.causes.iter().map(fault).collect();
        // Policies report causes without a field, and webhooks can report anything.
        let is_validation = self.reason == "Invalid" && self.admission.is_none();
        let faults = faults.filter(|_| is_validation).unwrap_or_default();
        Denial { code: self.code, resource: self.resource.clone(), faults }
    }

    /// Returns whether the answer is about the object that was sent, rather than the credentials or
    /// the server's health.
    ///
    /// A webhook may deny with any code.
    pub fn is_verdict(&self) -> bool {
        matches!(self.admission, Some(Admission::Webhook(_)))
            || !matches!(self.code, 401 | 429 | 500..)
    }

    /// Returns whether the namespace is being deleted.
    pub fn is_namespace_going(&self) -> bool {
        self.causes.iter().any(|cause| cause.reason == NAMESPACE_GOES)
    }

    /// Returns whether another field manager owns applied fields.
    pub fn is_field_conflict(&self) -> bool {
        self.code == 409 && self.causes.iter().any(|cause| cause.reason == FIELD_CONFLICT)
    }
}

impl Cause {
    fn is_short(&self) -> bool {
        [&self.reason, &self.message, &self.field].iter().all(|text| text.len() <= CAUSE_BYTES_MAX)
    }

    /// Reduces the cause to names: the field in conflict and its manager. Returns whether anything
    /// is left.
    fn keep_names(&mut self) -> bool {
        let is_plain = |text: &str, also: &str| {
            text.len() <= NAME_BYTES_MAX
                && text.chars().all(|c| c.is_ascii_alphanumeric() || also.contains(c))
        };
        match self.reason.as_str() {
            NAMESPACE_GOES => {
                (self.message, self.field) = (String::new(), String::new());
                true
            }
            FIELD_CONFLICT => {
                let manager = self
                    .message
                    .strip_prefix("conflict with \"")
                    .and_then(|rest| rest.split('"').next());
                let manager =
                    manager.filter(|manager| is_plain(manager, "-_.:/@ ")).map(str::to_owned);
                let Some(manager) = manager.filter(|_| self.field.starts_with('.')) else {
                    return false;
                };
                self.message = format!("conflict with \"{manager}\"");
                is_plain(&self.field, "-_./")
            }
            reason if FaultKind::of(reason).is_some_and(|kind| kind != FaultKind::Other) => {
                self.message = String::new();
                SECRET_FIELDS.contains(&self.field.as_str())
            }
            _ => false,
        }
    }
}

/// Returns whether a text may be the name of a webhook.
fn is_name(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
    text.len() <= NAME_BYTES_MAX && text.chars().all(is_plain)
}

/// Returns " of SERVER" if the server is known.
fn of(server: &str) -> String {
    if server.is_empty() { String::new() } else { format!(" of {server}") }
}

impl CallError {
    /// Adds the server to errors that may be caused by a wrong or missing server.
    pub(super) fn about(self, server: &str) -> Self {
        match self {
            Self::Transport(why) => Self::Transport(format!("{server}: {why}")),
            Self::Unexpected { what, .. } => Self::Unexpected { server: server.to_owned(), what },
            Self::Certificate(why) => Self::Certificate(format!("{server}: {why}")),
            Self::TlsExpected(_) => Self::TlsExpected(server.to_owned()),
            Self::TlsMissing(_) => Self::TlsMissing(server.to_owned()),
            other => other,
        }
    }

    /// Marks the request as one without credentials.
    pub(super) fn anonymous(mut self) -> Self {
        if let Self::Status(status) = &mut self {
            status.is_anonymous = true;
        }
        self
    }

    /// Returns the server's status, if it answered.
    pub fn status(&self) -> Option<&ApiStatus> {
        match self {
            Self::Status(status) => Some(status),
            _ => None,
        }
    }

    /// Returns whether a working server answered: it only refused this request.
    pub(super) fn is_answer(&self) -> bool {
        matches!(self.code(), 400..=428 | 430..=499)
    }

    /// Returns the HTTP code of the answer, or 0 without an answer.
    pub fn code(&self) -> u16 {
        self.status().map_or(0, |status| status.code)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn silent(code: u16, body: &Value) -> ApiStatus {
        ApiStatus::of(code, body.to_string().as_bytes()).without_words()
    }

    #[test]
    fn error_for_refused_secret_quotes_no_server_text() {
        let quoted = "R3VkUEhE";
        let cause = |reason: &str, message: String| json!({"reason": reason, "message": message, "field": quoted});
        let silent = silent(
            422,
            &json!({"reason": quoted, "message": format!("Secret is invalid: {{\"key\":\"{quoted}\"}}"),
            "details": {"causes": [
                cause(quoted, quoted.to_owned()),
                cause("FieldManagerConflict", quoted.to_owned()),
                cause("FieldManagerConflict", format!("conflict with \"a\": {quoted}")),
                cause("NamespaceTerminating", quoted.to_owned()),
            ]}}),
        );

        assert!(!format!("{silent} {silent:?}").contains(quoted), "{silent:?}");
        assert_eq!(silent.code, 422);
        assert!(silent.is_namespace_going());
    }

    #[test]
    fn webhook_denial_is_final_regardless_of_status_code() {
        let is_verdict = |code: u16, message: &str| {
            ApiStatus::of(code, json!({"message": message}).to_string().as_bytes()).is_verdict()
        };
        for code in [401, 429, 500, 503] {
            assert!(
                is_verdict(code, "admission webhook \"a.example.com\" denied the request: no"),
                "{code}"
            );
            assert!(!is_verdict(code, "the server is overloaded"), "{code}");
        }
        assert!(is_verdict(403, "no") && is_verdict(422, "no"));
    }

    #[test]
    fn hundred_causes_are_kept_and_rest_is_counted() {
        let of = |number: usize, field: &str| {
            let cause =
                json!({"reason": FIELD_CONFLICT, "message": "conflict with \"a\"", "field": field});
            let body = json!({"details": {"causes": vec![cause; number]}}).to_string();
            let status = ApiStatus::of(409, body.as_bytes());
            (status.causes.len(), status.more_causes)
        };
        assert_eq!(of(100, ".spec.a"), (100, 0));
        assert_eq!(of(60_000, ".spec.a"), (100, 59_900));
        assert_eq!(of(2, &format!(".{}", "a".repeat(CAUSE_BYTES_MAX))), (0, 2));
        let long = json!({"message": "\u{e9}".repeat(MESSAGE_BYTES_MAX)}).to_string();
        assert!(
            ApiStatus::of(500, long.as_bytes()).message.len() <= MESSAGE_BYTES_MAX + '…'.len_utf8()
        );
    }

    #[test]
    fn password_in_url_is_removed_from_message() {
        let url = "https://alice:EXAMPLEpw@hook.example.com/validate";
        let body = json!({"message": format!("failed calling webhook: Post \"{url}\": EOF"),
            "details": {"causes": [{"message": url}]}});
        let status = ApiStatus::of(500, body.to_string().as_bytes());

        assert_eq!(
            status.message,
            "failed calling webhook: Post \"https://hook.example.com/validate\": EOF"
        );
        assert_eq!(status.causes[0].message, "https://hook.example.com/validate");
    }

    #[test]
    fn redacted_status_keeps_fields_that_select_remedy() {
        let cause = |reason: &str, field: &str| json!({"reason": reason, "field": field, "message": "x: s3cret"});
        let invalid = |cause: Value| json!({"reason": "Invalid", "message": "x", "details": {"causes": [cause]}});
        let fixed = silent(422, &invalid(cause("FieldValueForbidden", "data")));
        assert!(fixed.message.starts_with("`data`: FieldValueForbidden; "), "{fixed}");

        assert_eq!(
            fixed.denial().faults,
            [FieldFault { kind: FaultKind::Forbidden, field: "data".into() }]
        );

        let quoted = silent(422, &invalid(cause("FieldValueInvalid", "data[s3cret]")));
        assert!(!format!("{quoted:?}").contains("s3cret"), "{quoted:?}");
        let missing =
            json!({"reason": "NotFound", "message": "x", "details": {"kind": "namespaces"}});
        assert_eq!(silent(404, &missing).denial().resource, "namespaces");

        let said = |message: &str| silent(422, &json!({"message": message})).message;
        for (message, wanted) in [
            (
                "secrets \"a\" is forbidden: exceeded quota: q, requested: s3cret",
                "exceeded quota; ",
            ),
            (
                "admission webhook \"w.example.com\" denied the request: s3cret",
                "webhook w.example.com denies it",
            ),
        ] {
            let said = said(message);
            assert!(said.contains(wanted) && !said.contains("s3cret"), "{said}");
        }
        assert!(!said("admission webhook \"S3cret\" denied the request").contains("S3cret"));
    }

    #[test]
    fn policy_message_does_not_classify_refusal() {
        let words = "exceeded quota: q; field is immutable; does not support dry run; namespaces \"a\" not found";
        let status = |message: String, causes: Value| {
            let body = json!({"reason": "Invalid", "message": message,
                "details": {"kind": "deployments", "causes": causes}});
            ApiStatus::of(422, body.to_string().as_bytes())
        };
        let fixed = json!([{"reason": "FieldValueForbidden", "field": "spec", "message": "x"}]);
        let webhook = status(
            format!("admission webhook \"w.example.com\" denied the request: {words}"),
            fixed.clone(),
        );
        assert_eq!(webhook.admission, Some(Admission::Webhook("w.example.com".into())));
        assert_eq!(webhook.denial().faults, []);
        let policy = "ValidatingAdmissionPolicy 'p' with binding 'b' denied request";
        let policy = status(
            format!("deployments.apps \"a\" is forbidden: {policy}: {words}"),
            json!([{"message": words}]),
        );
        assert_eq!((policy.admission.as_ref(), policy.denial().faults), (None, Vec::new()));
        let server = status("Deployment.apps \"a\" is invalid: spec: Forbidden: x".into(), fixed);
        assert_eq!(server.denial().faults.len(), 1);
    }

    #[test]
    fn webhook_without_dry_run_and_quota_are_told_from_denials() {
        let of = |message: &str| Admission::of(message);
        let name = "w.example.com".to_owned();
        let frame = "admission webhook \"w.example.com\"";
        assert_eq!(
            of(&format!("{frame} does not support dry run")),
            Some(Admission::WebhookWithoutDryRun(name.clone()))
        );
        assert_eq!(
            of(&format!("{frame} denied the request: it does not support dry run")),
            Some(Admission::Webhook(name))
        );
        assert_eq!(
            of("pods \"a-x\" is forbidden: exceeded quota: small, requested: x"),
            Some(Admission::Quota)
        );
        assert_eq!(
            of("pods \"a-x\" is forbidden: violates PodSecurity \"restricted\": exceeded quota: x"),
            None
        );
    }

    #[test]
    fn redacted_conflict_keeps_field_and_manager_names() {
        let message = "conflict with \"kubectl-client-side-apply\" using v1";
        let cause = json!({"reason": "FieldManagerConflict", "message": message, "field": ".data.jwt-secret"});
        let silent = silent(409, &json!({"reason": "Conflict", "details": {"causes": [cause]}}));

        assert!(silent.is_field_conflict());
        let Cause { message, field, .. } = &silent.causes[0];
        assert_eq!(
            (message.as_str(), field.as_str()),
            ("conflict with \"kubectl-client-side-apply\"", ".data.jwt-secret")
        );
    }
}
