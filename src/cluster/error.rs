//! Why a request was not done.

use serde_json::Value;

/// The cause by which the server says that the namespace is being deleted.
const NAMESPACE_GOES: &str = "NamespaceTerminating";

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The API server said no.
    #[error("{0}")]
    Status(Box<Status>),
    /// Nothing is known: no whole answer came.
    #[error("the API server did not answer: {0}")]
    Transport(String),
    /// Whoever answers is not who the kubeconfig means, or does not take us for who we are.
    #[error("there is no trust between the API server and us: {0}")]
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
            message: text(cause, "message"),
            field: text(cause, "field"),
        };
        let message = match text(&value, "message") {
            message if message.is_empty() => {
                String::from_utf8_lossy(&body[..body.len().min(200)]).trim().to_owned()
            }
            message => message,
        };
        let causes = causes.into_iter().flatten().map(cause).collect();
        Self { code, reason: text(&value, "reason"), message, causes }
    }

    /// Tells whether the namespace is about to go.
    pub fn is_namespace_going(&self) -> bool {
        self.causes.iter().any(|cause| cause.reason == NAMESPACE_GOES)
    }

    /// Tells whether another manager owns fields that were applied.
    pub fn is_field_conflict(&self) -> bool {
        self.code == 409 && self.causes.iter().any(|cause| cause.reason == "FieldManagerConflict")
    }
}

impl CallError {
    /// Leaves out what the server said: a webhook, or whatever is in between, may quote the Secret that was sent.
    #[must_use]
    pub fn without_words(self) -> Self {
        match self {
            Self::Status(status) => {
                let message =
                    "the server's words are not shown, for they may have the values in them".to_owned();
                let is_known = |reason: &String| {
                    ["AlreadyExists", "Conflict", "Forbidden", "Invalid"].contains(&reason.as_str())
                };
                let reason = Some(status.reason).filter(is_known).unwrap_or_default();
                let mut causes = status.causes;
                causes.retain(|cause| cause.reason == NAMESPACE_GOES);
                Self::Status(Box::new(Status { code: status.code, reason, message, causes }))
            }
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
    use super::*;

    #[test]
    fn of_a_secret_that_is_refused_no_words_are_shown() {
        let body = br#"{"reason": "Invalid", "message": "Secret is invalid: {\"key\":\"R3VkUEhE\"}",
            "details": {"causes": [{"reason": "R3VkUEhE", "message": "R3VkUEhE"}, {"reason": "NamespaceTerminating"}]}}"#;
        let refused = CallError::Status(Box::new(Status::of(422, body)));
        assert!(refused.to_string().contains("R3VkUEhE"));

        let silent = refused.without_words();

        assert!(!format!("{silent} {silent:?}").contains("R3VkUEhE"));
        assert_eq!(silent.code(), 422);
        assert!(silent.status().unwrap().is_namespace_going());
    }
}
