//! The only place that prints.

use std::io::{self, IsTerminal, Write};

use anstream::AutoStream;
use serde::Serialize;

use super::escape::safe;

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

/// When output has colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    Always,
    Never,
}

/// Writes to stdout and stderr.
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
            writeln!(out, "{}", super::escape::safe_json(&format!("{value:#}")))?;
        } else {
            report.write_human(&mut out)?;
        }
        self.data(&out.into_inner())
    }

    /// Says the text of a report to the person in front of the terminal: stdout is for something else.
    ///
    /// # Errors
    ///
    /// When the report cannot be written.
    pub fn say_report<R: Report>(&self, report: &R) -> io::Result<()> {
        let mut text = Vec::new();
        report.write_human(&mut text)?;
        self.say(String::from_utf8_lossy(&text).trim_end());
        Ok(())
    }

    /// Writes data to stdout as it is.
    ///
    /// # Errors
    ///
    /// When stdout cannot be written.
    pub fn data(&self, bytes: &[u8]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(bytes)?;
        out.flush()
    }

    /// Says something to the person in front of the terminal.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            self.tell(text);
        }
    }

    /// Warns of something that must be heard, on one line: what it is about may come from a hostile bundle.
    pub fn warn(&self, text: &str) {
        self.tell(&format!("warning: {}", safe(text)));
    }

    /// Says something that must be heard.
    pub fn tell(&self, text: &str) {
        let stderr = io::stderr();
        let mut line = AutoStream::new(Vec::new(), AutoStream::choice(&stderr));
        // There is nobody left to tell that stderr is gone.
        writeln!(line, "{text}").and_then(|()| stderr.lock().write_all(&line.into_inner())).ok();
    }

    /// Tells whether a person watches.
    pub fn is_watched(&self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }
}
