//! Masks secrets in a profile's text, and keeps the names.
//!
//! | text | shown lines |
//! |---|---|
//! | TOML | every line without its comment; only values that the schema expects, and no secrets |
//! | not TOML | only unquoted known words: any other text may contain part of a secret |
//! | a link out of the profiles' folder, or a text with PEM | none: it may be any file |

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::node::{Entry, Node, Value};
use super::secret_values::{TreeStep, is_hidden_key, is_secret, is_small_number};
use super::{key_names, known_words};
use crate::model::credential::{credentials, holds_pem, sounds_secret};

/// How much of a source messages may show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// Its lines, with secrets masked.
    Lines,
    /// Line and column only: a link points to it, and could point to any file, such as a private
    /// key.
    Places,
}

/// A text whose lines are shown with secrets masked.
pub struct ShownText<'a> {
    text: &'a str,
    tree: &'a Node,
    /// Keys in the place of a secret; they are masked in every line that repeats them.
    keys: BTreeSet<&'a str>,
    lines: Lines,
    /// The lines shown before, by their start: a long line may have many mistakes.
    shown: RefCell<BTreeMap<usize, Option<ShownLine>>>,
}

enum Lines {
    Masked,
    OfKnownWords,
    None,
}

/// One masked line without its comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownLine {
    /// The byte offset of the line in the text.
    pub start: usize,
    pub text: String,
}

impl<'a> ShownText<'a> {
    /// Finds out which lines of a text may be shown. `is_whole` says that `tree` has all of its
    /// keys.
    pub(super) fn new(
        text: &'a str,
        tree: &'a Node,
        is_whole: bool,
        visibility: Visibility,
    ) -> Self {
        let lines = match visibility {
            Visibility::Places => Lines::None,
            Visibility::Lines if holds_pem(text) => Lines::None,
            Visibility::Lines if is_whole => Lines::Masked,
            Visibility::Lines => Lines::OfKnownWords,
        };
        let mut spans = Vec::new();
        collect_keys(tree, &mut Vec::new(), &mut spans);
        let key = |span: Range<usize>| text[span].trim_matches(['"', '\'']);
        let keys = spans.into_iter().map(key).filter(|key| !key.is_empty()).collect();
        Self { text, tree, keys, lines, shown: RefCell::default() }
    }

    /// Returns the line with the byte at `offset`, if it may be shown.
    pub fn line_at(&self, offset: usize) -> Option<ShownLine> {
        let offset = self.text.floor_char_boundary(offset);
        let start = self.text[..offset].rfind('\n').map_or(0, |newline| newline + 1);
        self.shown.borrow_mut().entry(start).or_insert_with(|| self.line_from(start)).clone()
    }

    fn line_from(&self, start: usize) -> Option<ShownLine> {
        let end = self.text[start..].find('\n').map_or(self.text.len(), |length| start + length);
        let line = &self.text[start..end];
        let text = match self.lines {
            Lines::None => None,
            Lines::OfKnownWords => has_known_words_only(line).then(|| line.to_owned()),
            Lines::Masked => Some(self.masked(start..self.end_of_code(start..end))),
        };
        text.map(|text| ShownLine { start, text })
    }

