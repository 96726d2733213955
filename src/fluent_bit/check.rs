//! Checks the settings of an output before Fluent Bit reads them.
//!
//! `fluent-bit --dry-run` reports success for most of these mistakes: at best it checks names,
//! never values.

use std::collections::BTreeMap;

use super::output::OutputPlugin;
use super::problem::{Problem, ProblemKind};
use super::property::{Property, PropertyKind, Since, nearest};
use super::rules::{self, PropertyValues};
use super::table::{INT_MAX, SIZE_MAX};
use super::value::{PropertyValue, parse_integer, parse_size, parse_switch, parse_time, variables};
use super::version::{DESCRIBED, Version};
use super::{config, rdkafka};

/// Returns all problems of `config` for an output of an image; `None` stands for an image of
/// unknown version.
pub fn check(
    output: OutputPlugin,
    image: Option<Version>,
    config: &BTreeMap<String, PropertyValue>,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut settings = PropertyValues::new();
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
    output: OutputPlugin,
    image: Option<Version>,
    key: &str,
    value: &PropertyValue,
) -> Vec<Problem> {
    if key.chars().any(is_forbidden) {
        let message = format!("the key `{}` holds a control character", shown(key));
        let help = "write the property's plain name";
        return vec![Problem::new(key, ProblemKind::ForbiddenCharacter, message, help)];
    }
    if let Some(name) = rdkafka::librdkafka_name(key).filter(|_| output == OutputPlugin::Kafka) {
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

fn reserved(output: OutputPlugin, key: &str) -> Option<Problem> {
    let message = format!("`{key}` is set by the bundle");
    if output == OutputPlugin::S3 && key.eq_ignore_ascii_case("store_dir") {
        let help = "remove it: the buffer is on the sidecar's own volume, its only writable folder";
        return Some(Problem::new(key, ProblemKind::Reserved, message, help));
    }
    let help = "remove it: there is one output, and every record goes to it";
    let is_reserved = RESERVED.iter().any(|name| key.eq_ignore_ascii_case(name));
    is_reserved.then(|| Problem::new(key, ProblemKind::Reserved, message, help))
}

fn unknown(output: OutputPlugin, key: &str) -> Problem {
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
    if output == OutputPlugin::Stdout && (lower == "tls" || lower.starts_with("tls.")) {
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

fn unknown_help(output: OutputPlugin, lower: &str) -> String {
    if output == OutputPlugin::Loki && matches!(lower, "batchwait" | "batchsize") {
        return "remove it: it is an option of Grafana's own plugin; the built-in output sends at \
                every flush, once a second"
            .to_owned();
    }
    if output == OutputPlugin::Loki && lower == "lineformat" {
        return "write `line_format` (`json` or `key_value`): `LineFormat` is an option of Grafana's own plugin".to_owned();
    }
    let own = output.properties().iter().chain(output.generic()).map(|property| property.name);
    if let Some(suggestion) = nearest(lower, own) {
        return format!("did you mean `{suggestion}`?");
    }
    let owner = OutputPlugin::ALL.into_iter().find(|other| other.property(lower).is_some());
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

fn check_rdkafka(key: &str, name: &str, value: &PropertyValue) -> Vec<Problem> {
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
        kind: PropertyKind::Text,
        default: None,
        secret,
        since: Since::Always,
    };

    // librdkafka's booleans are the texts `true` and `false`.
    let of_value = if matches!(value, PropertyValue::Bool(_)) {
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
    value: &PropertyValue,
) -> Option<Problem> {
    match value {
        PropertyValue::List(_) if !property.multiple() => {
            let help = match property.kind {
                PropertyKind::List => "write one string with commas",
                _ => "write one value",
            };
            Some(Problem::new(
                key,
                ProblemKind::WrongType,
                format!("`{key}` does not take a list"),
                help,
            ))
        }
        PropertyValue::List(items) if items.is_empty() => Some(Problem::new(
            key,
            ProblemKind::InvalidValue,
            format!("`{key}` is an empty list"),
            "remove the key",
        )),
        PropertyValue::List(items) => items.iter().find_map(|item| match item {
            PropertyValue::Text(_) | PropertyValue::Secret(_) => {
                value_problem(key, property, secret, item)
            }
            _ => Some(Problem::new(
                key,
                ProblemKind::WrongType,
                format!("`{key}` takes a list of strings"),
                EXAMPLE_HEADER,
            )),
        }),
        PropertyValue::Secret(_) => (!may_be_secret(property.kind)).then(|| {
            let help = "write the value itself";
            let message = format!(
                "`{key}` is checked when the bundle is built, so it cannot come from a Secret"
            );
            Problem::new(key, ProblemKind::WrongType, message, help)
        }),
        PropertyValue::Text(text) => text_problem(key, property, secret, text),
        PropertyValue::Bool(_) | PropertyValue::Integer(_) if secret => Some(secret_literal(key)),
        PropertyValue::Bool(value) => {
            (!accepts_bool(property.kind, *value)).then(|| wrong_type(key, property))
        }
        PropertyValue::Integer(number) => integer_problem(key, property, *number),
    }
}

const EXAMPLE_HEADER: &str = "write for example `[\"X-Site plant-7\", \"X-Team logs\"]`";

fn may_be_secret(kind: PropertyKind) -> bool {
    matches!(
        kind,
        PropertyKind::Text
            | PropertyKind::TextOrFalse
            | PropertyKind::Host
            | PropertyKind::Path
            | PropertyKind::Url
            | PropertyKind::List
            | PropertyKind::Header
            | PropertyKind::Pair
    )
}

fn accepts_bool(kind: PropertyKind, value: bool) -> bool {
    match kind {
        PropertyKind::Switch => true,
        PropertyKind::Words(words) => words.contains(&if value { "true" } else { "false" }),
        PropertyKind::TextOrFalse | PropertyKind::SizeOrFalse | PropertyKind::Retries => !value,
        _ => false,
    }
}

fn integer_problem(key: &str, property: &Property, number: i64) -> Option<Problem> {
    let fits = match property.kind {
        PropertyKind::Text | PropertyKind::TextOrFalse | PropertyKind::List => return None,
        PropertyKind::Integer { min, max } | PropertyKind::Size { min, max } => {
            (min..=max).contains(&number)
        }
        PropertyKind::SizeOrFalse => (0..=SIZE_MAX).contains(&number),
        PropertyKind::Time => (0..=INT_MAX).contains(&number),
        PropertyKind::Retries => (1..=INT_MAX).contains(&number),
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

fn accepts_text(kind: PropertyKind, text: &str) -> bool {
    match kind {
        PropertyKind::Text | PropertyKind::TextOrFalse | PropertyKind::List => true,
        PropertyKind::Host => {
            !text.contains(['/', ' ', '@', '?', '#', ',']) && text.matches(':').count() != 1
        }
        PropertyKind::Path => text.starts_with('/'),
        PropertyKind::Url => ["http://", "https://"]
            .iter()
            .any(|scheme| text.starts_with(scheme) && text.len() > scheme.len()),
        PropertyKind::Header => is_header(text),
        PropertyKind::Pair => text.split_whitespace().count() > 1,
        PropertyKind::Words(words) => words.iter().any(|word| word.eq_ignore_ascii_case(text)),
        PropertyKind::Switch => parse_switch(text).is_some(),
        PropertyKind::Integer { min, max } => {
            parse_integer(text).is_some_and(|number| (min..=max).contains(&number))
        }
        PropertyKind::Size { min, max } => {
            parse_size(text).is_some_and(|bytes| (min..=max).contains(&bytes))
        }
        PropertyKind::SizeOrFalse => {
            text.eq_ignore_ascii_case("false") || parse_size(text).is_some()
        }
        PropertyKind::Time => parse_time(text).is_some(),
        PropertyKind::Retries => is_retry_limit(text),
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
    let mut known =
        OutputPlugin::ALL.into_iter().filter_map(|output| output.property(key)).peekable();
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
pub fn is_credential(output: OutputPlugin, key: &str, value: &str) -> bool {
    match rdkafka::librdkafka_name(key).filter(|_| output == OutputPlugin::Kafka) {
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
        PropertyKind::Header => {
            let name =
                text.trim_start().split([' ', ':']).next().unwrap_or_default().to_ascii_lowercase();
            let telling =
                ["authorization", "cookie", "token", "secret", "password", "api-key", "apikey"];
            telling.iter().any(|part| name.contains(part))
        }
        // http://user:password@proxy
        PropertyKind::Url => text
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
    let is_foreign =
        variables(text).any(|name| !name.is_some_and(|name| config::METADATA.contains(&name)));
    is_foreign.then(|| {
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
        PropertyKind::Words(words) => nearest(value, words.iter().copied())
            .map_or_else(|| default_help(property), |word| format!("did you mean `{word}`?")),
        PropertyKind::Header => {
            "write the name, a space and the value, for example `X-Site plant-7`".to_owned()
        }
        PropertyKind::Host => {
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

fn expectation(kind: PropertyKind) -> String {
    match kind {
        PropertyKind::Text | PropertyKind::TextOrFalse | PropertyKind::List => {
            "a string".to_owned()
        }
        PropertyKind::Host => "a host name or an address".to_owned(),
        PropertyKind::Path => "a path that starts with `/`".to_owned(),
        PropertyKind::Url => "a URL that starts with `http://` or `https://`".to_owned(),
        PropertyKind::Header => "a header's name, a space and its value".to_owned(),
        PropertyKind::Pair => "a key, a space and a value".to_owned(),
        PropertyKind::Words(words) => {
            let quoted: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
            if words.len() == 1 { quoted.concat() } else { format!("one of {}", quoted.join(", ")) }
        }
        PropertyKind::Switch => "a boolean (or `on`, `yes`, `off`, `no`)".to_owned(),
        PropertyKind::Integer { min, max } if max < INT_MAX => {
            format!("an integer from {min} to {max}")
        }
        PropertyKind::Integer { min, .. } if min > -INT_MAX => {
            format!("an integer of {min} or more")
        }
        PropertyKind::Integer { .. } => "an integer".to_owned(),
        PropertyKind::Size { min, max } if max < SIZE_MAX => {
            format!("a size such as `64M`, from {min} to {max} bytes")
        }
        PropertyKind::Size { min, .. } if min > 1 => {
            format!("a size such as `64M`, of {min} bytes or more")
        }
        PropertyKind::Size { .. } => "a size such as `64M`".to_owned(),
        PropertyKind::SizeOrFalse => "a size such as `512K`, or `false` for no limit".to_owned(),
        PropertyKind::Time => "seconds, or a time such as `30s`, `10m`, `6h`, `1d`".to_owned(),
        PropertyKind::Retries => "a positive integer, `no_limits` or `no_retries`".to_owned(),
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
