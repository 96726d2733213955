//! Checks the settings of an output before Fluent Bit reads them.
//!
//! `fluent-bit --dry-run` reports success for most of these mistakes: at best it checks names,
//! never values.

use std::collections::BTreeMap;

use super::property::{Kind, Output, Property, Since, nearest};
use super::table::{INT_MAX, SIZE_MAX};
use super::value::{OutputValue, parse_integer, parse_size, parse_switch, parse_time, variables};
use super::version::{DESCRIBED, Version};
use super::{config, rdkafka, rules};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warning,
}

/// The kind of mistake that a problem reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProblemKind {
    /// The output lacks this property: Fluent Bit would exit.
    UnknownProperty,
    /// The same property in two spellings.
    DuplicateProperty,
    /// The bundle sets this property itself.
    Reserved,
    /// The plugin lists this property but refuses it.
    Unsupported,
    /// The image is older than the property.
    TooNew,
    WrongType,
    InvalidValue,
    /// A newline or another control character.
    ForbiddenCharacter,
    /// `${…}`, which Fluent Bit would expand.
    Variable,
    /// A credential in clear text; whether it is allowed depends on the environment.
    SecretLiteral,
    MissingProperty,
    /// Two settings that the plugin refuses together.
    Conflict,
    /// librdkafka does not list it: it would skip it and log a line.
    UnknownToLibrdkafka,
    /// The image may be older than the property.
    MaybeTooNew,
    /// Accepted and ignored.
    NoEffect,
    /// It works until it loses records or trusts the wrong peer.
    Risky,
}

impl ProblemKind {
    pub fn severity(self) -> Severity {
        match self {
            Self::UnknownToLibrdkafka | Self::MaybeTooNew | Self::NoEffect | Self::Risky => {
                Severity::Warning
            }
            _ => Severity::Error,
        }
    }
}

/// One finding about the settings of an output. Its texts never repeat a value that may be a
/// credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The property as written in the profile, or the name of a missing one.
    pub key: String,
    pub kind: ProblemKind,
    /// A fragment in lower case.
    pub message: String,
    pub help: String,
}

impl Problem {
    pub(super) fn new(
        key: impl Into<String>,
        kind: ProblemKind,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self { key: key.into(), kind, message: message.into(), help: help.into() }
    }

    pub fn severity(&self) -> Severity {
        self.kind.severity()
    }
}

/// The settings by lower-case property name, each with its key as written.
pub(super) type Settings<'a> = BTreeMap<String, (&'a str, &'a OutputValue)>;

/// Returns all problems of `config` for an output of an image; `None` stands for an image of
/// unknown version.
pub fn check(
    output: Output,
    image: Option<Version>,
    config: &BTreeMap<String, OutputValue>,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut settings = Settings::new();
    for (key, value) in config {
        if let Some((first, _)) = settings.get(&key.to_ascii_lowercase()) {
            let message = format!(
                "`{}` and `{first}` are the same property: names are not case-sensitive",
                shown(key)
            );
            problems.push(Problem::new(
                key,
                ProblemKind::DuplicateProperty,
                message,
                "keep one of them",
            ));
            continue;
        }
        problems.extend(check_one(output, image, key, value));
        settings.insert(key.to_ascii_lowercase(), (key, value));
    }
    // A property that is invalid on its own needs no second finding.
    let mut together = rules::check(output, &settings);
    together.retain(|problem| problems.iter().all(|found: &Problem| found.key != problem.key));
    problems.extend(together);
    problems
}

fn check_one(
    output: Output,
    image: Option<Version>,
    key: &str,
    value: &OutputValue,
) -> Vec<Problem> {
    if key.chars().any(is_forbidden) {
        let message = format!("the key `{}` holds a control character", shown(key));
        let help = "write the property's plain name";
        return vec![Problem::new(key, ProblemKind::ForbiddenCharacter, message, help)];
    }
    if let Some(name) = rdkafka::librdkafka_name(key).filter(|_| output == Output::Kafka) {
        return check_rdkafka(key, name, value);
    }
    let Some(property) = output.property(key) else {
        return vec![unknown(output, key)];
    };
    if let Some(problem) = reserved(output, key) {
        return vec![problem];
    }
    let of_value = value_problem(key, property, property.secret, value);
    of_value.into_iter().chain(age_problem(image, key, property)).collect()
}

