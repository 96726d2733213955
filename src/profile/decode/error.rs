//! A mistake in a value: what serde reports, in the words of TOML and without the value.

use std::fmt::{self, Display};

use serde::de::{self, Unexpected};

use crate::model::credential::holds_credential;
use crate::model::printable::escaped_start;
use crate::profile::diagnostic::Diagnostic;
use crate::profile::node::{Node, Origin, Path, PathChain, Segment, Value};
use crate::profile::{mode_text, secrets, suggest};

/// A mistake at one value.
#[derive(Debug)]
pub(super) struct DecodeError {
    code: &'static str,
    message: String,
    help: Option<String>,
    pub(super) path: Option<Path>,
    pub(super) origin: Option<Origin>,
}

impl DecodeError {
    pub(super) fn new(code: &'static str, message: String) -> Self {
        Self { code, message, help: None, path: None, origin: None }
    }

    /// Adds the place of the mistake, unless a value further inside has set it.
    pub(super) fn at(mut self, way: PathChain<'_>, origin: Origin) -> Self {
        if self.path.is_none() {
            self.path = Some(way.path());
            self.origin = Some(origin);
        }
        self
    }

    /// Removes from the message a quoted text that may be a secret.
    pub(super) fn without(mut self, node: Option<&Node>) -> Self {
        if matches!(node.map(|node| &node.value), Some(Value::Text(_)))
            && self.message.contains('`')
        {
            "invalid value".clone_into(&mut self.message);
        }
        self
    }

    /// Adds a hint for a mode that is a text, such as `"0400"`.
    pub(super) fn with_mode(mut self, path: &Path, node: Option<&Node>) -> Self {
        let is_mode = path.0.last().and_then(Segment::as_key).is_some_and(mode_text::is_mode_key);
        if let (true, Some(Value::Text(text))) = (is_mode, node.map(|node| &node.value)) {
            let help =
                mode_text::in_toml(text).map(|mode| format!("write `{mode}`, without quotes"));
            self.help = help.or(self.help);
        }
        self
    }

    pub(super) fn into_diagnostic(self, path: &Path, origin: Origin) -> Diagnostic {
        let path = &secrets::shown_path(path);
        let message =
            if path.0.is_empty() { self.message } else { format!("`{path}`: {}", self.message) };
        let default_help = format!("see `relay-bundle explain {}`", path_of_keys(path));
        Diagnostic::error(self.code, message)
            .at(origin)
            .on(path)
            .help(self.help.unwrap_or(default_help))
    }
}

/// Returns the path as the reference writes it: without indices.
pub(super) fn path_of_keys(path: &Path) -> Path {
    Path(path.0.iter().filter(|segment| matches!(segment, Segment::Key(_))).cloned().collect())
}

impl Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for DecodeError {}

impl de::Error for DecodeError {
    fn custom<T: Display>(message: T) -> Self {
        // Our own types write `problem; remedy`.
        let text = message.to_string();
        match text.split_once("; ") {
            Some((what, help)) => {
                Self { help: Some(help.to_owned()), ..Self::new("RB0004", what.to_owned()) }
            }
            None => Self::new("RB0004", text),
        }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new(
            "RB0003",
            format!("expected {}, found {}", in_toml_words(&expected.to_string()), describe(found)),
        )
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let (expected, found) = (expected.to_string(), describe(found));
        // If the type is right, only the value is not, which is never shown.
        let found =
            if expected.starts_with(&found) { String::new() } else { format!(", found {found}") };
        Self::new("RB0004", format!("expected {expected}{found}"))
    }

    fn unknown_variant(found: &str, known: &'static [&'static str]) -> Self {
        let help = suggest::among(found, known).map_or_else(
            || format!("use one of {}", suggest::list(known)),
            |near| format!("did you mean `{near}`? use one of {}", suggest::list(known)),
        );
        let found = if holds_credential(found) { "***" } else { found };
        let found = escaped_start(found, 80);
        Self { help: Some(help), ..Self::new("RB0004", format!("invalid value `{found}`")) }
    }

    fn missing_field(field: &'static str) -> Self {
        Self {
            help: Some(format!("add `{field}`")),
            ..Self::new("RB0005", format!("the required key `{field}` is missing"))
        }
    }
}

/// Returns TOML's name for the expected Rust type.
fn in_toml_words(expected: &str) -> &str {
    match expected {
        "a sequence" => "an array",
        "a map" => "a table",
        "a boolean" | "a string" => expected,
        _ if expected.starts_with("struct ") || expected.starts_with(char::is_uppercase) => {
            "a table"
        }
        "i32" | "i64" | "u16" | "u32" | "u64" => "an integer",
        _ => expected,
    }
}

/// Returns the name of the type that was found, never the value.
///
/// Any value, even a number, may be a secret in the wrong place. The diagnostic shows the line if
/// its source allows it.
fn describe(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(_) => "a boolean".to_owned(),
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "an integer".to_owned(),
        Unexpected::Str(_) => "a string".to_owned(),
        Unexpected::Seq => "an array".to_owned(),
        Unexpected::Map => "a table".to_owned(),
        other => other.to_string(),
    }
}
