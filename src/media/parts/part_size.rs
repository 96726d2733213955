//! The size of the parts as the operator states it: bytes, or a number with a unit.

use std::str::FromStr;

/// The size of a part, with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartSize(u64);

impl FromStr for PartSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let units = [
            ("kB", 1000),
            ("MB", 1_000_000),
            ("GB", 1_000_000_000),
            ("TB", 1_000_000_000_000),
            ("KiB", 1 << 10),
            ("MiB", 1 << 20),
            ("GiB", 1 << 30),
            ("TiB", 1 << 40),
            ("", 1),
        ];
        let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = units.into_iter().find(|(unit, _)| *unit == &text[number.len()..]);
        let bytes = unit.and_then(|(_, unit)| multiple(number, unit));
        bytes
            .filter(|bytes| *bytes > 0)
            .map(Self)
            .ok_or_else(|| "it is not a size such as 4GB or 650MiB".to_owned())
    }
}

/// Returns a number such as `4.7`, times a unit, rounded down to whole bytes.
fn multiple(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let is_number =
        |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) || unit == 1 && number.contains('.') {
        return None;
    }
    let scale = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let rest = fraction.parse::<u128>().ok()?.checked_mul(u128::from(unit))? / scale;
    let whole = whole.parse::<u64>().ok()?.checked_mul(unit)?;
    whole.checked_add(u64::try_from(rest).ok()?)
}

impl PartSize {
    /// Returns the size in bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_is_byte_count_or_has_unambiguous_unit() {
        let table = [
            ("1", Some(1)),
            ("4GB", Some(4_000_000_000)),
            ("650MiB", Some(650 << 20)),
            ("2kB", Some(2000)),
            ("2KiB", Some(2048)),
            ("0", None),
            ("0GB", None),
            ("4G", None),
            ("4gb", None),
            ("4 GB", None),
            ("+4GB", None),
            ("4.7GB", Some(4_700_000_000)),
            ("1.44MiB", Some(1_509_949)),
            ("0.0001kB", None),
            ("1.5", None),
            (".5GB", None),
            ("1.GB", None),
            ("1.5.1GB", None),
            ("GB", None),
            ("99999999999TB", None),
        ];
        for (text, bytes) in table {
            assert_eq!(text.parse::<PartSize>().ok(), bytes.map(PartSize), "{text}");
        }
    }
}
