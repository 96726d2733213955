//! A profile as a tree that remembers where each value was written.
//!
//! Layers (defaults, files, `--set`) become trees of this type, and are typed only after they are
//! merged.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

/// The place of a key or value: the index of a source, and a range of bytes in its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    pub source: usize,
    pub start: usize,
    pub end: usize,
}

impl Origin {
    pub fn new(source: usize, span: Range<usize>) -> Self {
        Self { source, start: span.start, end: span.end }
    }

    pub fn span(&self) -> Range<usize> {
        self.start..self.end
    }
}

/// A value with its origin.
///
/// It has no `Debug` because it may hold a secret.
#[derive(Clone)]
pub struct Node {
    pub value: Value,
    pub origin: Origin,
}

#[derive(Clone)]
pub enum Value {
    Bool(bool),
    Integer(i64),
    /// The TOML text of a number that is not an integer; nothing computes with it.
    Float(String),
    /// A TOML date: no key takes one, but a message should name the type.
    Datetime(String),
    Text(String),
    Array(Vec<Node>),
    Table(Table),
}

pub type Table = BTreeMap<String, Entry>;

/// A key's place and its value.
#[derive(Clone)]
pub struct Entry {
    pub key: Origin,
    pub node: Node,
}

impl Value {
    /// Returns TOML's name of this type, with an article.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Bool(_) => "a boolean",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Datetime(_) => "a date",
            Self::Text(_) => "a string",
            Self::Array(_) => "an array",
            Self::Table(_) => "a table",
        }
    }
}

impl Node {
    pub fn as_table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    /// Returns the node at `path`, if there is one.
    pub fn get(&self, path: &Path) -> Option<&Self> {
        path.0.iter().try_fold(self, |node, segment| match (segment, &node.value) {
            (Segment::Key(key), Value::Table(table)) => table.get(key).map(|entry| &entry.node),
            (Segment::Index(index), Value::Array(items)) => items.get(*index),
            _ => None,
        })
    }

    /// Returns the node at `path`, if there is one.
    pub fn get_mut(&mut self, path: &Path) -> Option<&mut Self> {
        path.0.iter().try_fold(self, |node, segment| match (segment, &mut node.value) {
            (Segment::Key(key), Value::Table(table)) => {
                table.get_mut(key).map(|entry| &mut entry.node)
            }
            (Segment::Index(index), Value::Array(items)) => items.get_mut(*index),
            _ => None,
        })
    }

    /// Returns the keys of a table, sorted; none for anything else.
    pub fn keys(&self) -> Vec<&str> {
        self.as_table().into_iter().flat_map(BTreeMap::keys).map(String::as_str).collect()
    }

    /// Removes the key at `path` from its table.
    pub fn remove(&mut self, path: &Path) {
        let parent =
            path.split_last().and_then(|(parent, last)| Some((self.get_mut(&parent)?, last)));
        if let Some((Self { value: Value::Table(table), .. }, Segment::Key(key))) = parent {
            table.remove(key);
        }
    }

    /// Returns the origin of the deepest existing part of `path`.
    pub fn nearest_origin(&self, path: &Path) -> Origin {
        let mut node = self;
        for segment in &path.0 {
            let next = match (segment, &node.value) {
                (Segment::Key(key), Value::Table(table)) => table.get(key).map(|entry| &entry.node),
                (Segment::Index(index), Value::Array(items)) => items.get(*index),
                _ => None,
            };
            let Some(next) = next else { break };
            node = next;
        }
        node.origin
    }

    /// Lays `upper` over this node: tables merge key by key, any other value is replaced.
    pub fn merge(&mut self, upper: &Self) {
        self.origin = upper.origin;
        let (Value::Table(lower), Value::Table(upper)) = (&mut self.value, &upper.value) else {
            self.value = upper.value.clone();
            return;
        };
        for (key, entry) in upper {
            match lower.get_mut(key) {
                Some(below) => {
                    below.key = entry.key;
                    below.node.merge(&entry.node);
                }
                None => {
                    lower.insert(key.clone(), entry.clone());
                }
            }
        }
    }
}

/// The path to a value: `ingress.hosts[0].host`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(pub Vec<Segment>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Segment {
    Key(String),
    Index(usize),
}

impl Segment {
    /// Returns the key, or `None` for an index.
    pub fn as_key(&self) -> Option<&str> {
        match self {
            Self::Key(key) => Some(key),
            Self::Index(_) => None,
        }
    }
}

impl Path {
    /// Parses a path of keys and indices, `a.b[0].c`; keys are taken verbatim.
    pub fn of(text: &str) -> Self {
        let mut segments = Vec::new();
        for part in text.split('.').filter(|part| !part.is_empty()) {
            let (key, indices) = part.split_once('[').unwrap_or((part, ""));
            segments.push(Segment::Key(key.to_owned()));
            let indices = indices.trim_end_matches(']').split("][");
            segments.extend(indices.filter_map(|index| index.parse().ok()).map(Segment::Index));
        }
        Self(segments)
    }

    #[must_use]
    pub fn key(&self, key: impl Into<String>) -> Self {
        let mut path = self.clone();
        path.0.push(Segment::Key(key.into()));
        path
    }

    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        let mut path = self.clone();
        path.0.push(Segment::Index(index));
        path
    }

    /// Returns the path without its last segment, and that segment.
    pub fn split_last(&self) -> Option<(Self, &Segment)> {
        let (last, parent) = self.0.split_last()?;
        Some((Self(parent.to_vec()), last))
    }

    pub fn starts_with(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }
}

impl From<&str> for Path {
    fn from(text: &str) -> Self {
        Self::of(text)
    }
}

impl From<String> for Path {
    fn from(text: String) -> Self {
        Self::of(&text)
    }
}

impl From<&Self> for Path {
    fn from(path: &Self) -> Self {
        path.clone()
    }
}

/// The path to a value as a chain on the stack.
///
/// Code that walks a tree builds a [`Path`] only when it has something to report.
#[derive(Clone, Copy)]
pub enum PathChain<'a> {
    From(&'a Path),
    Key(&'a Self, &'a str),
    Index(&'a Self, usize),
}

impl PathChain<'_> {
    pub fn path(self) -> Path {
        match self {
            Self::From(path) => path.clone(),
            Self::Key(parent, key) => parent.path().key(key),
            Self::Index(parent, index) => parent.path().index(index),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) => {
                    if position > 0 {
                        f.write_str(".")?;
                    }
                    let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
                    if !key.is_empty() && key.chars().all(bare) {
                        f.write_str(key)?;
                    } else {
                        write!(f, "{key:?}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_round_trips() {
        for text in ["a", "a.b", "ingress.hosts[0].paths[12].path"] {
            assert_eq!(Path::of(text).to_string(), text);
        }
        assert_eq!(Path::default().key("a.b").to_string(), "\"a.b\"");
    }
}
