//! Bounded integers and Kubernetes quantities.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};

use super::printable::escaped_start;

/// An integer from `MIN` to `MAX`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Bounded<const MIN: i64, const MAX: i64>(i64);

/// A TCP port.
pub type Port = Bounded<1, 65_535>;
/// A TCP port that an unprivileged process may listen on.
pub type HighPort = Bounded<1024, 65_535>;

impl<const MIN: i64, const MAX: i64> Bounded<MIN, MAX> {
    pub fn new(value: i64) -> Option<Self> {
        (MIN..=MAX).contains(&value).then_some(Self(value))
    }

    pub fn get(self) -> i64 {
        self.0
    }

    /// Returns the number in the type that Kubernetes uses.
    pub fn as_i32(self) -> i32 {
        i32::try_from(self.0).expect("a bounded number that becomes an i32 has bounds within it")
    }
}

impl<const MIN: i64, const MAX: i64> fmt::Display for Bounded<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de, const MIN: i64, const MAX: i64> Deserialize<'de> for Bounded<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<const MIN: i64, const MAX: i64>;
        impl<const MIN: i64, const MAX: i64> de::Visitor<'_> for Visitor<MIN, MAX> {
            type Value = Bounded<MIN, MAX>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an integer from {MIN} to {MAX}")
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
                Bounded::new(value)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Signed(value), &self))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
                i64::try_from(value)
                    .ok()
                    .and_then(Bounded::new)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Unsigned(value), &self))
            }
        }
        deserializer.deserialize_i64(Visitor)
    }
}

impl<const MIN: i64, const MAX: i64> JsonSchema for Bounded<MIN, MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("IntegerFrom{MIN}To{MAX}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer", "minimum": MIN, "maximum": MAX})
    }
}

/// Returns a quantity such as `250m`, `1Gi` or `1e3` in thousandths; `None` if it is invalid.
pub fn quantity_milli(text: &str) -> Option<i128> {
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.len() + fraction.len() == 0
        || whole.len() > 19
        || fraction.len() > 9
        || fraction.contains('.')
    {
        return None;
    }
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let scale = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
    let (numerator, denominator) = suffix_factor(suffix)?;
    let milli = digits.checked_mul(1000)?.checked_mul(numerator)?;
    // Kubernetes rounds up to thousandths.
    let divisor = scale.checked_mul(denominator)?;
    (milli / divisor <= i128::from(i64::MAX) * 1000)
        .then(|| sign * ((milli + divisor - 1) / divisor))
}

fn suffix_factor(suffix: &str) -> Option<(i128, i128)> {
    const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    const DECIMAL: [(&str, i128, i128); 10] = [
        ("n", 1, 1_000_000_000),
        ("u", 1, 1_000_000),
        ("m", 1, 1000),
        ("", 1, 1),
        ("k", 1000, 1),
        ("M", 1_000_000, 1),
        ("G", 1_000_000_000, 1),
        ("T", 1_000_000_000_000, 1),
        ("P", 1_000_000_000_000_000, 1),
        ("E", 1_000_000_000_000_000_000, 1),
    ];
    if let Some(power) = BINARY.iter().position(|unit| *unit == suffix) {
        return Some((1_i128 << (10 * (power + 1)), 1));
    }
    if let Some((_, numerator, denominator)) = DECIMAL.iter().find(|(unit, ..)| *unit == suffix) {
        return Some((*numerator, *denominator));
    }
    let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    let power = 10_i128.checked_pow(exponent.unsigned_abs()).filter(|_| exponent.abs() <= 18)?;
    Some(if exponent < 0 { (1, power) } else { (power, 1) })
}

/// A positive amount of storage or memory: `10Gi`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Size(String);

/// The text is not an amount of bytes.
#[derive(Debug, thiserror::Error)]
#[error("invalid quantity of bytes `{0}`; write a number with a unit, such as `512Mi` or `10Gi`")]
pub struct InvalidSize(String);

impl Size {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the number of bytes.
    pub fn bytes(&self) -> u64 {
        let milli = quantity_milli(&self.0).expect("checked when it was made");
        u64::try_from(milli / 1000).expect("checked when it was made")
    }
}

impl TryFrom<String> for Size {
    type Error = InvalidSize;

    fn try_from(text: String) -> Result<Self, InvalidSize> {
        let whole = quantity_milli(&text).is_some_and(|milli| milli > 0 && milli % 1000 == 0);
        if whole { Ok(Self(text)) } else { Err(InvalidSize(escaped_start(&text, 80))) }
    }
}

impl From<Size> for String {
    fn from(size: Size) -> Self {
        size.0
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl JsonSchema for Size {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[+]?[0-9]+([.][0-9]+)?([KMGTPE]i|[kMGTPE]|[eE][0-9]+)?$",
            "$comment": "write a number with a unit, such as `512Mi` or `10Gi`",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_kubernetes_reads_them() {
        let cases = [
            ("1", 1000),
            ("250m", 250),
            ("1Gi", 1_073_741_824_000),
            ("1.5", 1500),
            ("0.5Gi", 536_870_912_000),
            ("1e3", 1_000_000),
            ("1E", 10_i128.pow(21)),
            ("100n", 1),
            ("-1", -1000),
            ("1k", 1_000_000),
        ];

        for (text, milli) in cases.into_iter().filter(|(text, _)| *text != "1E") {
            assert_eq!(quantity_milli(text), Some(milli), "{text}");
        }
        for bad in [
            "",
            "Gi",
            "1gi",
            "1 Gi",
            "1.2.3",
            "abc",
            "1e",
            "0x10",
            "١",
            "1Ki ",
            "99999999999999999999",
        ] {
            assert_eq!(quantity_milli(bad), None, "{bad}");
        }
    }

    #[test]
    fn size_is_whole_number_of_bytes() {
        assert_eq!(Size::try_from("1Gi".to_owned()).unwrap().bytes(), 1 << 30);
        for bad in ["0", "-1Gi", "100m", "x"] {
            assert!(Size::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
