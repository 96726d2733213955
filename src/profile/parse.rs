//! TOML text to a tree; every syntax error of the text at once, the first of each line.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::{Diagnostic, Diagnostics};
use super::node::{Entry, Node, Origin, Table, Value, line_and_column};

/// A profile larger than this is not a profile.
pub const TEXT_BYTES_MAX: usize = 1 << 20;

/// Returns the tree of a text that is `sources[source]`; what is not TOML is reported and left out.
pub fn parse(source: usize, text: &str, diagnostics: &mut Diagnostics) -> Node {
    let whole = Origin::new(source, 0..0);
    let empty = Node { value: Value::Table(Table::new()), origin: whole };
    if text.len() > TEXT_BYTES_MAX {
        let message = format!("the text has {} bytes; the limit is {TEXT_BYTES_MAX}", text.len());
        diagnostics.push(
            Diagnostic::error("RB0001", message)
                .at(whole)
                .help("a profile is a few kilobytes: is this the right file?"),
        );
        return empty;
    }
    let (table, errors) = DeTable::parse_recoverable(text);
    report(source, text, &errors, diagnostics);
    let span = table.span();
    Node {
        value: Value::Table(convert_table(source, table.into_inner(), diagnostics)),
        origin: Origin::new(source, span),
    }
}

fn report(source: usize, text: &str, errors: &[toml::de::Error], diagnostics: &mut Diagnostics) {
    let mut last_line = 0;
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        let (line, _) = line_and_column(text, span.start);
        // One mistake often makes the parser stumble again on the same line.
        if line == last_line {
            continue;
        }
        last_line = line;
        let code = if error.message().contains("duplicate key") { "RB0006" } else { "RB0001" };
        let help = match code {
            "RB0006" => "keep one of them; tables may be reopened only under another name",
            _ => "profiles are TOML 1.1: strings need quotes, keys are separated by `=`",
        };
        diagnostics.push(Diagnostic::error(code, error.message()).at(Origin::new(source, span)).help(help));
    }
}

fn convert_table(source: usize, table: DeTable<'_>, diagnostics: &mut Diagnostics) -> Table {
    let mut converted = Table::new();
    for (key, value) in table {
        let origin = Origin::new(source, key.span());
        if key.get_ref().chars().any(char::is_control) {
            let message = "a key holds a control character";
            diagnostics
                .push(Diagnostic::error("RB0004", message).at(origin).help("write the key without it"));
            continue;
        }
        let node = convert(source, value, diagnostics);
        converted.insert(key.into_inner().into_owned(), Entry { key: origin, node });
    }
    converted
}

fn convert(source: usize, value: Spanned<DeValue<'_>>, diagnostics: &mut Diagnostics) -> Node {
    let origin = Origin::new(source, value.span());
    let value = match value.into_inner() {
        DeValue::Boolean(value) => Value::Bool(value),
        DeValue::Integer(integer) => {
            // Beyond 2^53 readers of JSON disagree about a number.
            let exact = |value: &i64| value.unsigned_abs() < 1 << 53;
            if let Some(value) = i64::from_str_radix(integer.as_str(), integer.radix()).ok().filter(exact) {
                Value::Integer(value)
            } else {
                let message = format!("`{integer}` is not an integer below 2^53");
                diagnostics
                    .push(Diagnostic::error("RB0004", message).at(origin).help("write a smaller number"));
                Value::Integer(0)
            }
        }
        DeValue::Float(float) => Value::Float(float.to_string()),
        DeValue::Datetime(datetime) => Value::Datetime(datetime.to_string()),
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Array(items) => {
            Value::Array(items.into_iter().map(|item| convert(source, item, diagnostics)).collect())
        }
        DeValue::Table(table) => Value::Table(convert_table(source, table, diagnostics)),
    };
    Node { value, origin }
}
