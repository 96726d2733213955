//! Rejects control characters in all values: a newline could turn one setting into two. Where
//! Kubernetes only hands a text on, it may have several lines.

use crate::profile::node::{Node, Path, PathChain, Segment, Value};
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
            "write it on one line of printable characters; only annotations, and `command`, `args` \
             and `env` of own containers, may have several",
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
        Value::Text(text) if text.contains(is_forbidden) => {
            let path = way.path();
            let lines = takes_lines(&path);
            let character = text.chars().find(|c| is_forbidden(*c) && !(lines && is_line(*c)));
            // Another rule covers secrets, and does not reveal the value.
            if let Some(character) = character.filter(|_| !is_secret_path(&path)) {
                found.push((path, character));
            }
        }
        _ => {}
    }
}

/// Returns whether the program that reads the value takes it as it is: an annotation, or a word of
/// the command line or a variable of an own container. The relay's own settings have one line.
fn takes_lines(path: &Path) -> bool {
    use Segment::{Index, Key};
    let is_own = |first: &str| matches!(first, "initContainers" | "extraContainers");
    match path.0.as_slice() {
        [.., Key(map), Key(_)] if matches!(map.as_str(), "annotations" | "podAnnotations") => true,
        [Key(first), .., Key(words), Index(_)] if is_own(first) => {
            matches!(words.as_str(), "command" | "args")
        }
        [Key(first), .., Key(variables), Index(_), Key(value)] if is_own(first) => {
            variables == "env" && value == "value"
        }
        _ => false,
    }
}

fn is_line(c: char) -> bool {
    matches!(c, '\n' | '\t')
}

/// Returns whether a character is a control character, a line separator, a byte order mark or a
/// direction mark, which some readers interpret and others do not.
fn is_forbidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}
