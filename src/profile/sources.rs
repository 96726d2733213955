//! The texts that a profile consists of, and the places in them.

use std::borrow::Cow;

use super::defaults::{self, DEFAULTS};
use super::diagnostic::Diagnostics;
use super::masking::{ShownText, Visibility};
use super::node::{Node, Origin};
use super::parse::parse;

/// The kind of layer that a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// The defaults compiled into the program.
    Default,
    /// A profile file.
    File,
    /// A `--set path=value` argument.
    Set,
}

/// One text that contains settings.
#[derive(Clone)]
pub struct SettingsSource {
    pub kind: SourceKind,
    /// The name in messages: a path, or `--set`.
    pub name: String,
    pub text: String,
    pub visibility: Visibility,
    /// The tree of the text.
    pub(super) tree: Cow<'static, Node>,
    /// Whether the tree has every key of the text, because the text has no syntax error.
    pub(super) is_whole: bool,
}

impl SettingsSource {
    /// Parses a text that becomes `sources[index]`.
    pub fn parse(
        index: usize,
        kind: SourceKind,
        name: &str,
        text: String,
        visibility: Visibility,
        diagnostics: &mut Diagnostics,
    ) -> Self {
        let mut problems = Diagnostics::default();
        let tree = Cow::Owned(parse(index, &text, &mut problems));
        // RB0004, a number that is too large, is the only problem that leaves the tree complete.
        let is_whole = problems.iter().all(|problem| problem.code == "RB0004");
        diagnostics.append(problems);
        Self { kind, name: name.to_owned(), text, visibility, tree, is_whole }
    }

    /// Returns the lines that messages may show.
    pub fn shown(&self) -> ShownText<'_> {
        ShownText::new(&self.text, &self.tree, self.is_whole, self.visibility)
    }

    /// Returns the text with secrets masked.
    pub fn masked(&self) -> String {
        self.shown().all_lines()
    }
}

/// All texts of a profile; [`Origin::source`] is an index into them.
#[derive(Clone)]
pub struct Sources(Vec<SettingsSource>);

impl Sources {
    /// Returns the sources that every profile has: the defaults.
    pub(super) fn of_defaults() -> Self {
        Self(vec![SettingsSource {
            kind: SourceKind::Default,
            name: "default".to_owned(),
            text: DEFAULTS.to_owned(),
            visibility: Visibility::Lines,
            tree: Cow::Borrowed(defaults::tree()),
            is_whole: true,
        }])
    }

    /// Parses a text, adds it, and returns its index.
    pub(super) fn add(
        &mut self,
        kind: SourceKind,
        name: &str,
        text: String,
        visibility: Visibility,
        diagnostics: &mut Diagnostics,
    ) -> usize {
        let index = self.0.len();
        self.0.push(SettingsSource::parse(index, kind, name, text, visibility, diagnostics));
        index
    }

    pub fn get(&self, index: usize) -> &SettingsSource {
        &self.0[index]
    }

    /// Returns the indices of the texts any value of which may be part of a secret: they are not
    /// TOML, or may be any file.
    pub(super) fn unreliable(&self) -> impl Iterator<Item = usize> {
        let is_unreliable =
            |source: &SettingsSource| !source.is_whole || source.visibility == Visibility::Places;
        let sources = self.0.iter().enumerate();
        sources.filter(move |(_, source)| is_unreliable(source)).map(|(index, _)| index)
    }

    /// Returns the place of an origin: `name:line:column`, `default`, or the `--set` argument.
    pub fn place(&self, origin: Origin) -> String {
        let source = self.get(origin.source);
        match source.kind {
            SourceKind::Default => "default".to_owned(),
            SourceKind::Set => format!("--set {}", source.masked()),
            SourceKind::File => {
                let (line, column) = line_and_column(&source.text, origin.start);
                format!("{}:{line}:{column}", source.name)
            }
        }
    }
}

/// Returns the line and the column (in characters) of a byte offset; both start at 1.
pub fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(offset)];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn column_counts_characters_from_one() {
        assert_eq!(line_and_column("a\nüx = 1", 4), (2, 2));
        assert_eq!(line_and_column("", 0), (1, 1));
    }
}
