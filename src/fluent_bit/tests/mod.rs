//! Tests for errors, warnings and the sidecar's configuration.

mod check;
mod config;
mod random;

use std::collections::BTreeMap;

use super::OutputValue;

pub(super) type Settings = BTreeMap<String, OutputValue>;

impl From<&str> for OutputValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for OutputValue {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for OutputValue {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl<const N: usize> From<[Self; N]> for OutputValue {
    fn from(items: [Self; N]) -> Self {
        Self::List(items.to_vec())
    }
}

pub(super) fn secret(env: &str) -> OutputValue {
    OutputValue::Secret(env.to_owned())
}

macro_rules! settings {
    ($($key:literal = $value:expr),* $(,)?) => {
        $crate::fluent_bit::tests::Settings::from([$(($key.to_owned(), $crate::fluent_bit::OutputValue::from($value))),*])
    };
}
pub(super) use settings;
