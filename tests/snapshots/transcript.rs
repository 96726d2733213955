//! Commands as a user types them, and their output, as one text.

use std::fmt::Write as _;
use std::path::Path;

use assert_cmd::Command;

use crate::env::{Ran, TestEnv};
use crate::mask::{FILTERS, mask};

/// The folder of the snapshots.
pub(crate) const SAVED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots/saved");

/// Runs commands in a folder and compares their output with the snapshot.
pub(crate) fn snapshot(name: &str, home: &TestEnv, lines: &[&str]) {
    let mut transcript = Transcript::new(home);
    for line in lines {
        transcript.run(line);
    }
    transcript.snapshot(name);
}

/// The screen of a user who types one command after the other.
pub(crate) struct Transcript<'a> {
    home: &'a TestEnv,
    text: String,
}

impl<'a> Transcript<'a> {
    pub(crate) fn new(home: &'a TestEnv) -> Self {
        Self { home, text: String::new() }
    }

    /// Runs the words of a line.
    pub(crate) fn run(&mut self, line: &str) {
        self.run_with(&[], line);
    }

    /// Runs the words of a line with environment variables.
    pub(crate) fn run_with(&mut self, variables: &[(&str, &str)], line: &str) {
        let mut command = format!("relay-bundle {line}");
        for (name, value) in variables.iter().rev() {
            command.insert_str(0, &format!("{name}={value} "));
        }
        let ran = answer(self.home, variables, line);
        self.add(&command, &ran);
    }

    /// Runs a command that reads a file from stdin.
    pub(crate) fn run_from(&mut self, file: &str, line: &str) {
        let input = fs_err::read(self.home.path().join(file)).unwrap();
        let words = words(line);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let ran = finish(self.home.command(&words).write_stdin(input));
        self.add(&format!("relay-bundle {line} < {file}"), &ran);
    }

    /// Runs a command whose stdout has separate snapshots; here its lines are counted.
    pub(crate) fn run_counted(&mut self, line: &str) {
        let mut ran = answer(self.home, &[], line);
        ran.stdout = format!("({} lines)\n", ran.stdout.lines().count());
        self.add(&format!("relay-bundle {line}"), &ran);
    }

    /// Adds a command and its output.
    pub(crate) fn add(&mut self, command: &str, ran: &Ran) {
        let text = &mut self.text;
        if !text.is_empty() {
            text.push('\n');
        }
        writeln!(text, "$ {}", command.trim_end()).unwrap();
        writeln!(text, "exit code: {}", ran.code).unwrap();
        for (stream, output) in [("stdout", &ran.stdout), ("stderr", &ran.stderr)] {
            if output.is_empty() {
                continue;
            }
            writeln!(text, "--- {stream} ---").unwrap();
            text.push_str(&output.replace('\x1b', "␛"));
            if !output.ends_with('\n') {
                text.push_str("(no end of line)\n");
            }
        }
    }

    /// Returns the text without masks.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Compares the text with the snapshot.
    pub(crate) fn snapshot(self, name: &str) {
        compare(Path::new(SAVED), name, &mask(&self.text, self.home.path()));
    }
}

/// Compares a text with the snapshot in a folder.
pub(crate) fn compare(folder: &Path, name: &str, text: &str) {
    let mut settings = insta::Settings::new();
    settings.set_snapshot_path(folder);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_filters(FILTERS);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// Runs the words of a line at the width for which help is written.
pub(crate) fn answer(home: &TestEnv, variables: &[(&str, &str)], line: &str) -> Ran {
    let words = words(line);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    finish(home.command(&words).env("COLUMNS", "100").envs(variables.iter().copied()))
}

/// Waits for the end of a command.
fn finish(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran {
        code: output.status.code().unwrap(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// Splits a line as a shell does; quotes keep spaces.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut quote, mut in_word) = (Vec::new(), None, false);
    for c in line.chars() {
        if quote == Some(c) {
            quote = None;
        } else if quote.is_none() && c.is_whitespace() {
            in_word = false;
        } else {
            if !in_word {
                words.push(String::new());
                in_word = true;
            }
            if quote.is_none() && matches!(c, '"' | '\'') {
                quote = Some(c);
            } else {
                words.last_mut().unwrap().push(c);
            }
        }
    }
    words
}
