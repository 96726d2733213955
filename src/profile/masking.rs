//! Masks secrets in a profile's text, and keeps the names.
//!
//! | text | shown lines |
//! |---|---|
//! | TOML | every line; secrets, values like them, and keys inside them are masked |
//! | not TOML | only unquoted known words: any other text may contain part of a secret |
//! | a link out of the profiles' folder, or a text with PEM | none: it may be any file |

use std::collections::BTreeSet;
use std::ops::Range;

use super::diagnostic::Diagnostics;
use super::known_words;
use super::node::{Entry, Node, Path, Segment, Table, Value, Visibility};
use super::parse::parse;
use super::secrets::{is_key, is_name, is_reference, is_secret_path, is_unknown_property};
use crate::model::credential::{
    credentials, holds_pem, may_assign_secret, may_hold_login, resembles_secret, sounds_secret,
};

/// A text whose lines are shown with secrets masked.
pub struct ShownText<'a> {
    text: &'a str,
    tree: Node,
    /// Keys in the place of a secret; they are masked in every line that repeats them.
    keys: BTreeSet<&'a str>,
    lines: Lines,
}

enum Lines {
    Masked,
    OfKnownWords,
    None,
}

/// One masked line, as long as the original.
#[derive(Debug, PartialEq, Eq)]
pub struct ShownLine {
    /// The byte offset of the line in the text.
    pub start: usize,
    pub text: String,
}

impl<'a> ShownText<'a> {
    /// Parses a text to find out which lines may be shown.
    pub fn new(text: &'a str, visibility: Visibility) -> Self {
        let mut problems = Diagnostics::default();
        let tree = parse(0, text, &mut problems);
        // RB0004, a number that is too large, is the only problem that leaves the tree complete.
        let is_whole = problems.iter().all(|problem| problem.code == "RB0004");
        let lines = match visibility {
            Visibility::Places => Lines::None,
            Visibility::Lines if holds_pem(text) => Lines::None,
            Visibility::Lines if is_whole => Lines::Masked,
            Visibility::Lines => Lines::OfKnownWords,
        };
        let mut spans = Vec::new();
        collect_keys(&tree, &mut Vec::new(), &mut spans);
        let key = |span: Range<usize>| text[span].trim_matches(['"', '\'']);
        let keys = spans.into_iter().map(key).filter(|key| !key.is_empty()).collect();
        Self { text, tree, keys, lines }
    }

    /// Returns the line with the byte at `offset`, if it may be shown.
    pub fn line_at(&self, offset: usize) -> Option<ShownLine> {
        let offset = self.text.floor_char_boundary(offset);
        let start = self.text[..offset].rfind('\n').map_or(0, |newline| newline + 1);
        let end = self.text[start..].find('\n').map_or(self.text.len(), |length| start + length);
        let line = &self.text[start..end];
        let text = match self.lines {
            Lines::None => None,
            Lines::OfKnownWords => has_known_words_only(line).then(|| line.to_owned()),
            Lines::Masked => Some(self.masked(start..end)),
        };
        text.map(|text| ShownLine { start, text })
    }

    fn masked(&self, line: Range<usize>) -> String {
        let mut bytes = self.text.as_bytes()[line.clone()].to_vec();
        let mut hidden = Vec::new();
        collect(&self.tree, &line, &mut Vec::new(), &mut hidden);
        let in_text = |range: Range<usize>| line.start + range.start..line.start + range.end;
        let shown = &self.text[line.clone()];
        hidden.extend(credentials(shown).map(in_text));
        let repeated = self.keys.iter().flat_map(|key| shown.match_indices(key));
        hidden.extend(repeated.map(|(at, key)| in_text(at..at + key.len())));
        for range in hidden {
            let (from, to) = (range.start.max(line.start), range.end.min(line.end));
            bytes[from - line.start..to - line.start].fill(b'*');
        }
        String::from_utf8(bytes).expect("whole values were replaced by ASCII")
    }
}