/// The properties that the bundle sets itself, because it has exactly one output.
const RESERVED: &[&str] = &["name", "match", "match_regex", "active", "condition", "processors"];

fn reserved(output: Output, key: &str) -> Option<Problem> {
    let message = format!("`{key}` is set by the bundle");
    if output == Output::S3 && key.eq_ignore_ascii_case("store_dir") {
        let help = "remove it: the buffer is on the sidecar's own volume, its only writable folder";
        return Some(Problem::new(key, ProblemKind::Reserved, message, help));
    }
    let help = "remove it: there is one output, and every record goes to it";
    let is_reserved = RESERVED.iter().any(|name| key.eq_ignore_ascii_case(name));
    is_reserved.then(|| Problem::new(key, ProblemKind::Reserved, message, help))
}

fn unknown(output: Output, key: &str) -> Problem {
    if let Some(problem) = reserved(output, key) {
        return problem;
    }
    let lower = key.to_ascii_lowercase();
    let name = output.name();
    if lower == "tls.verify_client_cert" {
        let help = "remove it: it is an option of inputs";
        return Problem::new(
            key,
            ProblemKind::Unsupported,
            format!("outputs refuse `{key}`"),
            help,
        );
    }
    if output == Output::Stdout && (lower == "tls" || lower.starts_with("tls.")) {
        let help = "remove it: nothing is sent over a network";
        return Problem::new(
            key,
            ProblemKind::Unsupported,
            "the stdout output does not support TLS",
            help,
        );
    }
    let message = format!("the {name} output has no property `{}`", shown(key));
    Problem::new(key, ProblemKind::UnknownProperty, message, unknown_help(output, &lower))
}

fn unknown_help(output: Output, lower: &str) -> String {
    if output == Output::Loki && matches!(lower, "batchwait" | "batchsize") {
        return "remove it: it is an option of Grafana's own plugin; the built-in output sends at \
                every flush, once a second"
            .to_owned();
    }
    if output == Output::Loki && lower == "lineformat" {
        return "write `line_format` (`json` or `key_value`): `LineFormat` is an option of Grafana's own plugin".to_owned();
    }
    let own = output.properties().iter().chain(output.generic()).map(|property| property.name);
    if let Some(suggestion) = nearest(lower, own) {
        return format!("did you mean `{suggestion}`?");
    }
    let owner = Output::ALL.into_iter().find(|other| other.property(lower).is_some());
    match owner {
        Some(other) => format!("remove it, or use the output that has it: {}", other.name()),
        None => {
            format!(
                "remove it; the manual of Fluent Bit's {} output lists its properties",
                output.name()
            )
        }
    }
}

fn age_problem(image: Option<Version>, key: &str, property: &Property) -> Option<Problem> {
    let image = image?;
    match property.since {
        Since::Version(since) if !image.is_at_least(since) => {
            let message = format!("`{key}` needs Fluent Bit {since}, and the image is {image}");
            let help = format!("remove it, or use an image of {since} or newer");
            Some(Problem::new(key, ProblemKind::TooNew, message, help))
        }
        Since::Recent if !image.is_at_least(DESCRIBED) => {
            let message =
                format!("Fluent Bit {image} may not support `{key}` and would then not start");
            let help = format!("test it with this image, or use {DESCRIBED}, which supports it");
            Some(Problem::new(key, ProblemKind::MaybeTooNew, message, help))
        }
        _ => None,
    }
}

