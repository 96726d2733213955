//! Tests for errors, warnings and the sidecar's configuration.

mod check;
mod config;
mod random;

use std::collections::BTreeMap;

use super::PropertyValue;

pub(super) type TestSettings = BTreeMap<String, PropertyValue>;

impl From<&str> for PropertyValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for PropertyValue {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for PropertyValue {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl<const N: usize> From<[Self; N]> for PropertyValue {
    fn from(items: [Self; N]) -> Self {
        Self::List(items.to_vec())
    }
}

pub(super) fn secret(env: &str) -> PropertyValue {
    PropertyValue::Secret(env.to_owned())
}

macro_rules! settings {
    ($($key:literal = $value:expr),* $(,)?) => {
        $crate::fluent_bit::tests::TestSettings::from([$(($key.to_owned(), $crate::fluent_bit::PropertyValue::from($value))),*])
    };
}
pub(super) use settings;
