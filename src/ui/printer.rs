//! The only place that prints.

use std::io::{self, IsTerminal, Write};

use anstream::AutoStream;
use serde::Serialize;

use super::escape::{safe, safe_json, safe_lines, safe_styled};

/// What a command found out. One value, two faces: the JSON is a published format, the text is not.
pub trait Report: Serialize {
    /// The name and version of the JSON's shape, such as `build/v1`.
    const SCHEMA: &'static str;

    /// Writes the text for people and pipes.
    ///
    /// # Errors
    ///
    /// When `out` cannot be written.
    fn write_human(&self, out: &mut dyn Write) -> io::Result<()>;
}

/// Whoever read our stdout has gone away.
///
/// Told from every other broken pipe: file systems and networks report those of their own.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads the output any more")]
pub struct ReaderGone;

/// When output has colours.
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

    /// Writes a report: as JSON with its schema's name, or as text.
    ///
    /// # Errors
    ///
    /// When stdout cannot be written.
    pub fn report<R: Report>(&self, report: &R) -> io::Result<()> {
        // Written at once: a stream that takes colours out would make a system call of each piece.
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

    /// Says the text of a report to the person in front of the terminal: stdout is for something
    /// else.
    ///
    /// # Errors
    ///
    /// When the report cannot be written.
    pub fn say_report<R: Report>(&self, report: &R) -> io::Result<()> {
        if self.quiet { Ok(()) } else { self.tell_report(report) }
    }

    /// As [`Printer::say_report`], of what must be heard.
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

    /// Writes data to stdout as it is.
    ///
    /// # Errors
    ///
    /// When stdout cannot be written; with [`ReaderGone`] in it if it is a pipe that nobody reads.
    pub fn data(&self, bytes: &[u8]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => io::Error::new(error.kind(), ReaderGone),
            _ => error,
        })
    }

    /// Writes a value to stdout as JSON that a terminal may show.
    ///
    /// # Errors
    ///
    /// As [`Printer::data`].
    pub fn data_json(&self, value: &serde_json::Value) -> io::Result<()> {
        self.data(safe_json(&format!("{value:#}\n")).as_bytes())
    }

    /// Says one line to the person in front of the terminal.
    pub fn say(&self, line: &str) {
        if !self.quiet {
            self.tell(line);
        }
    }

    /// As [`Printer::say`], of several lines: whatever is from outside in it has no line breaks.
    pub fn say_lines(&self, text: &str) {
        if !self.quiet {
            self.tell_lines(text);
        }
    }

    /// Warns of something that must be heard.
    pub fn warn(&self, line: &str) {
        self.tell(&format!("warning: {line}"));
    }

    /// Says one line that must be heard. Names in it may come from a medium or a cluster: nothing
    /// in them moves the cursor, or begins what looks like another line of this program.
    pub fn tell(&self, line: &str) {
        self.tell_styled(&safe(line));
    }

    /// As [`Printer::tell`], of several lines.
    pub fn tell_lines(&self, text: &str) {
        self.tell_styled(&safe_lines(text));
    }

    /// As [`Printer::tell_lines`], of a text that has colours, and in which names are [`safe`]
    /// already.
    pub fn tell_styled(&self, text: &str) {
        let stderr = io::stderr();
        let mut line = AutoStream::new(Vec::new(), AutoStream::choice(&stderr));
        // There is nobody left to tell that stderr is gone.
        writeln!(line, "{}", safe_styled(text))
            .and_then(|()| stderr.lock().write_all(&line.into_inner()))
            .ok();
    }

    /// Returns whether a person watches.
    pub fn is_watched(&self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }
}
