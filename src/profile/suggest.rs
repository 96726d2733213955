//! Suggestions for misspelt words.

use super::node::Path;
use super::{removed, schema};

const WORD_BYTES_MAX: usize = 128;

/// Returns the item of `known` that `found` is most likely a misspelling of.
pub fn among<'a>(found: &str, known: &[&'a str]) -> Option<&'a str> {
    // A longer word is hardly a misspelling, and the time of the comparison grows with the product
    // of both lengths.
    if found.len() > WORD_BYTES_MAX {
        return None;
    }
    let lower = found.to_lowercase();
    let distance = |candidate: &str| strsim::damerau_levenshtein(&lower, &candidate.to_lowercase());
    let near = known.iter().map(|candidate| (distance(candidate), *candidate)).min()?;
    // At most a third of the letters may differ; beyond that it is another word.
    (near.0 <= found.chars().count().max(near.1.chars().count()) / 3).then_some(near.1)
}

/// Returns the hint for an unknown key: the nearest key of the same table, or the same or a similar
/// key elsewhere.
pub fn key(path: &Path, key: &str, beside: &[&str]) -> String {
    if let Some(removed) = removed::find(path) {
        return format!("the key was removed: {}; {}", removed.why, removed.help);
    }
    if let Some(near) = among(key, beside) {
        return format!("did you mean `{near}`?");
    }
    let paths = schema::key_paths();
    let last = |path: &str| path.rsplit('.').next().unwrap_or(path).to_owned();
    let misplaced: Vec<&str> =
        paths.iter().map(String::as_str).filter(|path| last(path) == key).take(3).collect();
    if !misplaced.is_empty() {
        return format!("it exists as {}", list(&misplaced));
    }
    let whole = path.to_string();
    let known: Vec<&str> = paths.iter().map(String::as_str).collect();
    if let Some(near) = among(&whole, &known) {
        return format!("did you mean `{near}`?");
    }
    if beside.is_empty() || beside.len() > 16 {
        return "see docs/reference/profile.md for all keys".to_owned();
    }
    format!("valid keys: {}", list(beside))
}

/// Returns the hint for an unknown key inside a secret: the keys that are valid there.
pub fn key_of_secret(key: &str, beside: &[&str]) -> String {
    match among(key, beside) {
        Some(near) => format!("did you mean `{near}`?"),
        None if beside.is_empty() => {
            "write a string, or a table with one of `generate`, `existing`, `age`, `value`"
                .to_owned()
        }
        None => format!("valid keys: {}", list(beside)),
    }
}

/// Returns "`a`, `b`, `c`".
pub fn list(items: &[&str]) -> String {
    items.iter().map(|item| format!("`{item}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelled_word_is_recognized_but_other_word_is_not() {
        assert_eq!(among("replicacount", &["image", "replicaCount"]), Some("replicaCount"));
        assert_eq!(among("lgoLevel", &["logLevel", "logMaxSize"]), Some("logLevel"));
        assert_eq!(among("banana", &["image", "replicaCount"]), None);
    }
}