fn check_rdkafka(key: &str, name: &str, value: &OutputValue) -> Vec<Problem> {
    let well_formed =
        name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    if name.is_empty() || !well_formed {
        let help = "write `rdkafka.` and a property of librdkafka, for example `rdkafka.compression.codec`";
        let message = format!("`{}` is not a property of librdkafka", shown(key));
        return vec![Problem::new(key, ProblemKind::UnknownProperty, message, help)];
    }
    let unknown = rdkafka::canonical(name).is_none().then(|| {
        let message =
            format!("librdkafka does not list `{name}`: it would be ignored with a log line");
        let help = rdkafka::suggestion(name).map_or_else(
            || "remove it".to_owned(),
            |near| format!("did you mean `rdkafka.{near}`?"),
        );
        Problem::new(key, ProblemKind::UnknownToLibrdkafka, message, help)
    });
    let secret = rdkafka::is_secret(name);
    let property = Property {
        name: "rdkafka.",
        kind: Kind::Text,
        default: None,
        secret,
        since: Since::Always,
    };
    // librdkafka's booleans are the texts `true` and `false`.
    let of_value = if matches!(value, OutputValue::Bool(_)) {
        None
    } else {
        value_problem(key, &property, secret, value)
    };
    unknown.into_iter().chain(of_value).collect()
}

fn value_problem(
    key: &str,
    property: &Property,
    secret: bool,
    value: &OutputValue,
) -> Option<Problem> {
    match value {
        OutputValue::List(_) if !property.multiple() => {
            let help = match property.kind {
                Kind::List => "write one string with commas",
                _ => "write one value",
            };
            Some(Problem::new(
                key,
                ProblemKind::WrongType,
                format!("`{key}` does not take a list"),
                help,
            ))
        }
        OutputValue::List(items) if items.is_empty() => Some(Problem::new(
            key,
            ProblemKind::InvalidValue,
            format!("`{key}` is an empty list"),
            "remove the key",
        )),
        OutputValue::List(items) => items.iter().find_map(|item| match item {
            OutputValue::Text(_) | OutputValue::Secret(_) => {
                value_problem(key, property, secret, item)
            }
            _ => Some(Problem::new(
                key,
                ProblemKind::WrongType,
                format!("`{key}` takes a list of strings"),
                EXAMPLE_HEADER,
            )),
        }),
        OutputValue::Secret(_) => (!may_be_secret(property.kind)).then(|| {
            let help = "write the value itself";
            let message = format!(
                "`{key}` is checked when the bundle is built, so it cannot come from a Secret"
            );
            Problem::new(key, ProblemKind::WrongType, message, help)
        }),
        OutputValue::Text(text) => text_problem(key, property, secret, text),
        OutputValue::Bool(_) | OutputValue::Integer(_) if secret => Some(secret_literal(key)),
        OutputValue::Bool(value) => {
            (!accepts_bool(property.kind, *value)).then(|| wrong_type(key, property))
        }
        OutputValue::Integer(number) => integer_problem(key, property, *number),
    }
}

const EXAMPLE_HEADER: &str = "write for example `[\"X-Site plant-7\", \"X-Team logs\"]`";

fn may_be_secret(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Text
            | Kind::TextOrFalse
            | Kind::Host
            | Kind::Path
            | Kind::Url
            | Kind::List
            | Kind::Header
            | Kind::Pair
    )
}

fn accepts_bool(kind: Kind, value: bool) -> bool {
    match kind {
        Kind::Switch => true,
        Kind::Words(words) => words.contains(&if value { "true" } else { "false" }),
        Kind::TextOrFalse | Kind::SizeOrFalse | Kind::Retries => !value,
        _ => false,
    }
}

fn integer_problem(key: &str, property: &Property, number: i64) -> Option<Problem> {
    let fits = match property.kind {
        Kind::Text | Kind::TextOrFalse | Kind::List => return None,
        Kind::Integer { min, max } | Kind::Size { min, max } => (min..=max).contains(&number),
        Kind::SizeOrFalse => (0..=SIZE_MAX).contains(&number),
        Kind::Time => (0..=INT_MAX).contains(&number),
        Kind::Retries => (1..=INT_MAX).contains(&number),
        _ => return Some(wrong_type(key, property)),
    };
    (!fits).then(|| invalid(key, property, &number.to_string()))
}

