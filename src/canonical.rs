//! Canonical JSON: the only form in which structured data is hashed, signed or stored.
//!
//! Sorted keys, no white space, only integers below 2^53, UTF-8. A value has exactly one spelling.

use serde::Serialize;
use serde_json::Value;

use crate::model::digest::Digest;

/// The largest integer that every JSON parser represents exactly.
const INTEGER_MAX: u64 = (1 << 53) - 1;

/// Canonical bytes; always serialised from a value, never taken from input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canonical(Vec<u8>);

/// The value has no canonical form.
#[derive(Debug, thiserror::Error)]
pub enum NotCanonical {
    #[error("`{0}` is not an integer below 2^53: canonical JSON has no other numbers")]
    Number(String),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

impl Canonical {
    /// Returns the canonical bytes of `value`.
    ///
    /// # Errors
    ///
    /// Returns an error if the value contains a float, an integer of 2^53 or more, or a map whose
    /// keys are not strings.
    pub fn of(value: &impl Serialize) -> Result<Self, NotCanonical> {
        Self::of_tree(serde_json::to_value(value)?)
    }

    /// Returns the canonical bytes of `tree`, without copying it.
    ///
    /// # Errors
    ///
    /// As for [`Self::of`].
    pub fn of_tree(mut tree: Value) -> Result<Self, NotCanonical> {
        // The order of map keys depends on a feature that any dependency may enable.
        tree.sort_all_objects();
        check_numbers(&tree)?;
        Ok(Self(serde_json::to_vec(&tree)?))
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the bytes, without a copy.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Returns the SHA-256 of the bytes.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }
}

/// Returns an upper bound for the number of values in a JSON text: one more than it has commas and
/// opening brackets. A value can take two bytes of text, and far more memory.
pub fn values_at_most(json: &[u8]) -> usize {
    let (mut values, mut in_string, mut is_escaped) = (1, false, false);
    for byte in json {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => in_string = !in_string,
            b',' | b'[' | b'{' if !in_string => values += 1,
            _ => {}
        }
    }
    values
}

fn check_numbers(tree: &Value) -> Result<(), NotCanonical> {
    match tree {
        Value::Number(number) => {
            let exact = number.as_u64().is_some_and(|n| n <= INTEGER_MAX)
                || number.as_i64().is_some_and(|n| n.unsigned_abs() <= INTEGER_MAX);
            if exact { Ok(()) } else { Err(NotCanonical::Number(number.to_string())) }
        }
        Value::Array(items) => items.iter().try_for_each(check_numbers),
        Value::Object(fields) => fields.values().try_for_each(check_numbers),
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_sorted_and_nothing_is_padded() {
        let bytes = Canonical::of(&json!({"b": [1, null], "a": {"d": "ü\n", "c": true}})).unwrap();
        assert_eq!(
            std::str::from_utf8(bytes.as_bytes()).unwrap(),
            r#"{"a":{"c":true,"d":"ü\n"},"b":[1,null]}"#
        );
    }

    #[test]
    fn floats_and_large_integers_have_no_canonical_form() {
        for bad in [json!(1.5), json!(1_u64 << 53), json!(-(1_i64 << 53)), json!([{"x": 1e300}])] {
            assert!(Canonical::of(&bad).is_err(), "{bad}");
        }
        assert!(Canonical::of(&json!([INTEGER_MAX, -9_007_199_254_740_991_i64])).is_ok());
    }
}
