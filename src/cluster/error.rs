//! Why a request was not done.

use serde_json::Value;

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
        self.causes.iter().any(|cause| cause.reason == "NamespaceTerminating")
    }

    /// Tells whether another manager owns fields that were applied.
    pub fn is_field_conflict(&self) -> bool {
        self.code == 409 && self.causes.iter().any(|cause| cause.reason == "FieldManagerConflict")
    }
}

impl CallError {
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
