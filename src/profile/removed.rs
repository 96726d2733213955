//! Keys of earlier releases, and their replacements.

use super::node::Path;

/// A key that is now an error.
#[derive(Debug)]
pub struct Removed {
    pub key: &'static str,
    /// The diagnostic's code.
    pub code: &'static str,
    /// The reason, which follows `the key was removed: `.
    pub why: &'static str,
    pub help: &'static str,
}

/// The effect of a proxy in the relay's environment: the reason and the remedy of RB0307.
pub const PROXY_WHY: &str = "Console accounts would send their requests to the proxy in clear text, API keys included, and Claude accounts would not use it";
pub const PROXY_HELP: &str = "remove it, configure the proxy in each account of the relay, and \
                              allow it in `networkPolicy.egressTo`";

const REMOVED: [Removed; 1] =
    [Removed { key: "config.httpsProxy", code: "RB0307", why: PROXY_WHY, help: PROXY_HELP }];

/// Returns the removed key at `path`.
pub fn find(path: &Path) -> Option<&'static Removed> {
    let path = path.to_string();
    REMOVED.iter().find(|removed| removed.key == path)
}