fn text_problem(key: &str, property: &Property, secret: bool, text: &str) -> Option<Problem> {
    if text.chars().any(is_forbidden) {
        let message = format!("the value of `{key}` holds a newline or another control character");
        return Some(Problem::new(
            key,
            ProblemKind::ForbiddenCharacter,
            message,
            "write it on one line of plain text",
        ));
    }
    if text.trim().is_empty() {
        let message = format!("`{key}` is empty");
        return Some(Problem::new(
            key,
            ProblemKind::InvalidValue,
            message,
            "remove the key, or set a value",
        ));
    }
    if let Some(problem) = variable_problem(key, text) {
        return Some(problem);
    }
    if secret || holds_credential(property, text) {
        return Some(secret_literal(key));
    }
    (!accepts_text(property.kind, text)).then(|| invalid(key, property, text))
}

fn accepts_text(kind: Kind, text: &str) -> bool {
    match kind {
        Kind::Text | Kind::TextOrFalse | Kind::List => true,
        Kind::Host => {
            !text.contains(['/', ' ', '@', '?', '#', ',']) && text.matches(':').count() != 1
        }
        Kind::Path => text.starts_with('/'),
        Kind::Url => ["http://", "https://"]
            .iter()
            .any(|scheme| text.starts_with(scheme) && text.len() > scheme.len()),
        Kind::Header => is_header(text),
        Kind::Pair => text.split_whitespace().count() > 1,
        Kind::Words(words) => words.iter().any(|word| word.eq_ignore_ascii_case(text)),
        Kind::Switch => parse_switch(text).is_some(),
        Kind::Integer { min, max } => {
            parse_integer(text).is_some_and(|number| (min..=max).contains(&number))
        }
        Kind::Size { min, max } => {
            parse_size(text).is_some_and(|bytes| (min..=max).contains(&bytes))
        }
        Kind::SizeOrFalse => text.eq_ignore_ascii_case("false") || parse_size(text).is_some(),
        Kind::Time => parse_time(text).is_some(),
        Kind::Retries => is_retry_limit(text),
    }
}

/// Returns whether an output takes this text for a property; also true if no output has it.
pub fn is_text_of_property(key: &str, text: &str) -> bool {
    is_any_property(key, |property| accepts_text(property.kind, text))
}

/// Returns whether an output takes a list for a property; also true if no output has it.
pub fn is_list_property(key: &str) -> bool {
    is_any_property(key, Property::multiple)
}

fn is_any_property(key: &str, matches: impl Fn(&Property) -> bool) -> bool {
    let mut known = Output::ALL.into_iter().filter_map(|output| output.property(key)).peekable();
    known.peek().is_none() || known.any(matches)
}

