//! Strict JSON that every parser reads alike: no duplicate keys, and no keys that differ only in
//! case.
//!
//! Go's decoder ignores case and takes the last duplicate; others take the first, or match case. A
//! manifest with both spellings means different images to different programs, as in CVE-2021-41190.

use std::fmt;

use serde::de::{self, Deserialize as _, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::canonical::values_at_most;
use crate::model::printable::shortened;

/// The maximum nesting depth; manifests and indexes have three levels.
const DEPTH_MAX: usize = 16;

/// The maximum number of values; 500 layers with annotations have about 10,000.
const VALUES_MAX: usize = 20_000;

/// Parses a document, or returns why parsers could read it differently.
pub(super) fn parse(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    if values_at_most(bytes) > VALUES_MAX {
        return Err(de::Error::custom(format!("it exceeds {VALUES_MAX} values")));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth: 0 }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// Returns a key in the form that Go's decoder compares: `ſ` and the Kelvin sign equal `s` and `k`.
pub(super) fn folded(key: &str) -> String {
    key.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("a number that is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let (mut values, mut seen) = (Map::new(), std::collections::BTreeSet::new());
        while let Some(key) = map.next_key_seed(Key)? {
            if !seen.insert(folded(&key)) {
                let key = shortened(&key);
                return Err(de::Error::custom(format!("duplicate key `{key}` (ignoring case)")));
            }
            let value = map.next_value_seed(inner)?;
            values.insert(key, value);
        }
        Ok(Value::Object(values))
    }
}

impl Strict {
    fn inner<E: de::Error>(self) -> Result<Self, E> {
        if self.depth == DEPTH_MAX {
            return Err(E::custom(format!("it exceeds {DEPTH_MAX} levels of nesting")));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = String;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        String::deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_occur_twice_in_any_case_are_refused() {
        for text in [
            r#"{"a":1,"a":2}"#,
            r#"{"layers":[],"Layers":[]}"#,
            r#"{"x":{"config":1,"conﬁg":1,"CONFIG":2}}"#,
            "{\"layers\":1,\"layer\u{17f}\":2}",
            r#"[{"size":1,"SIZE":2}]"#,
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse(br#"{"a":{"b":1},"b":{"a":1}}"#).is_ok());
    }

    #[test]
    fn document_of_many_small_values_is_refused_before_it_is_read() {
        let document = |values: usize| format!("[{}0]", "0,".repeat(values - 2));
        assert!(parse(document(VALUES_MAX).as_bytes()).is_ok());
        assert!(parse(document(VALUES_MAX + 1).as_bytes()).is_err());
        let text = format!("\"{}\"", ",[{".repeat(VALUES_MAX));
        assert!(parse(text.as_bytes()).is_ok(), "what stands in a string is no value");
    }

    #[test]
    fn document_with_trailing_data_or_deep_nesting_is_refused() {
        assert!(parse(b"{} {}").is_err());
        assert!(parse(format!("{}{}", "[".repeat(17), "]".repeat(17)).as_bytes()).is_err());
        assert!(parse(format!("{}{}", "[".repeat(16), "]".repeat(16)).as_bytes()).is_ok());
    }
}
