//! Reports a failure: text on stderr, and with `--json` also a document on stdout.

use std::error::Error;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

use super::profile::InvalidProfile;
use crate::failure::refused::Refused;
use crate::failure::{Failure, FailureKind};
use crate::ui::escape::{safe, safe_within};
use crate::ui::printer::{Printer, ReaderGone, Report};

/// A failure as data, which a command prints instead of its report.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ErrorReport<'a> {
    pub(super) error: String,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(super) reasons: &'a [String],
    pub(super) hints: &'a [String],
    pub(super) exit_code: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) diagnostics: Option<&'a Value>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(super) refused: Option<&'a Refused>,
}

impl<'a> ErrorReport<'a> {
    pub(super) fn of(failure: &'a Failure) -> Self {
        Self {
            error: failure.message(),
            reasons: &failure.reasons,
            hints: &failure.hints,
            exit_code: failure.kind.exit_code(),
            diagnostics: failure.source.downcast_ref().map(InvalidProfile::diagnostics),
            refused: Refused::of(failure),
        }
    }
}

impl Report for ErrorReport<'_> {
    const SCHEMA: &'static str = "error/v1";

    /// The text of a failure goes to stderr.
    fn write_human(&self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

/// Prints the failure, its reasons and its hints.
pub(super) fn tell(failure: &Failure, printer: &Printer) {
    // A hostile bundle that a message quotes must not be able to imitate a line of this program.
    let message = failure.message();
    let message = match failure.kind {
        FailureKind::Untrusted => safe(&message).into_owned(),
        _ => safe_within(&message),
    };
    printer.error(&message);
    for line in Refused::of(failure).into_iter().flat_map(Refused::lines) {
        printer.tell(&line);
    }
    for reason in &failure.reasons {
        printer.tell(&format!("  {reason}"));
    }
    failure.hints.iter().for_each(|hint| printer.hint(hint));
}

/// Returns whether the reader of stdout has gone, which does not count as a failure.
pub(super) fn is_reader_gone(failure: &Failure) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(&*failure.source);
    while let Some(error) = cause {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if inner.is_some_and(<dyn Error + Send + Sync>::is::<ReaderGone>) {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_broken_pipe_of_stdout_counts_as_reader_gone() {
        let gone = io::Error::new(io::ErrorKind::BrokenPipe, ReaderGone);
        assert!(is_reader_gone(&Failure::from(gone)));

        // Such errors can come from a medium, a disk or a server.
        for broken in [
            io::Error::from(io::ErrorKind::BrokenPipe),
            io::Error::new(io::ErrorKind::BrokenPipe, "failed to write file `a`"),
        ] {
            assert!(!is_reader_gone(&Failure::from(broken)));
        }
    }
}
