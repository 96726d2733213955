//! Rejects control characters in all values: a newline could turn one setting into two.

use crate::profile::node::{Node, Path, PathChain, Value};
use crate::profile::secrets::is_secret_path;
use crate::profile::settings::Settings;

use super::Report;

pub(super) fn check(_: &Settings, report: &mut Report<'_>) {
    let mut found = Vec::new();
    walk(report.tree, PathChain::From(&Path::default()), &mut found);
    for (path, character) in found {
        report.error(
            "RB0101",
            &path,
            format!("the text contains the character U+{:04X}", u32::from(character)),
            "write it on one line of printable characters; put a script of several lines into an \
             image or a separate ConfigMap",
        );
    }
}

fn walk(node: &Node, way: PathChain<'_>, found: &mut Vec<(Path, char)>) {
    match &node.value {
        Value::Table(table) => {
            for (key, entry) in table {
                walk(&entry.node, PathChain::Key(&way, key), found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(item, PathChain::Index(&way, index), found);
            }
        }
        Value::Text(text) => {
            if let Some(character) = text.chars().find(|c| is_forbidden(*c)) {
                let path = way.path();
                // Another rule covers secrets, and does not reveal the value.
                if !is_secret_path(&path) {
                    found.push((path, character));
                }
            }
        }
        _ => {}
    }
}

/// Returns whether a character is a control character, a line separator, a byte order mark or a
/// direction mark, which some readers interpret and others do not.
fn is_forbidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}
