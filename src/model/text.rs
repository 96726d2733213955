//! Strings that are validated on construction: names, hosts, images, durations.

use std::net::IpAddr;

use super::age_recipient::is_age_recipient;
use super::credential::{holds_credential, may_hold_login};
use super::printable::escaped_start;

/// Declares a checked string: its rule in words, its pattern for the JSON Schema, and the check
/// itself.
macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, max = $max:literal, pattern = $pattern:literal, rule = $rule:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize, serde::Serialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            pub const LEN_MAX: usize = $max;

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidText;

            fn try_from(text: String) -> Result<Self, InvalidText> {
                let check: fn(&str) -> bool = $check;
                if text.len() <= $max && check(&text) { Ok(Self(text)) } else { Err(InvalidText::new(&text, $rule)) }
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidText;

            fn from_str(text: &str) -> Result<Self, InvalidText> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({"type": "string", "maxLength": $max, "pattern": $pattern, "$comment": $rule})
            }
        }
    };
}

/// A text that violates the rule of its type. The message is `what; remedy`, which
/// `profile::decode` splits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not valid here; {rule}")]
pub struct InvalidText {
    text: String,
    rule: &'static str,
}

impl InvalidText {
    fn new(text: &str, rule: &'static str) -> Self {
        if holds_credential(text) || may_hold_login(text) {
            return Self { text: "***".to_owned(), rule };
        }
        let mut shown = escaped_start(text, 80);
        if text.chars().count() > 80 {
            shown.push('…');
        }
        Self { text: shown, rule }
    }
}

checked_text! {
    /// A release name: the prefix of every object name, with room for suffixes.
    ReleaseName, max = 45, pattern = "^[a-z]([-a-z0-9]*[a-z0-9])?$",
    rule = "write at most 45 lowercase letters, digits and `-`, starting with a letter (RFC 1035)",
    |text| is_label(text) && text.as_bytes()[0].is_ascii_lowercase()
}

checked_text! {
    /// A name of one DNS label (RFC 1123): a namespace, an environment, a profile.
    Label, max = 63, pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
    rule = "write at most 63 lowercase letters, digits and `-`, with a letter or digit at both ends", is_label
}

checked_text! {
    /// A name that becomes part of object names that must not start with a digit (RFC 1035), or
    /// nothing.
    NameOverride, max = 45, pattern = "^([a-z]([-a-z0-9]*[a-z0-9])?)?$",
    rule = "write at most 45 lowercase letters, digits and `-`, starting with a letter (RFC 1035)",
    |text| text.is_empty() || is_label(text) && text.as_bytes()[0].is_ascii_lowercase()
}

checked_text! {
    /// The name of a Kubernetes object (RFC 1123 subdomain), or nothing.
    ObjectName, max = 253, pattern = "^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)?$",
    rule = "write lowercase letters, digits, `-` and `.`, with a letter or digit at both ends",
    |text| text.is_empty() || text.split('.').all(is_label)
}

checked_text! {
    /// A storage class: a name, nothing for the cluster's default, or `-` for the empty class.
    StorageClass, max = 253, pattern = "^(-|[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)?$",
    rule = "write the name of a class, an empty string for the cluster's default class, or `-` for \
            no class",
    |text| text.is_empty() || text == "-" || text.split('.').all(is_label)
}

checked_text! {
    /// The key of a Secret or ConfigMap.
    DataKey, max = 253, pattern = "^[-._a-zA-Z0-9]+$",
    rule = "write letters, digits, `-`, `_` and `.`",
    |text| !text.is_empty() && text != "." && text != ".." && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}

checked_text! {
    /// A field of the relay's log.
    LogField, max = 63, pattern = "^[A-Za-z_][-._A-Za-z0-9]*$",
    rule = "write the name of a field, such as `key` or `ua`",
    |text| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)) && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

checked_text! {
    /// The host of a server: a DNS name or an IP address, or nothing.
    Host, max = 253, pattern = "^[-A-Za-z0-9.:]*$",
    rule = "write a DNS name or an IP address, without scheme and port",
    |text| text.is_empty() || is_host(text)
}

checked_text! {
    /// A host of an HTTP route: a DNS name, optionally with `*.` in front for all names below it,
    /// or nothing for all hosts.
    RouteHost, max = 253, pattern = "^((\\*\\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)?$",
    rule = "write a DNS name in lower case, optionally with `*.` in front; no scheme, port or path",
    |text| text.is_empty() || text.strip_prefix("*.").unwrap_or(text).split('.').all(is_label) && text.parse::<IpAddr>().is_err()
}

checked_text! {
    /// The path of a URL.
    UrlPath, max = 1024, pattern = "^/[^\\s?#\\\\;{}\"$<>`]*$",
    rule = "write a path that starts with `/`, without spaces, `?`, `#`, backslash and characters such as `$`, `{` and `\"`, and without `//` or `/../`",
    is_url_path
}

