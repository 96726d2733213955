//! Helm values as a tree that keeps the order of keys.

/// A YAML value. It has no `Debug`, because it may hold a secret.
#[derive(Clone, PartialEq)]
pub(super) enum YamlValue {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Self>),
    Map(Map),
}

impl YamlValue {
    /// Returns YAML's name of this type, with an article.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }

    /// Returns the text of a scalar, as Kubernetes expects it in quotes.
    pub(super) fn scalar_text(&self) -> Option<String> {
        match self {
            Self::Bool(value) => Some(value.to_string()),
            Self::Integer(value) => Some(value.to_string()),
            Self::Float(value) => {
                Some(whole(*value).map_or_else(|| value.to_string(), |value| value.to_string()))
            }
            Self::Text(text) => Some(text.clone()),
            Self::Null | Self::List(_) | Self::Map(_) => None,
        }
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    /// Returns whether the chart's templates treat a value as "not given".
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Text(text) => text.is_empty(),
            Self::List(items) => items.is_empty(),
            Self::Map(map) => map.0.is_empty(),
            _ => false,
        }
    }
}

/// Returns a number without a fraction as an integer: Helm's JSON turns large integers into floats.
pub(super) fn whole(number: f64) -> Option<i64> {
    const LIMIT: f64 = 9_007_199_254_740_991.0;
    #[expect(clippy::cast_possible_truncation, reason = "within 2^53, and without a fraction")]
    (number.fract() == 0.0 && number.abs() <= LIMIT).then_some(number as i64)
}

/// Keys and values in the order of the file.
#[derive(Clone, Default, PartialEq)]
pub(super) struct Map(pub(super) Vec<(String, YamlValue)>);

impl Map {
    /// Returns a map of these entries.
    pub(super) fn of<const N: usize>(entries: [(&str, YamlValue); N]) -> Self {
        Self(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    /// Returns the value at `path`, whose keys are separated by dots.
    pub(super) fn get(&self, path: &str) -> Option<&YamlValue> {
        let (first, rest) = split(path);
        let value = self.0.iter().find(|(key, _)| key == first).map(|(_, value)| value)?;
        match rest {
            Some(rest) => value.as_map()?.get(rest),
            None => Some(value),
        }
    }

    pub(super) fn get_mut(&mut self, path: &str) -> Option<&mut YamlValue> {
        let (first, rest) = split(path);
        let value = self.0.iter_mut().find(|(key, _)| key == first).map(|(_, value)| value)?;
        match (rest, value) {
            (Some(rest), YamlValue::Map(map)) => map.get_mut(rest),
            (Some(_), _) => None,
            (None, value) => Some(value),
        }
    }

    /// Returns the map at `path`.
    pub(super) fn map_mut(&mut self, path: &str) -> Option<&mut Self> {
        match self.get_mut(path) {
            Some(YamlValue::Map(map)) => Some(map),
            _ => None,
        }
    }

    /// Returns the text at `path`, if it is a non-empty text.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.get(path)?.as_text().filter(|text| !text.is_empty())
    }

    /// Returns whether a switch is on; `default` if it is not set.
    pub(super) fn is_on(&self, path: &str, default: bool) -> bool {
        match self.get(path) {
            Some(YamlValue::Bool(value)) => *value,
            Some(YamlValue::Text(text)) => switch(text).unwrap_or(default),
            _ => default,
        }
    }

    /// Removes the value at `path`, and parent maps that become empty.
    pub(super) fn remove(&mut self, path: &str) -> Option<YamlValue> {
        let (first, rest) = split(path);
        let at = self.0.iter().position(|(key, _)| key == first)?;
        match (rest, &mut self.0[at].1) {
            (Some(rest), YamlValue::Map(map)) => {
                let removed = map.remove(rest)?;
                if map.0.is_empty() {
                    self.0.remove(at);
                }
                Some(removed)
            }
            (Some(_), _) => None,
            (None, _) => Some(self.0.remove(at).1),
        }
    }

    /// Takes the value at `path`, but keeps its place for [`Map::set`] or [`Map::remove`].
    pub(super) fn take(&mut self, path: &str) -> Option<YamlValue> {
        self.get_mut(path).map(|value| std::mem::replace(value, YamlValue::Null))
    }

    /// Sets the value at `path`: in the place of an existing one, or at the end. A parent that is
    /// not a map is replaced.
    pub(super) fn set(&mut self, path: &str, value: YamlValue) {
        let (first, rest) = split(path);
        let at = self.0.iter().position(|(key, _)| key == first).unwrap_or_else(|| {
            self.0.push((first.to_owned(), YamlValue::Null));
            self.0.len() - 1
        });
        let place = &mut self.0[at].1;
        let Some(rest) = rest else {
            *place = value;
            return;
        };
        if !matches!(place, YamlValue::Map(_)) {
            *place = YamlValue::Map(Self::default());
        }
        if let YamlValue::Map(map) = place {
            map.set(rest, value);
        }
    }
}

fn split(path: &str) -> (&str, Option<&str>) {
    path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)))
}

/// Returns the boolean that YAML 1.1, which Helm reads, takes a word for.
pub(super) fn switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Some(true),
        "false" | "no" | "off" => Some(false),
        _ => None,
    }
}