/// Returns `text` with stars in place of every secret and every line that may not be shown.
pub fn mask(text: &str) -> String {
    let shown = ShownText::new(text, Visibility::Lines);
    let mut start = 0;
    let lines = text.split('\n').map(|line| {
        let masked = shown.line_at(start).map_or_else(|| "*".repeat(line.len()), |line| line.text);
        start += line.len() + 1;
        masked
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns whether the value at `path` is or may be a secret.
pub(super) fn is_hidden(tree: &Node, path: &Path) -> bool {
    let mut steps = Vec::new();
    let mut node = tree;
    for segment in &path.0 {
        let (step, next) = match (segment, &node.value) {
            (Segment::Key(key), Value::Table(table)) => {
                let Some((key, Entry { node, .. })) = table.get_key_value(key) else { break };
                (Step::Key(table, key), node)
            }
            (Segment::Index(index), Value::Array(items)) => {
                let Some(node) = items.get(*index) else { break };
                (Step::Index(items, *index), node)
            }
            _ => break,
        };
        steps.push(step);
        node = next;
    }
    is_secret(node, &steps)
}

/// One step from the root of a tree to a value, with its sibling values.
#[derive(Clone, Copy)]
enum Step<'a> {
    Key(&'a Table, &'a str),
    Index(&'a [Node], usize),
}

/// Collects the ranges of secrets in `line`; `steps` lead to `node`.
fn collect<'a>(
    node: &'a Node,
    line: &Range<usize>,
    steps: &mut Vec<Step<'a>>,
    hidden: &mut Vec<Range<usize>>,
) {
    match &node.value {
        Value::Table(table) => {
            for (key, entry) in table {
                steps.push(Step::Key(table, key));
                collect(&entry.node, line, steps, hidden);
                steps.pop();
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                steps.push(Step::Index(items, index));
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

/// Collects the ranges of unknown keys in the place of a secret.
fn collect_keys<'a>(node: &'a Node, steps: &mut Vec<Step<'a>>, hidden: &mut Vec<Range<usize>>) {
    match &node.value {
        Value::Table(table) => {
            for (key, entry) in table {
                if !known_words::is_key_name(key) && is_in_secret("", steps) {
                    hidden.push(entry.key.span());
                }
                steps.push(Step::Key(table, key));
                collect_keys(&entry.node, steps, hidden);
                steps.pop();
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                steps.push(Step::Index(items, index));
                collect_keys(item, steps, hidden);
                steps.pop();
            }
        }
        _ => {}
    }
}

/// Returns whether a value is a secret, judged by its key, an outer key, its siblings or its own
/// text.
fn is_secret(node: &Node, steps: &[Step<'_>]) -> bool {
    let text = match &node.value {
        // A boolean reveals nothing; a number may be a password without quotes.
        Value::Bool(_) => return false,
        Value::Text(text) => text.as_str(),
        _ => "",
    };
    if may_assign_secret(text) || may_hold_login(text) {
        return true;
    }
    is_in_secret(text, steps) && !is_reference(&path_of(steps), &node.value)
}

/// Returns whether the value with this text stands in the place of a secret.
fn is_in_secret(text: &str, steps: &[Step<'_>]) -> bool {
    let mut path = Path::default();
    let mut found = false;
    for step in steps {
        match *step {
            Step::Index(items, index) => {
                // An argument may join an option's name and value without a separator.
                let is_option = is_argument(&path) && resembles_secret(text);
                found = found || is_option || follows_option(items, index);
                path = path.index(index);
            }
            Step::Key(table, key) => {
                found = found || is_torn(path.0.last(), key);
                path = path.key(key);
                found = found
                    || is_secret_path(&path)
                    || is_secret_key(&path, key)
                    || is_in_pair(table, key);
            }
        }
    }
    found
}

fn path_of(steps: &[Step<'_>]) -> Path {
    let segment = |step: &Step<'_>| match *step {
        Step::Key(_, key) => Segment::Key(key.to_owned()),
        Step::Index(_, index) => Segment::Index(index),
    };
    Path(steps.iter().map(segment).collect())
}

fn is_secret_key(path: &Path, key: &str) -> bool {
    if sounds_secret(key) {
        // Our own keys for secrets are recognised by their paths.
        return !is_name(path, key) && !is_key(path);
    }
    is_unknown_property(path) || !known_words::is_key_name(key) && resembles_secret(key)
}

/// Returns whether a dot splits the name of a secret, as in `adminPass.word`.
fn is_torn(before: Option<&Segment>, key: &str) -> bool {
    let Some(before) = before.and_then(Segment::as_key) else { return false };
    !known_words::is_key_name(before)
        && !known_words::is_key_name(key)
        && resembles_secret(&format!("{before}{key}"))
}

/// Returns whether `key` is the value of a pair such as `{ name = "LDAP_PASSWORD", value = "…" }`,
/// even if one of the two keys is misspelt.
fn is_in_pair(table: &Table, key: &str) -> bool {
    let names_secret = |(name, entry): (&String, &Entry)| match &entry.node.value {
        Value::Text(text) if name != key => {
            (name == "name" || !known_words::is_key_name(name)) && resembles_secret(text)
        }
        _ => false,
    };
    key != "name"
        && (key == "value" || !known_words::is_key_name(key))
        && table.iter().any(names_secret)
}

/// Returns whether `path` leads to a program's list of arguments.
fn is_argument(path: &Path) -> bool {
    matches!(path.0.last().and_then(Segment::as_key), Some("args" | "command"))
}

/// Returns whether an item is the value of the option before it: `["--password", "…"]`.
fn follows_option(items: &[Node], index: usize) -> bool {
    let before = index.checked_sub(1).and_then(|before| items.get(before)).map(|node| &node.value);
    matches!(before, Some(Value::Text(text)) if text.starts_with('-') && sounds_secret(text))
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
    let is_number = |word: &str| word.len() < 6 && word.bytes().all(|byte| byte.is_ascii_digit());
    words.next().is_none_or(known_words::is_key_name)
        && words.all(|word| known_words::is_known(word) || is_number(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str, number: usize) -> Option<String> {
        let start = text.split_inclusive('\n').take(number - 1).map(str::len).sum();
        ShownText::new(text, Visibility::Lines).line_at(start).map(|line| line.text)
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
        assert_eq!(ShownText::new("replicaCount = 1", Visibility::Places).line_at(0), None);
    }

    #[test]
    fn secret_of_several_lines_is_covered_in_each() {
        let text = "config.jwtSecret = \"\"\"s3cret\ns3cret\"\"\"\nreplicaCount = 1";
        assert!(!mask(text).contains("s3cret"), "{}", mask(text));
        assert_eq!(line(text, 3).as_deref(), Some("replicaCount = 1"));
    }
}
