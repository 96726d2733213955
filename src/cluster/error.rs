//! Why a request was not done.

use serde_json::Value;

use crate::model::url::without_user_info;

/// The cause by which the server says that the namespace is being deleted.
const NAMESPACE_GOES: &str = "NamespaceTerminating";
/// The cause by which it says that another manager owns a field.
const FIELD_CONFLICT: &str = "FieldManagerConflict";

/// What the server says of any object, and what is shown of it where its words are not: from these the remedy follows.
const SAYINGS: [(&str, &str); 5] = [
    ("immutable", "a field is immutable"),
    ("exceeded quota", "exceeded quota"),
    ("\" cannot ", "this user cannot do that"),
    ("namespaces \"", "of the namespaces this one is missing"),
    ("does not support dry run", "an admission webhook does not support dry run"),
];

/// The reasons that say nothing but which kind of refusal it is.
const REASONS: [&str; 5] = ["AlreadyExists", "Conflict", "Forbidden", "Invalid", "NotFound"];

/// How many causes of an answer are kept: each is a line for a person to read.
const CAUSES_MAX: usize = 100;
/// The longest message that is kept: one that lists every mistake of a manifest has some thousand bytes.
const MESSAGE_BYTES_MAX: usize = 16_000;
/// The longest texts of a cause that is kept; the path of a field has some hundred bytes.
const CAUSE_BYTES_MAX: usize = 1_000;

/// The longest name that Kubernetes knows is shorter.
const NAME_BYTES_MAX: usize = 300;

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The API server said no.
    #[error("{0}")]
    Status(Box<Status>),
    /// Nothing is known: no whole answer came.
    #[error("the API server did not answer: {0}")]
    Transport(String),
    /// More came than any API server sends.
    #[error("the answer has more than {} MiB, which no API server sends", .bytes_max >> 20)]
    TooLarge { bytes_max: usize },
    /// Somebody else is to be asked, and is not: whoever answers there has not been named in the kubeconfig.
    #[error("the server does not answer, but points to `{to}` (HTTP {code}), which is not followed")]
    Elsewhere { code: u16, to: String },
    /// The server is not the one that the kubeconfig means, or it does not accept our certificate.
    #[error("the TLS handshake with the API server failed: {0}")]
    Certificate(String),
    /// There is no such request: a name in its path is none.
    #[error("the request cannot be made: {0}")]
    Unsendable(String),
    /// The write was not sent (again): others may write by now. What went wrong before is in it, if anything.
    #[error("the lock was not renewed in time, and somebody else may hold it now{0}")]
    Late(String),
    /// A signal came.
    #[error("interrupted")]
    Interrupted,
}

/// What the API server says of a request that it did not do.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("{message} (HTTP {code} {reason})")]
pub struct Status {
    pub code: u16,
    pub reason: String,
    pub message: String,
    pub causes: Vec<Cause>,
    /// How many more there are, which are not kept.
    pub more_causes: usize,
}

/// One reason of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    pub reason: String,
    pub message: String,
    pub field: String,
}

impl Status {
    /// Reads an answer that is an error; one that is no JSON comes from something in between.
    pub fn of(code: u16, body: &[u8]) -> Self {
        let value: Value = serde_json::from_slice(body).unwrap_or_default();
        let text =
            |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let causes = value.pointer("/details/causes").and_then(Value::as_array);
        let cause = |cause: &Value| Cause {
            reason: text(cause, "reason"),
            message: without_user_info(&text(cause, "message")).into_owned(),
            field: text(cause, "field"),
        };
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
        Self { code, reason: text(&value, "reason"), message, causes, more_causes }
    }

    /// Leaves out what the server said, but for what it says of every object: a webhook, or whatever is in between, may
    /// quote the Secret that was sent.
    #[must_use]
    pub(super) fn without_words(self) -> Self {
        let known = SAYINGS.iter().filter(|(words, _)| self.message.contains(words)).map(|(_, shown)| *shown);
        let mut said: Vec<String> = known.map(str::to_owned).collect();
        said.extend(webhook(&self.message).map(|name| format!("the admission webhook {name} denies it")));
        said.push("the server's words are not shown, for they may have the values in them".to_owned());
        let (mut causes, number) = (self.causes, self.more_causes);
        let number = number + causes.len();
        causes.retain_mut(Cause::keep_names);
        let more_causes = number - causes.len();
        let reason =
            Some(self.reason).filter(|reason| REASONS.contains(&reason.as_str())).unwrap_or_default();
        Self { code: self.code, reason, message: said.join("; "), causes, more_causes }
    }

    /// Tells whether the namespace is about to go.
    pub fn is_namespace_going(&self) -> bool {
        self.causes.iter().any(|cause| cause.reason == NAMESPACE_GOES)
    }

    /// Tells whether another manager owns fields that were applied.
    pub fn is_field_conflict(&self) -> bool {
        self.code == 409 && self.causes.iter().any(|cause| cause.reason == FIELD_CONFLICT)
    }
}

