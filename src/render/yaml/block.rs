//! Writes block collections and the scalars whose spelling is beyond doubt: numbers, plain words,
//! quoted numbers, texts of printable lines. The library writes all others.
//!
//! Nearly all of a manifest is of these kinds, and the library examines each text in a dozen ways:
//! that took a third of the time of `render`.

use serde_json::{Map, Value, json};

use super::{in_order, library_yaml, sorted};

/// The indentation of a map in a map or a list.
const STEP: usize = 2;

/// The longest key to write without the library: readers look for the colon of a key in its first
/// 1,024 characters only.
const PLAIN_KEY_BYTES_MAX: usize = 256;

/// The words that a YAML reader may take for another type, in any case.
const RESERVED: [&str; 11] =
    ["y", "n", "on", "no", "inf", "nan", "off", "yes", "null", "true", "false"];

/// Returns an object as a YAML document, the same bytes as the library's; `None` if it is empty or
/// a key needs several lines.
pub(super) fn document(fields: &Map<String, Value>) -> Option<String> {
    let mut writer = BlockWriter(String::new());
    writer.map(in_order(fields), 0)?;
    (!writer.0.is_empty()).then_some(writer.0)
}

struct BlockWriter(String);

impl BlockWriter {
    /// Writes a map. The first key is written at the end of the current line.
    fn map<'a>(
        &mut self,
        fields: impl Iterator<Item = (&'a String, &'a Value)>,
        column: usize,
    ) -> Option<()> {
        for (index, (key, value)) in fields.enumerate() {
            self.indent(if index == 0 { 0 } else { column });
            self.key(key)?;
            match value {
                Value::Object(fields) if !fields.is_empty() => {
                    self.0.push('\n');
                    self.indent(column + STEP);
                    self.map(sorted(fields), column + STEP)?;
                }
                Value::Array(items) if !items.is_empty() => {
                    self.0.push('\n');
                    self.indent(column);
                    self.list(items, column)?;
                }
                scalar => {
                    self.0.push(' ');
                    if !self.simple(scalar, column) {
                        self.library_scalar(&json!({ "k": scalar }), "k: ", column)?;
                    }
                }
            }
        }
        Some(())
    }

    /// Writes a list. The first item is written at the end of the current line.
    fn list(&mut self, items: &[Value], column: usize) -> Option<()> {
        for (index, item) in items.iter().enumerate() {
            self.indent(if index == 0 { 0 } else { column });
            self.0.push_str("- ");
            match item {
                Value::Object(fields) if !fields.is_empty() => {
                    self.map(sorted(fields), column + STEP)?;
                }
                Value::Array(items) if !items.is_empty() => self.list(items, column + STEP)?,
                scalar => {
                    if !self.simple(scalar, column) {
                        self.library_scalar(&json!([scalar]), "- ", column)?;
                    }
                }
            }
        }
        Some(())
    }

    fn indent(&mut self, column: usize) {
        self.0.extend(std::iter::repeat_n(' ', column));
    }

    fn key(&mut self, key: &str) -> Option<()> {
        // The library quotes keys with signs that values may have, and marks long keys.
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"._/-".contains(&byte);
        if key.len() <= PLAIN_KEY_BYTES_MAX && is_plain(key) && key.bytes().all(is_word) {
            self.0.push_str(key);
        } else {
            let written = library_yaml(&json!({ key: 0 }));
            self.0.push_str(written.strip_suffix(": 0\n").filter(|key| !key.contains('\n'))?);
        }
        self.0.push(':');
        Some(())
    }

    /// Writes a scalar whose spelling is beyond doubt, and the end of its line; otherwise returns
    /// false.
    fn simple(&mut self, scalar: &Value, column: usize) -> bool {
        match scalar {
            Value::Null => self.0.push_str("null"),
            Value::Bool(value) => self.0.push_str(if *value { "true" } else { "false" }),
            Value::Number(number) if !number.is_f64() => self.0.push_str(&number.to_string()),
            Value::String(text) if is_plain(text) || is_quantity(text) => self.0.push_str(text),
            Value::String(text) if is_reserved(text) || is_digits(text) => {
                self.0.extend(["\"", text, "\""]);
            }
            Value::String(text) if is_lines(text) => {
                self.lines(text, column + STEP);
                return true;
            }
            Value::Object(_) => self.0.push_str("{}"),
            Value::Array(_) => self.0.push_str("[]"),
            Value::Number(_) | Value::String(_) => return false,
        }
        self.0.push('\n');
        true
    }

    /// Writes a text of several lines as a literal.
    fn lines(&mut self, text: &str, column: usize) {
        let body = text.strip_suffix('\n');
        self.0.push_str(if body.is_some() { "|\n" } else { "|-\n" });
        for line in body.unwrap_or(text).split('\n') {
            self.indent(if line.is_empty() { 0 } else { column });
            self.0.extend([line, "\n"]);
        }
    }

    /// Writes the scalar in `holder`, which the library writes after `lead`.
    fn library_scalar(&mut self, holder: &Value, lead: &str, column: usize) -> Option<()> {
        let written = library_yaml(holder);
        for (index, line) in written.strip_prefix(lead)?.split_inclusive('\n').enumerate() {
            self.indent(if index == 0 || line == "\n" { 0 } else { column });
            self.0.push_str(line);
        }
        Some(())
    }
}

/// Returns whether a text is certainly a string for every reader if it is written without quotes.
///
/// Texts that do not start with a letter or a slash may be numbers, times or signs of YAML.
fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    let starts = first.is_ascii_alphabetic() || *first == b'/';
    let ends = !matches!(last, b' ' | b':');
    let is_printable = |byte: &u8| matches!(byte, b' '..=b'~') && *byte != b'#';
    let has_entry = || bytes.contains(&b':') && text.contains(": ");
    starts && ends && bytes.iter().all(is_printable) && !is_reserved(text) && !has_entry()
}

fn is_reserved(text: &str) -> bool {
    text.len() <= 5 && RESERVED.iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// Returns whether a text needs quotes because it would be a number.
fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns whether a text is a quantity such as `250m` or `64Mi`, which no reader takes for a
/// number.
fn is_quantity(text: &str) -> bool {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    matches!(&text[number.len()..], "m" | "Ki" | "Mi" | "Gi") && is_digits(number)
}

/// Returns whether a text is several printable lines, of which the first begins with a sign and the
/// last is not empty.
fn is_lines(text: &str) -> bool {
    let is_sign = |byte: &u8| matches!(byte, b'!'..=b'~');
    let bytes = text.as_bytes();
    let end = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.contains(&b'\n')
        && bytes.first().is_some_and(is_sign)
        && end.last().is_some_and(is_sign)
        && bytes.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\n'))
}
