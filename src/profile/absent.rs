//! Words that take a default away, because TOML has no null: `"platform"` leaves a user or group to
//! the platform, and `"none"` leaves an amount out.

use std::collections::BTreeSet;

use super::node::{Node, Path, Value};

/// Leaves the user, the group or the group of volumes to the platform's admission, such as the
/// ranges of an `OpenShift` namespace.
pub(super) const PLATFORM: &str = "platform";
/// Leaves a request or limit out.
pub(super) const NONE: &str = "none";

/// The security contexts of pods and containers.
pub(super) const SECURITY_CONTEXTS: [&str; 6] = [
    "podSecurityContext",
    "redis.podSecurityContext",
    "redis.securityContext",
    "securityContext",
    "serviceMonitor.exporter.securityContext",
    "storage.logs.fluentbit.securityContext",
];
/// The fields of a security context that a platform assigns.
pub(super) const IDENTITIES: [&str; 3] = ["fsGroup", "runAsGroup", "runAsUser"];
/// The keys with requests and limits.
pub(super) const RESOURCES: [&str; 4] = [
    "redis.resources",
    "resources",
    "serviceMonitor.exporter.resources",
    "storage.logs.fluentbit.resources",
];
/// The tables of amounts.
pub(super) const AMOUNTS: [&str; 2] = ["limits", "requests"];

/// Removes the keys that hold such a word, and returns their paths.
pub(super) fn take_away(tree: &mut Node) -> BTreeSet<Path> {
    let identities = SECURITY_CONTEXTS.into_iter().flat_map(|context| {
        IDENTITIES.into_iter().map(move |field| (Path::of(context).key(field), PLATFORM))
    });
    let amounts = RESOURCES.into_iter().flat_map(|resources| {
        AMOUNTS.into_iter().map(move |amounts| Path::of(resources).key(amounts))
    });
    let amounts: Vec<_> = amounts
        .flat_map(|path| {
            let names = tree.get(&path).map(Node::keys).unwrap_or_default();
            names.into_iter().map(|name| (path.key(name), NONE)).collect::<Vec<_>>()
        })
        .collect();

    let holds = |path: &Path, word: &str| matches!(tree.get(path).map(|node| &node.value), Some(Value::Text(text)) if text == word);
    let absent: BTreeSet<Path> = identities
        .chain(amounts)
        .filter(|(path, word)| holds(path, word))
        .map(|(path, _)| path)
        .collect();
    for path in &absent {
        tree.remove(path);
    }
    absent
}