impl Cause {
    fn is_short(&self) -> bool {
        [&self.reason, &self.message, &self.field].iter().all(|text| text.len() <= CAUSE_BYTES_MAX)
    }

    /// Leaves only names in it: of the field that is in conflict, and of its manager. Tells whether anything is left.
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
                let manager =
                    self.message.strip_prefix("conflict with \"").and_then(|rest| rest.split('"').next());
                let manager = manager.filter(|manager| is_plain(manager, "-_.:/@ ")).map(str::to_owned);
                let Some(manager) = manager.filter(|_| self.field.starts_with('.')) else { return false };
                self.message = format!("conflict with \"{manager}\"");
                is_plain(&self.field, "-_./")
            }
            _ => false,
        }
    }
}

/// Returns the name of the webhook that refuses an object.
fn webhook(message: &str) -> Option<&str> {
    let (name, _) = message.strip_prefix("admission webhook \"")?.split_once("\" denied the request")?;
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
    (name.len() <= NAME_BYTES_MAX && name.chars().all(is_name)).then_some(name)
}

impl CallError {
    /// Names the server where there may be a wrong one, or none.
    pub(super) fn about(self, server: &str) -> Self {
        match self {
            Self::Transport(why) => Self::Transport(format!("{server}: {why}")),
            Self::Certificate(why) => Self::Certificate(format!("{server}: {why}")),
            other => other,
        }
    }

    /// Returns what the server said, if it said anything.
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::Status(status) => Some(status),
            _ => None,
        }
    }

    /// Returns the code of the server's answer; 0 if none came.
    pub fn code(&self) -> u16 {
        self.status().map_or(0, |status| status.code)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn silent(code: u16, body: &Value) -> Status {
        Status::of(code, body.to_string().as_bytes()).without_words()
    }

    #[test]
    fn of_a_secret_that_is_refused_no_words_are_shown() {
        let quoted = "R3VkUEhE";
        let cause =
            |reason: &str, message: String| json!({"reason": reason, "message": message, "field": quoted});
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
    fn a_hundred_causes_are_kept_and_how_many_more_there_are() {
        let of = |number: usize, field: &str| {
            let cause = json!({"reason": FIELD_CONFLICT, "message": "conflict with \"a\"", "field": field});
            let body = json!({"details": {"causes": vec![cause; number]}}).to_string();
            let status = Status::of(409, body.as_bytes());
            (status.causes.len(), status.more_causes)
        };
        assert_eq!(of(100, ".spec.a"), (100, 0));
        assert_eq!(of(60_000, ".spec.a"), (100, 59_900));
        assert_eq!(of(2, &format!(".{}", "a".repeat(CAUSE_BYTES_MAX))), (0, 2));
        let long = json!({"message": "\u{e9}".repeat(MESSAGE_BYTES_MAX)}).to_string();
        assert!(Status::of(500, long.as_bytes()).message.len() <= MESSAGE_BYTES_MAX + '…'.len_utf8());
    }

    #[test]
    fn password_in_an_address_is_kept_out_of_a_message() {
        let url = "https://alice:EXAMPLEpw@hook.example.com/validate";
        let body = json!({"message": format!("failed calling webhook: Post \"{url}\": EOF"),
            "details": {"causes": [{"message": url}]}});
        let status = Status::of(500, body.to_string().as_bytes());

        assert_eq!(status.message, "failed calling webhook: Post \"https://hook.example.com/validate\": EOF");
        assert_eq!(status.causes[0].message, "https://hook.example.com/validate");
    }

    #[test]
    fn what_decides_about_the_remedy_is_still_known() {
        let said = |message: &str| silent(422, &json!({"message": message})).message;
        for (message, wanted) in [
            ("Secret \"a\" is invalid: data: field is immutable when `immutable` is set: x", "immutable"),
            ("secrets \"a\" is forbidden: exceeded quota: q, requested: x", "exceeded quota"),
            ("secrets \"a\" is forbidden: User \"u\" cannot patch resource \"secrets\"", "cannot "),
            ("namespaces \"ns\" not found", "namespaces "),
            ("admission webhook \"w.example.com\" denied the request: x", "webhook w.example.com denies it"),
        ] {
            let said = said(message);
            assert!(said.contains(wanted) && !said.contains(": x"), "{said}");
        }
        assert!(!said("admission webhook \"S3cret\" denied the request").contains("S3cret"));
    }

    #[test]
    fn of_a_conflict_the_names_of_field_and_manager_stay() {
        let message = "conflict with \"kubectl-client-side-apply\" using v1";
        let cause =
            json!({"reason": "FieldManagerConflict", "message": message, "field": ".data.jwt-secret"});
        let silent = silent(409, &json!({"reason": "Conflict", "details": {"causes": [cause]}}));

        assert!(silent.is_field_conflict());
        let Cause { message, field, .. } = &silent.causes[0];
        assert_eq!(
            (message.as_str(), field.as_str()),
            ("conflict with \"kubectl-client-side-apply\"", ".data.jwt-secret")
        );
    }
}
