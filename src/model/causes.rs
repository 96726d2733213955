//! Formats an error and its causes on one line.

use std::error::Error;

/// Returns the message of an error with its causes: `what: why: why`.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let why = error.to_string();
        // Some errors already include their cause.
        if !text.contains(&why) {
            text = format!("{text}: {why}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Link(&'static str, #[source] Option<Box<Self>>);

    #[test]
    fn each_cause_is_reported_once() {
        let error = Link("a: b", Some(Link("b", Some(Link("c", None).into())).into()));
        assert_eq!(with_causes(&error), "a: b: c");
    }
}
