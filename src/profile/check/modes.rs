//! Checks file modes: users write them in octal, but TOML reads `400` as decimal, and 400 is 0o620.

use crate::profile::diagnostic::{Diagnostic, Diagnostics};
use crate::profile::mode_text::{MODE_MAX, is_mode_key, meant};
use crate::profile::node::{Node, Origin, Path, PathChain, Value};
use crate::profile::sources::Sources;

/// Checks the modes in `extraVolumes`; the source shows whether a number was written in octal.
pub(in crate::profile) fn check(tree: &Node, sources: &Sources, diagnostics: &mut Diagnostics) {
    let path = Path::of("extraVolumes");
    let Some(volumes) = tree.get(&path) else { return };
    let mut modes = Vec::new();
    collect(volumes, PathChain::From(&path), &mut modes);
    for (path, mode, origin) in modes {
        let written = sources.get(origin.source).text.get(origin.span()).unwrap_or_default();
        if let Some((message, help)) = problem(mode, written) {
            let message = format!("`{path}`: {message}");
            diagnostics.push(Diagnostic::error("RB0145", message).at(origin).on(&path).help(help));
        }
    }
}

fn collect(node: &Node, way: PathChain<'_>, modes: &mut Vec<(Path, i64, Origin)>) {
    match &node.value {
        Value::Table(table) => {
            for (key, entry) in table {
                let way = PathChain::Key(&way, key);
                match entry.node.value {
                    Value::Integer(mode) if is_mode_key(key) => {
                        modes.push((way.path(), mode, entry.node.origin));
                    }
                    _ => collect(&entry.node, way, modes),
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(item, PathChain::Index(&way, index), modes);
            }
        }
        _ => {}
    }
}

/// Returns the problem of a mode and a remedy.
fn problem(mode: i64, written: &str) -> Option<(String, String)> {
    let is_taken = (0..=MODE_MAX).contains(&mode);
    if let Some(meant) = meant(written) {
        let message = if is_taken {
            format!("{mode} is decimal: the mode would be 0o{mode:o}")
        } else {
            format!(
                "{mode} is decimal: the mode would be 0o{mode:o}, and the limit of Kubernetes is \
                 0o777"
            )
        };
        let keep =
            if is_taken { format!(", or `0o{mode:o}` if you mean that") } else { String::new() };
        return Some((message, format!("write `0o{meant:o}`{keep}")));
    }
    let message = format!("{mode} is not a valid mode");
    (!is_taken).then(|| (message, "write one from `0o000` to `0o777`".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_mode_with_octal_digits_is_reported() {
        for (mode, help) in [
            (400, "write `0o400`, or `0o620` if you mean that"),
            (440, "write `0o440`, or `0o670` if you mean that"),
            (500, "write `0o500`, or `0o764` if you mean that"),
            (644, "write `0o644`"),
            (755, "write `0o755`"),
        ] {
            assert_eq!(problem(mode, &mode.to_string()).unwrap().1, help);
        }
    }

    #[test]
    fn octal_mode_and_decimal_of_usual_mode_are_accepted() {
        for (mode, written) in [
            (0o400, "0o400"),
            (0o620, "0o620"),
            (0o777, "0o777"),
            (256, "256"),
            (420, "420"),
            (416, "416"),
            (436, "436"),
            (511, "511"),
            (0x1a4, "0x1a4"),
            (0, "0"),
        ] {
            assert_eq!(problem(mode, written), None, "{written}");
        }
    }

    #[test]
    fn mode_out_of_kubernetes_range_is_reported() {
        for (mode, written) in [(0o1777, "0o1777"), (-1, "-1"), (1000, "1000")] {
            assert!(problem(mode, written).is_some(), "{written}");
        }
    }
}
