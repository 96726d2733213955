//! Parses YAML or JSON values: limited in size, one document, no duplicate keys.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::value::{Map, YamlValue};
use crate::model::printable::escaped_start;
use crate::profile::key_names;
use crate::profile::node::Path;

/// The largest text. Values of a release are a few kilobytes, and Helm itself cannot keep more than
/// 1 MiB.
pub const VALUES_BYTES_MAX: usize = 1 << 20;
/// The deepest nesting, far more than in any pod specification.
const DEPTH_MAX: usize = 64;
/// The largest number of nodes, including those that aliases repeat.
const NODES_MAX: usize = 20_000;

/// The titles that `helm get values` writes above the values.
const TITLES: [&str; 2] = ["USER-SUPPLIED VALUES:", "COMPUTED VALUES:"];

/// The reason why a text is not Helm values.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("the values have {bytes} bytes; the limit is {limit}")]
    TooLarge { bytes: usize, limit: usize },
    #[error("the values are not UTF-8 (byte {offset})")]
    NotUtf8 { offset: usize },
    #[error("the values are empty")]
    Empty,
    #[error("the values are not YAML (line {line}): {message}")]
    Yaml { line: usize, message: String },
    #[error("expected a map of values, found {found}")]
    NotValues { found: &'static str },
    #[error("expected values, found an object of the kind {}", escaped_start(kind, 40))]
    Object {
        kind: String,
        /// The places at which such an object has the values of a chart.
        places: &'static [&'static str],
    },
    #[error("the values of an umbrella chart, with several charts that may be the relay's")]
    SeveralCharts,
}

/// The values of a text, as Helm reads them.
#[derive(Default)]
pub(super) struct Values {
    pub(super) map: Map,
    /// The paths of numbers that begin with 0, and are therefore octal.
    pub(super) octals: Vec<Path>,
}

/// Parses the values of a text.
pub(super) fn parse(bytes: &[u8]) -> Result<Values, ImportError> {
    if bytes.len() > VALUES_BYTES_MAX {
        return Err(ImportError::TooLarge { bytes: bytes.len(), limit: VALUES_BYTES_MAX });
    }

    let text = std::str::from_utf8(bytes)
        .map_err(|error| ImportError::NotUtf8 { offset: error.valid_up_to() })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // Keep the line break of the title, so that messages name the right line.
    let body = below_title(text).unwrap_or(text);
    if is_empty(body) {
        return Err(ImportError::Empty);
    }

    let read = |numbers| {
        serde_saphyr::from_str_with_options::<YamlValue>(body, options(numbers)).map_err(|error| {
            let lines_before = text[..text.len() - body.len()].matches('\n').count();
            let line = |place: serde_saphyr::Location| {
                usize::try_from(place.line()).unwrap_or(0) + lines_before
            };
            ImportError::Yaml { line: error.location().map_or(0, line), message: message(&error) }
        })
    };

    let value = read(Numbers::OfYaml11)?;
    let mut octals = Vec::new();
    find_octals(&value, &read(Numbers::AsWritten)?, &Path::default(), &mut octals);
    match value {
        YamlValue::Map(map) => Ok(Values { map, octals }),
        YamlValue::Null => Ok(Values::default()),
        other => Err(ImportError::NotValues { found: other.type_name() }),
    }
}

/// The treatment of a number that begins with 0.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Numbers {
    /// It is octal, as in Helm.
    OfYaml11,
    /// It stays a text.
    AsWritten,
}

fn begins_with_zero(digits: &str) -> bool {
    let rest = digits.trim_start_matches(['+', '-']).strip_prefix('0');
    rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit() || c == '_'))
}

/// Finds the numbers of `value` that are octal: in `written`, the same text, they are texts.
fn find_octals(value: &YamlValue, written: &YamlValue, path: &Path, octals: &mut Vec<Path>) {
    match (value, written) {
        (YamlValue::Integer(_), YamlValue::Text(digits)) if begins_with_zero(digits) => {
            octals.push(path.clone());
        }
        (YamlValue::List(items), YamlValue::List(written)) => {
            for (index, (item, written)) in items.iter().zip(written).enumerate() {
                find_octals(item, written, &path.index(index), octals);
            }
        }
        (YamlValue::Map(map), YamlValue::Map(written)) => {
            for ((key, value), (_, written)) in map.0.iter().zip(&written.0) {
                find_octals(value, written, &path.key(key), octals);
            }
        }
        _ => {}
    }
}

/// Returns the text below the title. Only lines such as `NAME: prod` may precede the title.
fn below_title(text: &str) -> Option<&str> {
    let mut rest = text;
    while !rest.is_empty() {
        let line = rest.split('\n').next().unwrap_or_default();
        let words = line.trim();
        if TITLES.contains(&words) {
            return Some(&rest[line.len()..]);
        }
        let is_heading =
            |(name, _): (&str, &str)| name.chars().all(|c| c.is_ascii_uppercase() || c == ' ');
        if !words.is_empty() && !words.split_once(':').is_some_and(is_heading) {
            return None;
        }
        rest = rest.get(line.len() + 1..).unwrap_or_default();
    }
    None
}

