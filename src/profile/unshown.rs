//! Removes values from messages that must not show them.
//!
//! These are the values of a text that is not TOML, in which any value may be part of a secret, and
//! the values of a link that may point to any file.

use std::collections::BTreeSet;

use super::diagnostic::Diagnostics;
use super::known_words;
use super::node::{Node, Value};
use super::sources::Sources;

/// The number of characters to search for; messages repeat at least this much of a text.
const REPEATED_CHARS: usize = 80;

/// The minimum length of a text to search for without quotes, because shorter texts are part of
/// many words.
const UNQUOTED_CHARS_MIN: usize = 4;

/// The texts and numbers to remove, as messages write them.
pub(super) struct UnshownTexts(BTreeSet<String>);

impl UnshownTexts {
    /// Collects the texts and numbers of `tree`, which must still contain the invalid ones.
    pub(super) fn new(tree: &Node, sources: &Sources) -> Self {
        let hidden: BTreeSet<usize> = sources.unreliable().collect();
        let mut texts = BTreeSet::new();
        if !hidden.is_empty() {
            collect(tree, &hidden, &mut texts);
        }
        Self(texts)
    }

    /// Removes the texts from findings.
    pub(super) fn redact(&self, diagnostics: &mut Diagnostics) {
        if self.0.is_empty() {
            return;
        }
        diagnostics.edit(|finding| {
            if self.is_repeated_in(&finding.message) {
                let path =
                    finding.path.as_ref().map(|path| format!("`{path}`: ")).unwrap_or_default();
                finding.message = format!("{path}the value is not valid, and is not shown");
            }
            if finding.help.as_deref().is_some_and(|help| self.is_repeated_in(help)) {
                finding.help = Some("fix the syntax of the profile first".to_owned());
            }
        });
    }

    fn is_repeated_in(&self, message: &str) -> bool {
        let is_long = |text: &str| text.chars().count() >= UNQUOTED_CHARS_MIN;
        self.0.iter().any(|text| {
            is_long(text) && message.contains(text) || message.contains(&format!("`{text}`"))
        })
    }
}

fn collect(node: &Node, hidden: &BTreeSet<usize>, texts: &mut BTreeSet<String>) {
    match &node.value {
        Value::Table(table) => table.values().for_each(|entry| collect(&entry.node, hidden, texts)),
        Value::Array(items) => items.iter().for_each(|item| collect(item, hidden, texts)),
        Value::Text(text)
            if hidden.contains(&node.origin.source) && !known_words::is_known(text) =>
        {
            texts.insert(text.chars().take(REPEATED_CHARS).flat_map(char::escape_debug).collect());
        }
        Value::Integer(number) if hidden.contains(&node.origin.source) => {
            texts.insert(number.to_string());
        }
        _ => {}
    }
}
