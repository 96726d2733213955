//! The names that the keys of a profile may have anywhere, without the schema: building that costs
//! more than rendering. Every profile with a warning needs them.

use std::sync::LazyLock;

/// The names of all keys, sorted; `tests/schema` derives the file from the schema.
static KEY_NAMES: LazyLock<Vec<&str>> =
    LazyLock::new(|| include_str!("key_names.txt").lines().collect());

/// Returns whether any table of a profile has a key of this name.
pub fn is_key_name(name: &str) -> bool {
    KEY_NAMES.binary_search(&name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_name_in_any_table_is_known() {
        for name in
            ["replicaCount", "jwtSecret", "secretKeyRef", "defaultMode", "tls.verify", "generate"]
        {
            assert!(is_key_name(name), "{name}");
        }
        assert!(KEY_NAMES.is_sorted() && KEY_NAMES.iter().all(|name| is_key_name(name)));
        assert!(!is_key_name("info") && !is_key_name("jwtSecrt"));
    }
}
