//! Masks values that differ between runs, or after each change of a renderer: ids, keys, times and
//! paths. Equal ids keep equal numbers, so that a reader can follow one through the output.

use std::collections::BTreeMap;
use std::ops::Range;

use camino::Utf8Path;

/// The beginning of every public Ed25519 key in base64, and the length of one.
const PUBLIC_KEY: (&str, usize) = ("MCowBQYDK2VwAyEA", 60);
/// The length of a recipient of age.
const RECIPIENT: usize = 62;
/// The numbers of hexadecimal digits of an id, whole and in names.
const ID_DIGITS: [usize; 5] = [64, 32, 16, 12, 10];

/// The serials that a build derives from the clock, from 2023 to 2036.
const SERIALS: Range<u64> = 1_700_000_000..2_100_000_000;

/// The time that messages show as an example.
const EXAMPLE: &str = "2026-11-22T10:00:00Z";

/// Patterns whose matches do not need a number, and their replacements.
pub(crate) const FILTERS: [(&str, &str); 4] = [
    (r"\b\d+ (s|min|hours?) ago\b", "[duration] ago"),
    (r"\bin \d+ days\b", "in [n] days"),
    // Free ports have five digits.
    (r"\b127\.0\.0\.1:\d{5}\b", "127.0.0.1:[port]"),
    (r"\brelay-bundle \d+\.\d+\.\d+", "relay-bundle [version]"),
];

/// Returns a text with numbers in place of its ids and keys, and without times, serials and the
/// folder of the test.
pub(crate) fn mask(text: &str, home: &Utf8Path) -> String {
    let real = home.canonicalize_utf8().expect("the folder of the test is there");
    let text = text.replace(real.as_str(), "[home]").replace(home.as_str(), "[home]");
    let mut numbers = Numbers::default();
    let text = mask_public_keys(&mask_times(&text), &mut numbers);
    let mut masked = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let word = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric()).len();
        let gap = rest[word..].find(|c: char| c.is_ascii_alphanumeric());
        let end = gap.map_or(rest.len(), |gap| word + gap);
        masked.push_str(&numbers.replace(&rest[..word]));
        masked.push_str(&rest[word..end]);
        rest = &rest[end..];
    }
    masked
}

/// Masks the times since 2020: those that a test chooses are older.
fn mask_times(text: &str) -> String {
    let ends = text.match_indices('Z').map(|(at, _)| at + 1);
    let times = ends.filter_map(|end| text.get(end.checked_sub(EXAMPLE.len())?..end));
    let times = times.filter(|time| *time >= "2020" && *time != EXAMPLE && is_time(time));
    times.fold(text.to_owned(), |masked, time| masked.replace(time, "[time]"))
}

/// Returns true if a text has digits where the example has some, and the same characters elsewhere.
fn is_time(text: &str) -> bool {
    text.bytes().zip(EXAMPLE.bytes()).all(|(byte, example)| {
        if example.is_ascii_digit() { byte.is_ascii_digit() } else { byte == example }
    })
}

fn mask_public_keys(text: &str, numbers: &mut Numbers) -> String {
    let (start, length) = PUBLIC_KEY;
    let mut masked = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(start) {
        let end = (at + length).min(rest.len());
        masked.push_str(&rest[..at]);
        masked.push_str(&numbers.number("public key", &rest[at..end]));
        rest = &rest[end..];
    }
    masked + rest
}

/// The numbered values, by kind; the first one has the number 1.
#[derive(Default)]
struct Numbers {
    by_kind: BTreeMap<&'static str, Vec<String>>,
}

impl Numbers {
    fn replace(&mut self, word: &str) -> String {
        let is_hex = word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let is_decimal = word.bytes().all(|byte| byte.is_ascii_digit());
        if word.len() == 10 && is_decimal {
            // The seconds of the clock: two of them are equal by chance only.
            let is_serial = word.parse().is_ok_and(|number| SERIALS.contains(&number));
            if is_serial { "[serial]".to_owned() } else { word.to_owned() }
        } else if is_hex && ID_DIGITS.contains(&word.len()) {
            self.number("id", word)
        } else if word.starts_with("age1") && word.len() == RECIPIENT {
            self.number("recipient", word)
        } else {
            word.to_owned()
        }
    }

    /// Returns a label with the number of a value. A shortened id has the number of the whole one,
    /// and `…`.
    fn number(&mut self, kind: &'static str, value: &str) -> String {
        let values = self.by_kind.entry(kind).or_default();
        let is_same = |known: &String| known.starts_with(value) || value.starts_with(known);
        let index = values.iter().position(is_same).unwrap_or_else(|| {
            values.push(value.to_owned());
            values.len() - 1
        });
        let is_short = kind == "id" && value.len() < ID_DIGITS[0];
        format!("[{kind} {}{}]", index + 1, if is_short { "…" } else { "" })
    }
}