checked_text! {
    /// A container registry: a host with an optional port and path, or nothing.
    Registry, max = 253, pattern = "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[0-9]{1,5})?(/[a-z0-9._/-]+)?)?$",
    rule = "write a host with an optional port and path, such as `registry.example.internal:5000/mirror`; no scheme",
    |text| text.is_empty() || is_registry(text)
}

checked_text! {
    /// A container image's repository, with or without a registry, without tag and digest.
    Repository, max = 255, pattern = "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[0-9]{1,5})?/)?[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*)*$",
    rule = "write a repository in lower case without tag and digest, such as `redis` or `registry.example.internal:5000/team/app`",
    is_repository
}

checked_text! {
    /// A container image's tag, or nothing.
    Tag, max = 128, pattern = "^([A-Za-z0-9_][A-Za-z0-9._-]*)?$",
    rule = "write letters, digits, `_`, `.` and `-`; a digest goes into `digest`",
    |text| text.is_empty() || is_tag(text)
}

checked_text! {
    /// A container image's digest, or nothing.
    ImageDigest, max = 71, pattern = "^(sha256:[0-9a-f]{64})?$",
    rule = "write `sha256:` and 64 lowercase hexadecimal digits",
    |text| text.is_empty() || super::digest::Digest::from_prefixed(text).is_ok()
}

checked_text! {
    /// An application version that is also valid as a label value and an image tag.
    AppVersion, max = 63, pattern = "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$",
    rule = "write at most 63 letters, digits, `.`, `_` and `-`, with a letter or digit at both ends",
    |text| is_tag(text) && is_label_value(text)
}

checked_text! {
    /// A duration in Prometheus syntax.
    PrometheusDuration, max = 32, pattern = "^([0-9]+y)?([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$",
    rule = "write a duration such as `30s`, `1m30s` or `500ms`",
    |text| prometheus_milliseconds(text).is_some_and(|ms| ms > 0)
}

checked_text! {
    /// The size at which a log file is rotated.
    LogSize, max = 16, pattern = "^[1-9][0-9]*[kmg]$",
    rule = "write a number and `k`, `m` or `g`, such as `10m`",
    |text| log_size_bytes(text).is_some()
}

checked_text! {
    /// One line of printable text, or nothing.
    Line, max = 1024, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$",
    rule = "write one line without control characters",
    |text| !text.chars().any(char::is_control)
}

checked_text! {
    /// An absolute path of a file in a container, or nothing.
    FilePath, max = 1024, pattern = "^(/[^:\\u0000-\\u001f]+)?$",
    rule = "write an absolute path without `:`, `..` and control characters",
    |text| text.is_empty() || text.starts_with('/') && !text.contains(':') && !text.chars().any(char::is_control)
        && !text.split('/').any(|segment| segment == "..")
}

checked_text! {
    /// An HTTP URL, or nothing.
    Url, max = 1024, pattern = "^(https?://[^\\s]+)?$",
    rule = "write a URL that starts with `http://` or `https://`, without spaces",
    |text| text.is_empty() || is_url(text)
}

checked_text! {
    /// An IP address, or nothing.
    IpAddress, max = 45, pattern = "^[0-9a-fA-F.:]*$",
    rule = "write an IPv4 or IPv6 address",
    |text| text.is_empty() || text.parse::<IpAddr>().is_ok()
}

checked_text! {
    /// A range of IP addresses.
    Cidr, max = 49, pattern = "^[0-9a-fA-F.:]+/[0-9]{1,3}$",
    rule = "write a range such as `10.0.0.0/8` or `fd00::/8`",
    is_cidr
}

checked_text! {
    /// An age public key, for which secrets are encrypted.
    AgeRecipient, max = 62, pattern = "^age1[02-9ac-hj-np-z]{58}$",
    rule = "write the `age1…` line that `relay-bundle keygen --age` prints",
    is_age_recipient
}

impl AgeRecipient {
    /// The key from the age documentation, used in the shipped profiles: its private key is not
    /// available here.
    const EXAMPLE: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

    /// Returns whether the key is the example in the shipped profiles.
    pub fn is_example(&self) -> bool {
        self.as_str() == Self::EXAMPLE
    }
}

checked_text! {
    /// An age-encrypted file in the profiles folder.
    AgeFile, max = 92, pattern = "^[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*\\.age$",
    rule = "write a path below the profiles' folder such as `secrets/admin-password.age`: lowercase letters, digits, `.`, `_` and `-`",
    |text| text.strip_suffix(".age").is_some_and(|stem| !stem.is_empty() && text.split('/').all(is_file_segment))
}

fn is_label(text: &str) -> bool {
    let edge =
        |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let bytes = text.as_bytes();
    let inner = bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-');
    bytes.len() <= 63 && edge(bytes.first()) && edge(bytes.last()) && inner
}

