//! A secret value in memory.

use zeroize::Zeroizing;

use crate::age_file::VALUE_BYTES_MAX;

/// A secret value: text without control characters, like all values in a profile.
///
/// It has no `Debug`, `Clone`, `Display` or `Serialize`: [`SecretBytes::expose`] is the only
/// access. The value is overwritten when dropped.
pub struct SecretBytes(Zeroizing<Vec<u8>>);

/// Why bytes are not a valid secret value. Reveals nothing of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidValue {
    #[error("the value is empty")]
    Empty,
    #[error("the value exceeds {VALUE_BYTES_MAX} bytes")]
    TooLong,
    #[error("the value is not UTF-8")]
    NotText,
    #[error("the value contains a control character, such as a line break")]
    Control,
}

impl SecretBytes {
    /// Creates a value from bytes.
    ///
    /// # Errors
    ///
    /// When the bytes are empty, too long, not UTF-8, or contain a control character.
    pub fn new(bytes: Zeroizing<Vec<u8>>) -> Result<Self, InvalidValue> {
        if bytes.is_empty() {
            return Err(InvalidValue::Empty);
        }
        if bytes.len() > VALUE_BYTES_MAX {
            return Err(InvalidValue::TooLong);
        }
        let text = str::from_utf8(&bytes).map_err(|_| InvalidValue::NotText)?;
        if text.chars().any(char::is_control) {
            Err(InvalidValue::Control)
        } else {
            Ok(Self(bytes))
        }
    }

    /// Creates a value from a line, without its line ending: editors and `echo` append one.
    ///
    /// # Errors
    ///
    /// Same as [`SecretBytes::new`].
    pub fn from_line(mut line: Zeroizing<Vec<u8>>) -> Result<Self, InvalidValue> {
        for end in [b'\n', b'\r'] {
            if line.last() == Some(&end) {
                line.pop();
            } else {
                break;
            }
        }
        Self::new(line)
    }

    /// Returns the value, for the only code that writes it into a Secret.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(bytes: &[u8]) -> Result<Vec<u8>, InvalidValue> {
        SecretBytes::new(Zeroizing::new(bytes.to_vec())).map(|value| value.expose().to_vec())
    }

    fn line(bytes: &[u8]) -> Result<Vec<u8>, InvalidValue> {
        SecretBytes::from_line(Zeroizing::new(bytes.to_vec())).map(|value| value.expose().to_vec())
    }

    #[test]
    fn value_is_single_line_of_text_within_length_limit() {
        assert_eq!(value("pässword: x".as_bytes()).unwrap(), "pässword: x".as_bytes());
        assert!(value(&[b'a'; VALUE_BYTES_MAX]).is_ok());
        assert_eq!(value(&[b'a'; VALUE_BYTES_MAX + 1]), Err(InvalidValue::TooLong));
        assert_eq!(value(b""), Err(InvalidValue::Empty));
        assert_eq!(value(b"\xff"), Err(InvalidValue::NotText));
        for control in ["a\n", "a\0", "\ta", "a\u{85}b", "a\u{7f}"] {
            assert_eq!(value(control.as_bytes()), Err(InvalidValue::Control), "{control:?}");
        }
    }

    #[test]
    fn single_line_ending_is_stripped() {
        for whole in [&b"value"[..], b"value\n", b"value\r\n"] {
            assert_eq!(line(whole).unwrap(), b"value");
        }
        assert_eq!(line(b"value\n\n"), Err(InvalidValue::Control));
        assert_eq!(line(b"value\r"), Err(InvalidValue::Control));
        assert_eq!(line(b"\n"), Err(InvalidValue::Empty));
    }
}
