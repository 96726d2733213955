//! Which keys hold secrets, and how they are kept out of messages.

use std::ops::Range;

use super::diagnostic::Diagnostics;
use super::node::{Node, Origin, Path, Segment, Value};
use super::parse::parse;

/// The keys that take a secret; the credentials of Fluent Bit outputs are found by their names.
pub const SECRET_KEYS: [&str; 5] = [
    "config.jwtSecret",
    "config.encryptionKey",
    "config.adminPassword",
    "redis.auth.password",
    "externalRedis.password",
];

const OUTPUT_CONFIG: &str = "storage.logs.fluentbit.output.config";

/// Tells whether a value at `path` is a secret or inside one.
pub fn is_secret_path(path: &Path) -> bool {
    let known = SECRET_KEYS.iter().any(|key| path.starts_with(&Path::of(key)));
    let credential = path.starts_with(&Path::of(OUTPUT_CONFIG)) && last_key(path).is_some_and(sounds_secret);
    known || credential
}

/// Returns the path of the first secret in a layer.
pub fn first_secret(layer: &Node) -> Option<Path> {
    fn find(node: &Node, path: &Path) -> Option<Path> {
        if is_secret_path(path) {
            return Some(path.clone());
        }
        match &node.value {
            Value::Table(table) => table.iter().find_map(|(key, entry)| find(&entry.node, &path.key(key))),
            Value::Array(items) => {
                items.iter().enumerate().find_map(|(index, item)| find(item, &path.index(index)))
            }
            _ => None,
        }
    }
    find(layer, &Path::default())
}

/// Returns the paths at which a layer states a secret, or a property of an output that may be one.
pub fn forms(layer: &Node) -> Vec<Path> {
    let output = Path::of(OUTPUT_CONFIG);
    let properties = layer.get(&output).and_then(Node::as_table).into_iter().flat_map(|table| table.keys());
    let fixed = SECRET_KEYS.iter().map(|key| Path::of(key)).filter(|path| layer.get(path).is_some());
    fixed.chain(properties.map(|key| output.key(key))).collect()
}

fn last_key(path: &Path) -> Option<&str> {
    path.0.iter().rev().find_map(|segment| match segment {
        Segment::Key(key) => Some(key.as_str()),
        Segment::Index(_) => None,
    })
}

/// Tells whether a key's name says that its value is a credential.
pub fn sounds_secret(key: &str) -> bool {
    let key = key.to_lowercase();
    [
        "secret",
        "passw",
        "pwd",
        "token",
        "encryptionkey",
        "shared_key",
        "api_key",
        "apikey",
        "private",
        "credential",
        "auth",
        "header",
    ]
    .iter()
    .any(|word| key.contains(word))
}

/// Returns `text` with stars over every secret: over strings whose key is a secret's or sounds like one, and over the
/// rest of every line that begins with such a key, which also covers what could not be parsed.
pub fn mask(text: &str) -> String {
    let tree = parse(0, text, &mut Diagnostics::default());
    let mut bytes = text.as_bytes().to_vec();
    let mut cover = |range: Range<usize>| {
        bytes[range].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b'*');
    };
    for origin in secret_strings(&tree) {
        cover(origin.span());
    }
    let mut start = 0;
    for line in text.split('\n') {
        if let Some(equals) = line.find('=').filter(|equals| sounds_secret(&line[..*equals])) {
            cover(start + equals + 1..start + line.len());
        }
        start += line.len() + 1;
    }
    String::from_utf8(bytes).expect("whole strings and ends of lines were replaced by ASCII")
}

/// Returns the places of all strings whose key is a secret's or sounds like one.
fn secret_strings(tree: &Node) -> Vec<Origin> {
    fn collect(node: &Node, secret: bool, path: &Path, found: &mut Vec<Origin>) {
        match &node.value {
            Value::Table(table) => {
                for (key, entry) in table {
                    let path = path.key(key);
                    let secret = secret || is_secret_path(&path) || sounds_secret(key);
                    collect(&entry.node, secret, &path, found);
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    collect(item, secret, &path.index(index), found);
                }
            }
            Value::Text(_) if secret => found.push(node.origin),
            _ => {}
        }
    }
    let mut found = Vec::new();
    collect(tree, false, &Path::default(), &mut found);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_text_keeps_its_shape_and_hides_every_secret() {
        let text = "[config]\njwtSecret = \"s3cret\"\nlogLevel = \"info\"\npasswrod_or_password = \"s3cret\n[x]\ny = { adminPassword = { value = \"s3cret\" } }\n";
        let shown = mask(text);
        assert_eq!(shown.len(), text.len());
        assert!(!shown.contains("s3cret"), "{shown}");
        assert!(shown.contains("logLevel = \"info\""), "{shown}");
    }
}