/// Returns whether `text` is a valid label value.
pub fn is_label_value(text: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    let inner = bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(b));
    bytes.is_empty() || bytes.len() <= 63 && edge(bytes.first()) && edge(bytes.last()) && inner
}

/// Returns whether `text` is a valid key of a label or annotation: `name` or `prefix/name`.
pub fn is_qualified_name(text: &str) -> bool {
    let (prefix, name) =
        text.split_once('/').map_or((None, text), |(prefix, name)| (Some(prefix), name));
    let prefix_ok =
        prefix.is_none_or(|prefix| prefix.len() <= 253 && prefix.split('.').all(is_label));
    prefix_ok && !name.is_empty() && is_label_value(name)
}

/// Returns whether `text` is a valid object name: an RFC 1123 subdomain.
pub fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}

/// Returns whether `text` is one DNS label.
pub fn is_dns_label(text: &str) -> bool {
    is_label(text)
}

fn is_host(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let name = lower.strip_suffix('.').unwrap_or(&lower);
    // A name of only digits and dots is an IP address, or a mistyped one.
    let numeric = name.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    text.parse::<IpAddr>().is_ok() || !numeric && name.split('.').all(is_label)
}

fn is_url_path(text: &str) -> bool {
    // Kubernetes rejects encoded slashes.
    let shape =
        text.starts_with('/') && !text.contains("//") && !text.to_ascii_lowercase().contains("%2f");
    let segments = text.split('/').all(|segment| segment != "." && segment != "..");
    shape
        && segments
        && !text.chars().any(|c| c.is_whitespace() || c.is_control() || "?#\\;{}\"$<>`".contains(c))
}

fn is_registry(text: &str) -> bool {
    let (host, path) = text.split_once('/').map_or((text, None), |(host, path)| (host, Some(path)));
    is_registry_host(host) && path.is_none_or(is_repository_path)
}

fn is_registry_host(text: &str) -> bool {
    let (host, port) =
        text.rsplit_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    is_host(host)
        && host == host.to_ascii_lowercase()
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

fn is_repository(text: &str) -> bool {
    let (registry, path) = split_registry(text);
    registry.is_none_or(is_registry_host) && is_repository_path(path)
}

/// Splits an image reference into its registry, if any, and the rest.
pub fn split_registry(reference: &str) -> (Option<&str>, &str) {
    match reference.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => {
            (Some(first), rest)
        }
        _ => (None, reference),
    }
}

fn is_repository_path(text: &str) -> bool {
    text.split('/').all(is_repository_segment)
}

/// Returns whether a text is one segment of a repository in the OCI grammar:
/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`.
pub fn is_repository_segment(text: &str) -> bool {
    let is_word = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let is_separator =
        |text: &str| matches!(text, "." | "_" | "__") || text.bytes().all(|byte| byte == b'-');
    let mut separators = text.split(is_word).filter(|separator| !separator.is_empty());
    text.starts_with(is_word) && text.ends_with(is_word) && separators.all(is_separator)
}

fn is_tag(text: &str) -> bool {
    let first = text.as_bytes().first().is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    first && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    rest.is_some_and(|rest| {
        !rest.is_empty()
            && !rest.starts_with(['/', ':'])
            && !rest.chars().any(|c| c.is_whitespace() || c.is_control())
    })
}

fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let digits = !bits.is_empty()
        && bits.bytes().all(|b| b.is_ascii_digit())
        && (bits == "0" || !bits.starts_with('0'));
    match (address.parse::<IpAddr>(), bits.parse::<u8>()) {
        (Ok(IpAddr::V4(_)), Ok(bits)) => digits && bits <= 32,
        (Ok(IpAddr::V6(_)), Ok(bits)) => digits && bits <= 128,
        _ => false,
    }
}

fn is_file_segment(segment: &str) -> bool {
    let first =
        segment.as_bytes().first().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    first
        && segment
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
}

/// Returns the milliseconds of a duration such as `1m30s`; units descend, and each occurs at most
/// once.
pub fn prometheus_milliseconds(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 7] = [
        ("y", 31_536_000_000),
        ("w", 604_800_000),
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1000),
        ("ms", 1),
    ];
    let (mut rest, mut total, mut units) = (text, 0_u64, UNITS.iter());
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|at| *at > 0)?;
        let (number, tail) = rest.split_at(digits);
        let unit_end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let (_, factor) = units.find(|(name, _)| *name == unit)?;
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(*factor)?)?;
        rest = tail;
    }
    (!text.is_empty()).then_some(total)
}

/// Returns the number of bytes in a log size such as `10m`.
pub fn log_size_bytes(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let factor = match unit {
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        _ => return None,
    };
    let plain = number.bytes().all(|b| b.is_ascii_digit()) && !number.starts_with('0');
    number.parse::<u64>().ok().filter(|_| plain)?.checked_mul(factor)
}

#[cfg(test)]
mod tests;
