//! Finds the place in a profile's text for a line that sets one more key.
//!
//! TOML forbids a second header for the same table.

use serde_json::json;
use toml::de::DeTable;
use toml::{Spanned, Table, Value};

/// A line and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    pub line: String,
    pub place: Where,
}

/// The place of a line; lines are counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Where {
    /// Above the first table.
    Top,
    /// Directly below the header of this table.
    Under { table: String, at: usize },
    /// In place of this line.
    Instead { at: usize },
    /// Into this table, which the text does not write below a header.
    Into { table: String },
}

/// A header such as `[config]`.
struct TableHeader {
    /// The number of its line, and the offset of the end of that line.
    line: usize,
    end: usize,
    path: Vec<String>,
}

/// Returns the place of `key = value`; `None` if that is not TOML by itself, for example because
/// the key is an item of a list.
pub fn placement(text: &str, key: &str, value: &str) -> Option<Placement> {
    let path = only_path(&format!("{key} = 0").parse::<Table>().ok()?)?;
    let added = format!("a = {value}").parse::<Table>().ok()?.remove("a")?;
    let old: Table = text.parse().ok()?;
    let headers = headers(text);
    let line_from = |depth: usize| format!("{} = {value}", dotted(&path[depth..]));

    if let Some(at) = line_of(text, &path) {
        let above = headers.iter().rfind(|header| header.line <= at);
        let depth = above
            .filter(|header| is_above(&header.path, &path))
            .map_or(0, |header| header.path.len());
        return Some(Placement { line: line_from(depth), place: Where::Instead { at } });
    }

    let mut wanted = old.clone();
    set(&mut wanted, &path, added)?;
    let is_right = |start: usize, line: &str| {
        let new = format!("{}{line}\n{}", &text[..start], &text[start..]);
        new.parse::<Table>().is_ok_and(|new| new == wanted)
    };

    let mut above: Vec<&TableHeader> =
        headers.iter().filter(|header| is_above(&header.path, &path)).collect();
    above.sort_by_key(|header| std::cmp::Reverse(header.path.len()));
    for TableHeader { line: at, end, path: of } in above {
        let line = line_from(of.len());
        if is_right(*end, &line) {
            // The header without the line's comment, which may contain anything.
            let table = format!("[{}]", dotted(of));
            return Some(Placement { line, place: Where::Under { table, at: *at } });
        }
    }

    if is_right(0, &line_from(0)) {
        return Some(Placement { line: line_from(0), place: Where::Top });
    }
    let depth = (1..path.len()).rev().find(|depth| find(&old, &path[..*depth]).is_some())?;
    Some(Placement { line: line_from(depth), place: Where::Into { table: dotted(&path[..depth]) } })
}

/// Returns the path of a table that has exactly one key at each level.
fn only_path(table: &Table) -> Option<Vec<String>> {
    let mut path = Vec::new();
    let mut table = Some(table);
    while let Some((key, value)) = table.and_then(|table| table.iter().next()) {
        path.push(key.clone());
        table = value.as_table();
    }
    (!path.is_empty()).then_some(path)
}

fn headers(text: &str) -> Vec<TableHeader> {
    let mut end = 0;
    let mut found = Vec::new();
    for (index, whole) in text.split_inclusive('\n').enumerate() {
        end += whole.len();
        let trimmed = whole.trim();
        // A line of a multi-line string may look like a header; `placement` detects that by parsing
        // the text with the new line in place.
        let is_one =
            trimmed.starts_with('[') && !trimmed.starts_with("[[") && whole.ends_with('\n');
        if let Some(path) =
            trimmed.parse::<Table>().ok().filter(|_| is_one).as_ref().and_then(only_path)
        {
            found.push(TableHeader { line: index + 1, end, path });
        }
    }
    found
}

fn is_above(table: &[String], path: &[String]) -> bool {
    table.len() < path.len() && path.starts_with(table)
}

/// Returns the keys as a dotted TOML key.
fn dotted(path: &[String]) -> String {
    let is_bare = |key: &String| {
        !key.is_empty()
            && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let key = |key: &String| if is_bare(key) { key.clone() } else { json!(key).to_string() };
    path.iter().map(key).collect::<Vec<_>>().join(".")
}

fn find<'a>(table: &'a Table, path: &[String]) -> Option<&'a Value> {
    let (last, above) = path.split_last()?;
    let table = above.iter().try_fold(table, |table, key| table.get(key)?.as_table())?;
    table.get(last)
}

/// Sets a value; returns `None` if the path leads through a value that is not a table.
fn set(table: &mut Table, path: &[String], value: Value) -> Option<()> {
    let (last, above) = path.split_last()?;
    let table = above.iter().try_fold(table, |table, key| {
        table.entry(key).or_insert_with(|| Table::new().into()).as_table_mut()
    })?;
    table.insert(last.clone(), value);
    Some(())
}

/// Returns the number of the line that sets a key, if there is one.
fn line_of(text: &str, path: &[String]) -> Option<usize> {
    let parsed = DeTable::parse(text).ok()?;
    let mut table = parsed.get_ref();
    let (last, above) = path.split_last()?;
    for key in above {
        table = table.iter().find(|(known, _)| known.get_ref() == key)?.1.get_ref().as_table()?;
    }
    let key: &Spanned<_> = table.iter().find(|(known, _)| known.get_ref() == last)?.0;
    Some(text.get(..key.span().start)?.matches('\n').count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &str = "{ age = \"secrets/x.age\" }";

    #[track_caller]
    fn goes(text: &str, key: &str, line: &str, place: Where) {
        let line = format!("{line} = {VALUE}");
        assert_eq!(placement(text, key, VALUE), Some(Placement { line, place }), "{text}");
    }

    fn under(table: &str, at: usize) -> Where {
        Where::Under { table: table.to_owned(), at }
    }

    #[test]
    fn line_goes_into_open_table_or_to_top() {
        let key = "config.jwtSecret";
        goes("", key, key, Where::Top);
        goes("a = 1\n[other]\nb = 2\n", key, key, Where::Top);
        goes("config.logLevel = \"info\"\n", key, key, Where::Top);
        goes("a = 1\n\n[config] # of the relay\nb = 2\n", key, "jwtSecret", under("[config]", 3));
        goes(
            "[redis]\nx = 1\n[redis.auth]\ny = 1\n",
            "redis.auth.password",
            "password",
            under("[redis.auth]", 3),
        );
        goes("[redis]\nx = 1\n", "redis.auth.password", "auth.password", under("[redis]", 1));
        goes("[\"a.b\"]\nx = 1\n", "\"a.b\".\"c d\"", "\"c d\"", under("[\"a.b\"]", 1));
    }

    #[test]
    fn table_header_inside_string_is_ignored() {
        let text = "a = '''\n[config]\n'''\n[config]\nb = 1\n";
        goes(text, "config.jwtSecret", "jwtSecret", under("[config]", 4));
    }

    #[test]
    fn existing_key_is_replaced_and_inline_table_is_named() {
        let key = "config.jwtSecret";
        goes(
            "\n[config]\na = 1\njwtSecret = { generate = {} }\n",
            key,
            "jwtSecret",
            Where::Instead { at: 4 },
        );
        goes("config.jwtSecret = { generate = {} }\n", key, key, Where::Instead { at: 1 });
        goes("config = { a = 1 }\n", key, "jwtSecret", Where::Into { table: "config".to_owned() });
        assert_eq!(placement("", "outputs[0]", VALUE), None);
    }
}