    /// Returns the text with stars in place of every secret and every line that may not be shown.
    pub fn all_lines(&self) -> String {
        let mut start = 0;
        let lines = self.text.split('\n').map(|line| {
            let shown = self.line_at(start);
            start += line.len() + 1;
            shown.map_or_else(|| "*".repeat(line.len()), |shown| shown.text)
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Returns the end of a line before its comment, which may hold anything.
    fn end_of_code(&self, line: Range<usize>) -> usize {
        let mut signs = self.text[line.clone()].match_indices('#').map(|(at, _)| line.start + at);
        let Some(comment) = signs.find(|at| !is_in_literal(self.tree, *at)) else {
            return line.end;
        };
        line.start + self.text[line.start..comment].trim_end().len()
    }

    fn masked(&self, line: Range<usize>) -> String {
        let mut bytes = self.text.as_bytes()[line.clone()].to_vec();
        let mut hidden = Vec::new();
        collect(self.tree, &line, &mut Vec::new(), &mut hidden);
        let in_text = |range: Range<usize>| line.start + range.start..line.start + range.end;
        let shown = &self.text[line.clone()];
        hidden.extend(credentials(shown).map(in_text));
        let repeated = self.keys.iter().flat_map(|key| words(shown, key));
        hidden.extend(repeated.map(|(at, key)| in_text(at..at + key.len())));
        for range in hidden {
            let (from, to) = (range.start.max(line.start), range.end.min(line.end));
            bytes[from - line.start..to - line.start].fill(b'*');
        }
        String::from_utf8(bytes).expect("whole values were replaced by ASCII")
    }
}

/// Returns whether the byte at an offset belongs to a key or a value.
fn is_in_literal(node: &Node, at: usize) -> bool {
    match &node.value {
        Value::Table(table) => table
            .values()
            .any(|Entry { key, node }| key.span().contains(&at) || is_in_literal(node, at)),
        Value::Array(items) => items.iter().any(|item| is_in_literal(item, at)),
        _ => node.origin.span().contains(&at),
    }
}

/// Finds a key in a line, but not inside a longer one.
fn words<'a>(line: &'a str, key: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    line.match_indices(key).filter(move |(at, key)| {
        !line[..*at].ends_with(is_part) && !line[at + key.len()..].starts_with(is_part)
    })
}

/// Collects the ranges of secrets in `line`; `steps` lead to `node`.
fn collect<'a>(
    node: &'a Node,
    line: &Range<usize>,
    steps: &mut Vec<TreeStep<'a>>,
    hidden: &mut Vec<Range<usize>>,
) {
    match &node.value {
        Value::Table(table) => {
            for (key, entry) in table {
                steps.push(TreeStep::Key(table, key));
                collect(&entry.node, line, steps, hidden);
                steps.pop();
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                steps.push(TreeStep::Index(items, index));
                collect(item, line, steps, hidden);
                steps.pop();
            }
        }
        _ => {
            let span = node.origin.span();
            if span.start < line.end && span.end > line.start && is_secret(node, steps) {
                hidden.push(span);
            }
        }
    }
}

/// Collects the ranges of unknown keys that may be secrets.
fn collect_keys<'a>(node: &'a Node, steps: &mut Vec<TreeStep<'a>>, hidden: &mut Vec<Range<usize>>) {
    match &node.value {
        Value::Table(table) => {
            for (key, entry) in table {
                if !key_names::is_key_name(key) && is_hidden_key(key, steps) {
                    hidden.push(entry.key.span());
                }
                steps.push(TreeStep::Key(table, key));
                collect_keys(&entry.node, steps, hidden);
                steps.pop();
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                steps.push(TreeStep::Index(items, index));
                collect_keys(item, steps, hidden);
                steps.pop();
            }
        }
        _ => {}
    }
}