fn is_retry_limit(text: &str) -> bool {
    let words = ["no_limits", "no_retries", "false", "off"];
    let positive = parse_integer(text).is_some_and(|number| (1..=INT_MAX).contains(&number));
    positive || words.iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// Returns whether a text is a token, a space and a value.
///
/// `Name: value` would send a header whose name ends in a colon.
fn is_header(text: &str) -> bool {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    text.split_once(' ').is_some_and(|(name, value)| {
        !name.is_empty() && name.chars().all(token) && !value.trim().is_empty()
    })
}

/// Returns whether the value of a property is a credential; false if the output lacks the property.
pub fn is_credential(output: Output, key: &str, value: &str) -> bool {
    match rdkafka::librdkafka_name(key).filter(|_| output == Output::Kafka) {
        Some(name) => rdkafka::is_secret(name),
        None => output.property(key).is_some_and(|own| own.secret || holds_credential(own, value)),
    }
}

/// Returns whether a property is a credential of librdkafka, independent of its value.
pub fn is_librdkafka_secret(key: &str) -> bool {
    rdkafka::librdkafka_name(key).is_some_and(rdkafka::is_secret)
}

/// Returns whether this text is a credential, for a property that holds one only sometimes.
fn holds_credential(property: &Property, text: &str) -> bool {
    match property.kind {
        Kind::Header => {
            let name =
                text.trim_start().split([' ', ':']).next().unwrap_or_default().to_ascii_lowercase();
            let telling =
                ["authorization", "cookie", "token", "secret", "password", "api-key", "apikey"];
            telling.iter().any(|part| name.contains(part))
        }
        // http://user:password@proxy
        Kind::Url => text
            .split_once("://")
            .is_some_and(|(_, rest)| rest.split('/').next().unwrap_or_default().contains('@')),
        _ => false,
    }
}

/// Returns a problem if the text has a variable that the sidecar may lack.
///
/// Fluent Bit expands `${…}` in every value, replaces an unknown variable by nothing, and 5.1.1
/// expands the result once more. A `${` cannot be escaped, so a value may only use the variables
/// that the sidecar always has.
fn variable_problem(key: &str, text: &str) -> Option<Problem> {
    let stranger =
        variables(text).any(|name| !name.is_some_and(|name| config::METADATA.contains(&name)));
    stranger.then(|| {
        let allowed = config::METADATA.map(|name| format!("`${{{name}}}`")).join(", ");
        let message = format!("Fluent Bit would expand the `${{` in the value of `{key}`");
        let help = format!("write a credential as a secret; the only variables are {allowed}");
        Problem::new(key, ProblemKind::Variable, message, help)
    })
}

fn secret_literal(key: &str) -> Problem {
    let message = format!("`{key}` holds a credential, which does not belong in the configuration");
    let help =
        "write it as a secret, for example `{ existing = { name = \"logs\", key = \"token\" } }`";
    Problem::new(key, ProblemKind::SecretLiteral, message, help)
}

fn wrong_type(key: &str, property: &Property) -> Problem {
    let message = format!("`{key}` must be {}", expectation(property.kind));
    Problem::new(key, ProblemKind::WrongType, message, default_help(property))
}

fn invalid(key: &str, property: &Property, value: &str) -> Problem {
    let message = format!("`{key}` must be {}", expectation(property.kind));
    let help = match property.kind {
        Kind::Words(words) => nearest(value, words.iter().copied())
            .map_or_else(|| default_help(property), |word| format!("did you mean `{word}`?")),
        Kind::Header => {
            "write the name, a space and the value, for example `X-Site plant-7`".to_owned()
        }
        Kind::Host => {
            "write only the name or the address; the port is the property `port`".to_owned()
        }
        _ => default_help(property),
    };
    Problem::new(key, ProblemKind::InvalidValue, message, help)
}

fn default_help(property: &Property) -> String {
    match property.default {
        Some(default) => format!("the default is `{default}`"),
        None => "set a valid value, or remove the key".to_owned(),
    }
}

fn expectation(kind: Kind) -> String {
    match kind {
        Kind::Text | Kind::TextOrFalse | Kind::List => "a string".to_owned(),
        Kind::Host => "a host name or an address".to_owned(),
        Kind::Path => "a path that starts with `/`".to_owned(),
        Kind::Url => "a URL that starts with `http://` or `https://`".to_owned(),
        Kind::Header => "a header's name, a space and its value".to_owned(),
        Kind::Pair => "a key, a space and a value".to_owned(),
        Kind::Words(words) => {
            let quoted: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
            if words.len() == 1 { quoted.concat() } else { format!("one of {}", quoted.join(", ")) }
        }
        Kind::Switch => "a boolean (or `on`, `yes`, `off`, `no`)".to_owned(),
        Kind::Integer { min, max } if max < INT_MAX => format!("an integer from {min} to {max}"),
        Kind::Integer { min, .. } if min > -INT_MAX => format!("an integer of {min} or more"),
        Kind::Integer { .. } => "an integer".to_owned(),
        Kind::Size { min, max } if max < SIZE_MAX => {
            format!("a size such as `64M`, from {min} to {max} bytes")
        }
        Kind::Size { min, .. } if min > 1 => {
            format!("a size such as `64M`, of {min} bytes or more")
        }
        Kind::Size { .. } => "a size such as `64M`".to_owned(),
        Kind::SizeOrFalse => "a size such as `512K`, or `false` for no limit".to_owned(),
        Kind::Time => "seconds, or a time such as `30s`, `10m`, `6h`, `1d`".to_owned(),
        Kind::Retries => "a positive integer, `no_limits` or `no_retries`".to_owned(),
    }
}

/// Returns whether a character is a control character, or one that YAML readers treat as a line
/// break.
fn is_forbidden(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

fn shown(key: &str) -> String {
    key.escape_debug().take(80).collect()
}