/// Returns whether a text has neither keys nor a `null`: the command that should have written it
/// failed.
fn is_empty(text: &str) -> bool {
    text.lines()
        .map(str::trim)
        .all(|line| line.is_empty() || line.starts_with('#') || line == "---")
}

fn options(numbers: Numbers) -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX,
            max_nodes: NODES_MAX,
            max_events: 4 * NODES_MAX,
            max_documents: 1,
        },
        with_snippet: false,
        legacy_octal_numbers: true,
        leading_zero_numbers_as_strings: numbers == Numbers::AsWritten,
        underscored_numbers_as_strings: numbers == Numbers::AsWritten,
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: NODES_MAX,
            max_replay_stack_depth: 16,
        },
    }
}

/// Returns the error in words, without the text around it, which may hold a secret.
fn message(error: &serde_saphyr::Error) -> String {
    let plain = error.without_snippet().to_string();
    // Our own message has the place, and the user has no parser options to set.
    let line = plain.lines().next().unwrap_or_default();
    let line = line.split(" at line ").next().unwrap_or_default();
    let line = line.split(", set DuplicateKeyPolicy").next().unwrap_or_default();
    // A password may be written as `{a, a}`.
    let key = line.strip_prefix("duplicate mapping key: ");
    if key.is_some_and(|key| !key_names::is_key_name(key)) {
        return "duplicate mapping key".to_owned();
    }
    let limits = [
        ("budget breached: Documents", "there is more than one document"),
        ("budget breached: Depth", "the values are nested too deep"),
        ("budget breached", "there are too many values"),
        ("alias replay limit", "aliases expand to too many values"),
    ];
    if let Some((_, words)) = limits.iter().find(|(start, _)| line.starts_with(start)) {
        return (*words).to_owned();
    }
    escaped_start(line, 200)
}

impl<'de> Deserialize<'de> for YamlValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(YamlVisitor)
    }
}

struct YamlVisitor;

