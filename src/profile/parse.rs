//! Parses TOML text into a tree, and reports every syntax error of the text, but only the first of
//! each line.
//!
//! The parser continues after an error, and may take part of a value for a key, such as part of a
//! password after a missing comma. The tree of a text with errors therefore keeps only keys that a
//! profile may have, because messages name the keys of the tree.

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::diagnostic::{DIAGNOSTICS_MAX, Diagnostic, Diagnostics};
use super::key_names;
use super::mode_text;
use super::node::{Entry, Node, Origin, Table, Value};
use crate::model::nesting;

/// The maximum size of a profile in bytes.
pub const TEXT_BYTES_MAX: usize = 1 << 20;

/// The maximum length of a key; the longest valid key is an annotation's, with 253 + 1 + 63 bytes.
const KEY_BYTES_MAX: usize = 512;

/// Returns the tree of a text that is `sources[source]`; syntax errors are reported and left out.
pub fn parse(source: usize, text: &str, diagnostics: &mut Diagnostics) -> Node {
    let whole = Origin::new(source, 0..0);
    let empty = Node { value: Value::Table(Table::new()), origin: whole };

    if text.len() > TEXT_BYTES_MAX {
        let message = format!("the text has {} bytes; the limit is {TEXT_BYTES_MAX}", text.len());
        diagnostics.push(
            Diagnostic::error("RB0001", message)
                .at(whole)
                .help("a profile is a few kilobytes long: is this the right file?"),
        );
        return empty;
    }
    if let Some(offset) = nesting::too_deep(text) {
        let message = format!("the values are nested more than {} levels deep", nesting::DEPTH_MAX);
        diagnostics.push(
            Diagnostic::error("RB0001", message)
                .at(Origin::new(source, offset..offset))
                .help("no key of a profile is this deep: is a bracket unclosed?"),
        );
        return empty;
    }

    let (table, errors) = DeTable::parse_recoverable(text);
    report(source, text, &errors, diagnostics);
    let keys = if errors.is_empty() { KeptKeys::All } else { KeptKeys::Known };

    let span = table.span();
    Node {
        value: Value::Table(Converter { source, keys, diagnostics }.table(table.into_inner())),
        origin: Origin::new(source, span),
    }
}

/// The keys of a text that become keys of the tree.
#[derive(Clone, Copy, PartialEq, Eq)]
enum KeptKeys {
    All,
    /// Keys that a profile may have anywhere, because the text has errors.
    Known,
}

fn report(source: usize, text: &str, errors: &[toml::de::Error], diagnostics: &mut Diagnostics) {
    let (mut reported, mut end_of_line) = (0, 0);
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        // One mistake often causes further errors on the same line.
        if reported > 0 && span.start <= end_of_line {
            continue;
        }
        if reported == DIAGNOSTICS_MAX {
            break;
        }
        reported += 1;
        end_of_line = text
            .get(span.start..)
            .and_then(|rest| rest.find('\n'))
            .map_or(text.len(), |at| span.start + at);

        let code = if error.message().contains("duplicate key") { "RB0006" } else { "RB0001" };
        let mode = mode_text::in_toml_at(text, span.start);
        let help = match (code, mode) {
            ("RB0006", _) => "keep one of them; a table may be opened only once".to_owned(),
            (_, Some(mode)) => format!("octal numbers start with `0o` in TOML: write `{mode}`"),
            _ => "profiles are TOML 1.1: strings need quotes, keys are separated by `=`".to_owned(),
        };

        // A key after the mistake may really be part of a value, so unknown keys are not reported.
        let help = if reported == 1 {
            format!("{help}; more problems may follow once this is fixed")
        } else {
            help
        };
        diagnostics.push(
            Diagnostic::error(code, error.message()).at(Origin::new(source, span)).help(help),
        );
    }
}

/// Returns the problem of a key that no type may have.
fn refused_key(key: &str) -> Option<(&'static str, &'static str, &'static str)> {
    if key.len() > KEY_BYTES_MAX {
        return Some(("RB0001", "the key exceeds 512 bytes", "no key of a profile is this long"));
    }
    let control = key.chars().any(char::is_control);
    control.then_some(("RB0101", "the key contains a control character", "remove it"))
}

struct Converter<'a> {
    source: usize,
    keys: KeptKeys,
    diagnostics: &'a mut Diagnostics,
}

impl Converter<'_> {
    fn table(&mut self, table: DeTable<'_>) -> Table {
        let mut converted = Table::new();
        for (key, value) in table {
            let origin = Origin::new(self.source, key.span());
            if let Some((code, message, help)) = refused_key(key.get_ref()) {
                self.diagnostics.push(Diagnostic::error(code, message).at(origin).help(help));
                continue;
            }
            if self.keys == KeptKeys::Known && !key_names::is_key_name(key.get_ref()) {
                continue;
            }
            let node = self.value(value);
            converted.insert(key.into_inner().into_owned(), Entry { key: origin, node });
        }
        converted
    }

    fn value(&mut self, value: Spanned<DeValue<'_>>) -> Node {
        let origin = Origin::new(self.source, value.span());
        let value = match value.into_inner() {
            DeValue::Boolean(value) => Value::Bool(value),
            DeValue::Integer(integer) => self.integer(&integer, origin),
            DeValue::Float(float) => Value::Float(float.to_string()),
            DeValue::Datetime(datetime) => Value::Datetime(datetime.to_string()),
            DeValue::String(text) => Value::Text(text.into_owned()),
            DeValue::Array(items) => {
                Value::Array(items.into_iter().map(|item| self.value(item)).collect())
            }
            DeValue::Table(table) => Value::Table(self.table(table)),
        };
        Node { value, origin }
    }

    fn integer(&mut self, integer: &DeInteger<'_>, origin: Origin) -> Value {
        // JSON readers disagree about numbers beyond 2^53.
        let exact = |value: &i64| value.unsigned_abs() < 1 << 53;
        let value = i64::from_str_radix(integer.as_str(), integer.radix()).ok().filter(exact);
        if value.is_none() {
            // The number may be a password without quotes, so the message does not repeat it.
            let message = "the number is not an integer below 2^53";
            let help = "write a smaller number; a string of digits needs quotes";
            self.diagnostics.push(Diagnostic::error("RB0004", message).at(origin).help(help));
        }
        Value::Integer(value.unwrap_or(0))
    }
}
