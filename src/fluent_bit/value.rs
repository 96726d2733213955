//! Values of properties as profiles write them, and as Fluent Bit parses them.

use super::table::INT_MAX;
use crate::model::digest::Digest;

/// The value of a property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PropertyValue {
    Bool(bool),
    Integer(i64),
    Text(String),
    /// Several values of one property: texts and secrets.
    List(Vec<Self>),
    /// A value from a Secret, passed in this environment variable of the sidecar.
    Secret(String),
}

/// Older versions copy a variable's name into 64 bytes without checking its length.
const ENV_NAME_MAX: usize = 63;

/// Returns the environment variable that carries the secret of a property, or of item `index` of a
/// list.
pub fn env_name(property: &str, index: Option<usize>) -> String {
    let tail = index.map(|index| format!("_{index}")).unwrap_or_default();
    let upper = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let name: String = property.chars().map(upper).collect();
    // The prefix avoids plain names to which Fluent Bit and the AWS client give a meaning.
    let full = format!("OUT_{name}{tail}");
    if full.len() <= ENV_NAME_MAX {
        return full;
    }
    let digest = Digest::of(property.as_bytes()).short(8).to_ascii_uppercase();
    format!("OUT_{}_{digest}{tail}", &name[..40])
}

/// Returns the boolean that Fluent Bit reads from a word, or `None` for any other text.
pub(super) fn parse_switch(text: &str) -> Option<bool> {
    let is = |words: [&str; 3]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(["true", "on", "yes"]) {
        return Some(true);
    }
    is(["false", "off", "no"]).then_some(false)
}

/// Returns a size in bytes: digits with an optional K, M or G (or KB, MB, GB) in powers of 1,000.
pub(super) fn parse_size(text: &str) -> Option<i64> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let unit = match text[digits..].to_ascii_uppercase().as_str() {
        "" => 1,
        "K" | "KB" => 1_000,
        "M" | "MB" => 1_000_000,
        "G" | "GB" => 1_000_000_000,
        _ => return None,
    };
    text[..digits].parse::<i64>().ok()?.checked_mul(unit)
}

/// Returns a time in seconds: digits with an optional s, m, h or d.
pub(super) fn parse_time(text: &str) -> Option<i64> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let unit = match text[digits..].to_ascii_lowercase().as_str() {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    let seconds = text[..digits].parse::<i64>().ok()?.checked_mul(unit)?;
    (seconds <= INT_MAX).then_some(seconds)
}

/// Parses an integer in plain decimal digits.
pub(super) fn parse_integer(text: &str) -> Option<i64> {
    let bare = text.strip_prefix('-').unwrap_or(text);
    bare.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Returns the text between `${` and `}` for each variable of a text; `None` for a variable without
/// an end.
pub(super) fn variables(text: &str) -> impl Iterator<Item = Option<&str>> {
    text.split("${").skip(1).map(|rest| rest.split_once('}').map(|(name, _)| name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_fluent_bit_reads_them() {
        let cases = [
            ("0", Some(0)),
            ("5242880", Some(5_242_880)),
            ("5M", Some(5_000_000)),
            ("64kb", Some(64_000)),
            ("2G", Some(2_000_000_000)),
            ("", None),
            ("M", None),
            ("-1", None),
            ("1.5M", None),
            ("1 M", None),
            ("1Mi", None),
            ("1.001024e+06", None),
            ("9999999999G", None),
        ];
        for (text, bytes) in cases {
            assert_eq!(parse_size(text), bytes, "{text}");
        }
    }

    #[test]
    fn times_are_read_as_fluent_bit_reads_them() {
        let cases = [
            ("30", Some(30)),
            ("30s", Some(30)),
            ("10M", Some(600)),
            ("2h", Some(7_200)),
            ("6D", Some(518_400)),
            ("500ms", None),
            ("1m30s", None),
            ("", None),
            ("99999999999", None),
        ];
        for (text, seconds) in cases {
            assert_eq!(parse_time(text), seconds, "{text}");
        }
    }

    #[test]
    fn only_six_words_are_booleans() {
        for (text, value) in
            [("On", Some(true)), ("yes", Some(true)), ("FALSE", Some(false)), ("off", Some(false))]
        {
            assert_eq!(parse_switch(text), value);
        }
        for text in ["1", "0", "y", "maybe", "", "enabled"] {
            assert_eq!(parse_switch(text), None, "{text}");
        }
    }

    #[test]
    fn env_variable_name_follows_property_within_length_limit() {
        let longest = "rdkafka.sasl.oauthbearer.client.credentials.client.secret";

        assert_eq!(env_name("HTTP_Passwd", None), "OUT_HTTP_PASSWD");
        assert_eq!(env_name("header", Some(1)), "OUT_HEADER_1");
        assert_eq!(
            env_name(longest, None),
            "OUT_RDKAFKA_SASL_OAUTHBEARER_CLIENT_CREDENTIALS_CLIENT_SECRET"
        );
        for name in ["x".repeat(60), "y".repeat(500)] {
            assert!(env_name(&name, Some(99_999)).len() <= ENV_NAME_MAX);
        }
    }

    #[test]
    fn variables_are_found_even_when_they_do_not_end() {
        assert_eq!(variables("a ${B} ${C}d").collect::<Vec<_>>(), [Some("B"), Some("C")]);
        assert_eq!(variables("$TAG $x{y} ${open").collect::<Vec<_>>(), [None]);
    }
}
