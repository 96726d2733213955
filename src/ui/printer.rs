//! The only module that prints.

use std::io::{self, IsTerminal, Write};

use anstream::AutoStream;
use serde::Serialize;

use super::escape::{safe, safe_json, safe_lines, safe_styled};
use super::style::{ERROR, HINT, WARNING, paint};

/// The result of a command. Its JSON is a published format, its text is not.
pub trait Report: Serialize {
    /// The name and version of the JSON's schema, such as `build/v1`.
    const SCHEMA: &'static str;

    /// Writes the text for people and pipes.
    ///
    /// # Errors
    ///
    /// When `out` cannot be written.
    fn write_human(&self, out: &mut dyn Write) -> io::Result<()>;
}

/// The error when the reader of our stdout has closed it.
///
/// It is distinct from other broken pipes, which file systems and networks may report.
#[derive(Debug, thiserror::Error)]
#[error("the reader of the output is gone")]
pub struct ReaderGone;

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    Always,
    Never,
}

/// Writes to stdout and stderr.
#[derive(Clone, Debug)]
pub struct Printer {
    pub json: bool,
    pub quiet: bool,
}

impl Printer {
    pub fn new(json: bool, quiet: bool, color: ColorChoice) -> Self {
        let choice = match color {
            ColorChoice::Auto => anstream::ColorChoice::Auto,
            ColorChoice::Always => anstream::ColorChoice::Always,
            ColorChoice::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
        Self { json, quiet }
    }

    /// Writes a report to stdout: as JSON with its schema, or as text.
    ///
    /// # Errors
    ///
    /// When stdout cannot be written.
    pub fn report<R: Report>(&self, report: &R) -> io::Result<()> {
        // Write once: a stream that strips colours would make a system call for each piece.
        let choice = AutoStream::choice(&io::stdout());
        let mut out = AutoStream::new(Vec::new(), choice);
        if self.json {
            let mut value = serde_json::to_value(report)?;
            if let Some(fields) = value.as_object_mut() {
                fields.insert("schema".into(), format!("relay-bundle/{}", R::SCHEMA).into());
            }
            writeln!(out, "{}", safe_json(&format!("{value:#}")))?;
        } else {
            let mut text = Vec::new();
            report.write_human(&mut text)?;
            out.write_all(safe_styled(&String::from_utf8_lossy(&text)).as_bytes())?;
        }
        self.data(&out.into_inner())
    }

    /// Writes the text of a report to stderr, unless quiet, for commands whose stdout carries other
    /// data.
    ///
    /// # Errors
    ///
    /// When the report cannot be written.
    pub fn say_report<R: Report>(&self, report: &R) -> io::Result<()> {
        if self.quiet { Ok(()) } else { self.tell_report(report) }
    }

    /// Like [`Printer::say_report`], even when quiet.
    ///
    /// # Errors
    ///
    /// When the report cannot be written.
    pub fn tell_report<R: Report>(&self, report: &R) -> io::Result<()> {
        let mut text = Vec::new();
        report.write_human(&mut text)?;
        self.tell_styled(String::from_utf8_lossy(&text).trim_end());
        Ok(())
    }

    /// Writes raw data to stdout.
    ///
    /// # Errors
    ///
    /// When stdout cannot be written; with [`ReaderGone`] in it if the reader has closed the pipe.
    pub fn data(&self, bytes: &[u8]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => io::Error::new(error.kind(), ReaderGone),
            _ => error,
        })
    }

    /// Writes a value to stdout as JSON that is safe for a terminal.
    ///
    /// # Errors
    ///
    /// As [`Printer::data`].
    pub fn data_json(&self, value: &serde_json::Value) -> io::Result<()> {
        self.data(safe_json(&format!("{value:#}\n")).as_bytes())
    }

    /// Writes one line to stderr, unless quiet.
    pub fn say(&self, line: &str) {
        if !self.quiet {
            self.tell(line);
        }
    }

    /// Like [`Printer::say`], for several lines. External text in it must not contain line breaks.
    pub fn say_lines(&self, text: &str) {
        if !self.quiet {
            self.tell_styled(&safe_lines(text));
        }
    }

    /// Writes the message of a failure to stderr, even when quiet.
    ///
    /// External text in it must not contain line breaks.
    pub fn error(&self, message: &str) {
        self.tell_styled(&format!("{} {}", paint(ERROR, "error:"), safe_lines(message)));
    }

    /// Writes a warning to stderr, even when quiet.
    pub fn warn(&self, line: &str) {
        self.tell_styled(&format!("{} {}", paint(WARNING, "warning:"), safe(line)));
    }

    /// Writes the remedy of a failure to stderr, even when quiet.
    pub fn hint(&self, line: &str) {
        self.tell_styled(&format!("{} {}", paint(HINT, "hint:"), safe(line)));
    }

    /// Writes one line to stderr, even when quiet.
    ///
    /// Names in it may come from a medium or a cluster, so it is escaped: they cannot move the
    /// cursor, or fake another line of this program.
    pub fn tell(&self, line: &str) {
        self.tell_styled(&safe(line));
    }

    /// Like [`Printer::tell`], for several lines with colours, in which names are already [`safe`].
    pub fn tell_styled(&self, text: &str) {
        let stderr = io::stderr();
        let mut line = AutoStream::new(Vec::new(), AutoStream::choice(&stderr));
        // If stderr is closed, no stream is left for an error message.
        writeln!(line, "{}", safe_styled(text))
            .and_then(|()| stderr.lock().write_all(&line.into_inner()))
            .ok();
    }

    /// Returns whether stderr is a terminal, and not quiet.
    pub fn is_watched(&self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }
}
