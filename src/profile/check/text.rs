//! No control character anywhere: a newline in a value is how a setting turns into two.

use crate::profile::node::{Node, Path, Value};
use crate::profile::secrets::is_secret_path;
use crate::profile::settings::Settings;

use super::Report;

pub(super) fn check(_: &Settings, report: &mut Report<'_>) {
    let mut found = Vec::new();
    walk(report.tree, &mut Vec::new(), &mut found);
    for (path, character) in found {
        report.error(
            "RB0101",
            &path,
            format!("the text holds the character U+{:04X}", u32::from(character)),
            "write it in one line of printable characters; a script of several lines belongs into an image or a ConfigMap of its own",
        );
    }
}

/// One step on the way to a value; a path is built only for a finding.
#[derive(Clone, Copy)]
enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

fn walk<'a>(node: &'a Node, way: &mut Vec<Step<'a>>, found: &mut Vec<(Path, char)>) {
    match &node.value {
        Value::Table(table) => {
            for (key, entry) in table {
                way.push(Step::Key(key));
                walk(&entry.node, way, found);
                way.pop();
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                way.push(Step::Index(index));
                walk(item, way, found);
                way.pop();
            }
        }
        Value::Text(text) => {
            if let Some(character) = text.chars().find(|c| is_forbidden(*c)) {
                let path = way.iter().fold(Path::default(), |path, step| match step {
                    Step::Key(key) => path.key(*key),
                    Step::Index(index) => path.index(*index),
                });
                // A secret has a rule of its own that says nothing about its value.
                if !is_secret_path(&path) {
                    found.push((path, character));
                }
            }
        }
        _ => {}
    }
}

/// Control characters, and those that break lines or turn the direction of a text for some readers and not for others.
fn is_forbidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}
