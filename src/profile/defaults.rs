//! The lowest layer of every profile.

use std::sync::LazyLock;

use super::diagnostic::Diagnostics;
use super::node::Node;
use super::parse::parse;

/// The index of the defaults among a profile's sources: the defaults are read first.
pub const DEFAULT_SOURCE: usize = 0;

/// The text of the lowest layer, the defaults.
pub const DEFAULTS: &str = include_str!("defaults.toml");

/// Parsed only once, because one run may read many profiles.
static TREE: LazyLock<Node> =
    LazyLock::new(|| parse(DEFAULT_SOURCE, DEFAULTS, &mut Diagnostics::default()));

/// Returns the tree of the defaults.
pub fn tree() -> &'static Node {
    &TREE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_have_no_mistake() {
        let mut diagnostics = Diagnostics::default();
        parse(DEFAULT_SOURCE, DEFAULTS, &mut diagnostics);
        assert_eq!(diagnostics.iter().next(), None);
    }
}