/// Returns whether a line of a text that is not TOML contains only names of keys, choices and small
/// numbers.
fn has_known_words_only(line: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let is_sign = |c: char| " \t[]{}=,.".contains(c);
    if sounds_secret(line) || !line.chars().all(|c| is_word(c) || is_sign(c)) {
        return false;
    }
    let mut words = line.split(is_sign).filter(|word| !word.is_empty());
    words.next().is_none_or(key_names::is_key_name)
        && words.all(|word| known_words::is_known(word) || is_small_number(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::diagnostic::Diagnostics;
    use crate::profile::sources::{SettingsSource, SourceKind};

    fn source(text: &str, visibility: Visibility) -> SettingsSource {
        let mut diagnostics = Diagnostics::default();
        SettingsSource::parse(
            0,
            SourceKind::File,
            "a.toml",
            text.to_owned(),
            visibility,
            &mut diagnostics,
        )
    }

    fn line(text: &str, number: usize) -> Option<String> {
        let start = text.split_inclusive('\n').take(number - 1).map(str::len).sum();
        source(text, Visibility::Lines).shown().line_at(start).map(|line| line.text)
    }

    fn mask(text: &str) -> String {
        source(text, Visibility::Lines).masked()
    }

    #[test]
    fn line_of_broken_text_shows_known_words_only() {
        let text = "replicaCount 3\nlogLevel = info\nx = y\njwtSecret =\ns3cret\n73313\nlogLevel = 'info'\n[ingress\nredis.auth = 1\n";
        let shown: Vec<bool> = (1..=9).map(|number| line(text, number).is_some()).collect();
        assert_eq!(shown, [true, true, false, false, false, false, false, true, false]);
    }

    #[test]
    fn text_with_pem_shows_no_line() {
        assert_eq!(line("replicaCount = 1\n# -----BEGIN PRIVATE KEY-----\n", 1), None);
    }

    #[test]
    fn text_of_places_shows_no_line() {
        assert_eq!(source("replicaCount = 1", Visibility::Places).shown().line_at(0), None);
    }

    #[test]
    fn value_of_wrong_type_is_covered() {
        for text in [
            "redis.auth = \"hunter2\"",
            "redis.auth.enabled = \"hunter2\"",
            "redis.auth = 733137",
            "extraEnv = [\"hunter2\"]",
            "imagePullSecrets = [\"hunter2\"]",
            "extraEnv = [{ valueFrom.secretKeyRef = { name = \"Hunter2\" } }]",
            "note = \"hunter2\"",
            "storage.logs.fluentbit.output.config.port = \"hunter2\"",
            "storage.logs.fluentbit.output.config.host = [\"hunter2\"]",
            "extraEnv = [{ name = \"A_KEY\", valueFrom.fieldRef = { fieldPath = \"hunter2 !\" } }]",
        ] {
            assert!(mask(text).contains('*'), "{}", mask(text));
            assert!(!mask(text).contains("unter2") && !mask(text).contains("733"), "{text}");
        }
    }

    #[test]
    fn value_that_is_hardly_secret_is_shown() {
        for text in [
            "ingress.enabled = \"yes\"",
            "config.enableCors = \"True\"",
            "config.port = \"3000\"",
            "replicaCuont = 3",
            "tolerations = [{ key = \"a\", value = \"any text\" }]",
            "confg.logLevel = \"debug\"",
            "imgae.repository = \"\"",
            "config.timezoneOffset = 1.5",
            "config = { logLevle = \"info\" }",
            "podLabels = { \"a.b/c\" = \"any text\" }",
            "extraEnv = [{ name = \"A_KEY\", valueFrom.secretKeyRef = { name = \"a\", key = \"b\" } }]",
            "storage.logs.fluentbit.output.config.port = \"9200\"",
            "storage.logs.fluentbit.output.config.\"storage.total_limit_size\" = \"64M\"",
            "resources.limits = { cpu = 1, memory = \"1Gi\" }",
        ] {
            assert_eq!(mask(text), text);
        }
    }

    #[test]
    fn long_line_of_many_values_is_masked_in_seconds() {
        let values = |at| format!("k{at} = \"some words {at}\"");
        let text = format!(
            "service.annotations = {{ {} }}",
            (0..3000).map(values).collect::<Vec<_>>().join(", ")
        );
        let (source, start) = (source(&text, Visibility::Lines), std::time::Instant::now());
        let shown = source.shown();

        let lines = (0..100).filter_map(|at| shown.line_at(at)).count();

        assert_eq!(lines, 100);
        assert!(start.elapsed().as_secs() < 30, "{:?}", start.elapsed());
    }

    #[test]
    fn comment_is_cut() {
        assert_eq!(mask("config.logLevel = \"#\" # s3cret"), "config.logLevel = \"#\"");
        assert_eq!(mask("# s3cret\n[config]# s3cret"), "\n[config]");
    }

    #[test]
    fn secret_of_several_lines_is_covered_in_each() {
        let text = "config.jwtSecret = \"\"\"s3cret\ns3cret\"\"\"\nreplicaCount = 1";
        assert!(!mask(text).contains("s3cret"), "{}", mask(text));
        assert_eq!(line(text, 3).as_deref(), Some("replicaCount = 1"));
    }
}