impl<'de> Visitor<'de> for YamlVisitor {
    type Value = YamlValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of Helm")
    }

    fn visit_unit<E: de::Error>(self) -> Result<YamlValue, E> {
        Ok(YamlValue::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<YamlValue, E> {
        Ok(YamlValue::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<YamlValue, D::Error> {
        YamlValue::deserialize(deserializer)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<YamlValue, E> {
        Ok(YamlValue::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<YamlValue, E> {
        Ok(YamlValue::Integer(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<YamlValue, E> {
        // A larger number is not a count; as a text it keeps its digits.
        Ok(i64::try_from(value)
            .map_or_else(|_| YamlValue::Text(value.to_string()), YamlValue::Integer))
    }

    fn visit_i128<E: de::Error>(self, value: i128) -> Result<YamlValue, E> {
        Ok(YamlValue::Text(value.to_string()))
    }

    fn visit_u128<E: de::Error>(self, value: u128) -> Result<YamlValue, E> {
        Ok(YamlValue::Text(value.to_string()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<YamlValue, E> {
        if value.is_finite() {
            Ok(YamlValue::Float(value))
        } else {
            Err(E::custom("a number that is not finite"))
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<YamlValue, E> {
        Ok(YamlValue::Text(text.to_owned()))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<YamlValue, E> {
        Ok(YamlValue::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<YamlValue, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(YamlValue::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<YamlValue, A::Error> {
        let mut map = Map::default();
        while let Some((key, value)) = entries.next_entry::<String, YamlValue>()? {
            map.0.push((key, value));
        }
        Ok(YamlValue::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        parse(text.as_bytes()).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn key_order_is_preserved() {
        let map = parse(b"b: 1\na: {d: 2, c: 3}\n").ok().unwrap().map;
        let keys: Vec<&str> = map.0.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["b", "a"]);
    }

    #[test]
    fn scalars_have_same_types_as_in_helm() {
        let text = "a: 8.64e+07\nb: 0x10\nc: yes\nd: ~\ne: '3'\nf: 1.5\ng: true\nh: 2025-11-01\ni: 18446744073709551615\nj:\n1: x\n";
        let map = parse(text.as_bytes()).ok().unwrap().map;
        let shown: Vec<String> = map
            .0
            .iter()
            .map(|(key, value)| {
                format!("{key} {} {}", value.type_name(), value.scalar_text().unwrap_or_default())
            })
            .collect();
        assert_eq!(
            shown,
            [
                "a a number 86400000",
                "b an integer 16",
                "c a boolean true",
                "d null ",
                "e a string 3",
                "f a number 1.5",
                "g a boolean true",
                "h a string 2025-11-01",
                "i a string 18446744073709551615",
                "j null ",
                "1 a string x",
            ]
        );
    }

    #[test]
    fn number_with_leading_zero_is_octal() {
        // As `helm template` shows them.
        for (text, number) in [
            ("0400", 256),
            ("0755", 493),
            ("01750", 1000),
            ("0_400", 256),
            ("-0400", -256),
            ("+0400", 256),
            ("000", 0),
        ] {
            let values = parse(format!("a: [{{b: {text}}}]\n").as_bytes()).ok().unwrap();
            assert!(
                values.map.get("a")
                    == Some(&YamlValue::List(vec![YamlValue::Map(Map::of([(
                        "b",
                        YamlValue::Integer(number)
                    )]))])),
                "{text}"
            );
            assert_eq!(values.octals, [Path::of("a[0].b")], "{text}");
        }

        for text in ["0", "400", "0o400", "0x10", "1_000", "\"0400\"", "089", "0400.5", "04e2"] {
            assert!(
                parse(format!("a: {text}\n").as_bytes()).ok().unwrap().octals.is_empty(),
                "{text}"
            );
        }
        let octal = parse(b"a: 0o400\n").ok().unwrap();
        assert!(octal.map.get("a") == Some(&YamlValue::Integer(256)));
    }

    #[test]
    fn error_of_yaml_quotes_no_value() {
        for value in [
            "*qvzk1",
            "&qvzk1",
            "!qvzk1 x: y",
            "@qvzk1",
            "%qvzk1",
            "`qvzk1`",
            "qvzk1: x",
            "\"qvzk1",
            "'qvzk1",
            "{qvzk1",
            "[qvzk1",
            "|qvzk1",
            ">qvzk1",
            "\tqvzk1: x",
            "\"\\qvzk1\"",
            "{qvzk1, qvzk1}",
            "!!int qvzk1",
            "!!binary qvzk1",
            "<<: *qvzk1",
        ] {
            let text = format!("a: 1\npassword: {value}\nb: 2\n");
            if let Err(error) = parse(text.as_bytes()) {
                assert!(!error.to_string().contains("qvzk"), "{value}: {error}");
            }
        }
    }

    #[test]
    fn helm_values_header_and_json_are_parsed() {
        for text in [
            "USER-SUPPLIED VALUES:\nreplicaCount: 2\n",
            "COMPUTED VALUES:\nreplicaCount: 2\n",
            "{\"replicaCount\": 2}",
            "\u{feff}---\r\nreplicaCount: 2\r\n",
        ] {
            assert!(
                parse(text.as_bytes()).ok().unwrap().map.get("replicaCount").is_some(),
                "{text}"
            );
        }
        for text in ["null", "USER-SUPPLIED VALUES:\nnull\n", "{}\n"] {
            assert!(parse(text.as_bytes()).ok().unwrap().map.0.is_empty(), "{text}");
        }
    }

    #[test]
    fn hostile_text_is_refused() {
        let level = |name: char, before: char| {
            format!("{name}: &{name} [{}]\n", format!("*{before},").repeat(7))
        };
        let levels: Vec<String> =
            "bcdefghi".chars().zip("abcdefgh".chars()).map(|(n, b)| level(n, b)).collect();
        let bomb = format!("a: &a [x,x,x,x,x,x,x,x,x,x]\n{}", levels.concat());
        let deep = format!("a: {}{}", "[".repeat(100), "]".repeat(100));
        let wide = format!("a: [{}]", "1,".repeat(NODES_MAX + 1));

        for text in [
            bomb.as_str(),
            &deep,
            &wide,
            "a: 1\na: 2\n",
            "a: 1\n---\nb: 2\n",
            "a: *x\n",
            "a: .inf\n",
            "a: [",
        ] {
            let error = refused(text);
            assert!(!error.contains('\n') && error.len() < 300, "{error}");
        }

        assert!(
            refused(&bomb).ends_with("aliases expand to too many values"),
            "{}",
            refused(&bomb)
        );
        assert!(refused(&deep).ends_with("the values are nested too deep"));
        assert!(refused(&wide).ends_with("there are too many values"));
        assert!(refused("a: 1\n---\nb: 2\n").ends_with("there is more than one document"));
        assert!(refused("a: 1\na: 2\n").ends_with("(line 2): duplicate mapping key"));
        assert!(
            refused("image: 1\nimage: 2\n").ends_with("(line 2): duplicate mapping key: image")
        );
        assert!(refused("[1]").contains("a list"));
        assert!(refused(&" ".repeat(VALUES_BYTES_MAX + 1)).contains("1048577"));
        assert!(parse(b"a: \xff").is_err());
    }

    #[test]
    fn error_names_line_without_surrounding_text() {
        let error = refused("USER-SUPPLIED VALUES:\npassword: s3cret\nx: [\n");
        assert!(error.contains("line ") && !error.contains("s3cret"), "{error}");
    }
}
