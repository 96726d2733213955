//! Rules between settings: missing, contradictory and ineffective properties, and settings that
//! lose records.

use std::collections::BTreeMap;

use super::output::OutputPlugin;
use super::problem::{Problem, ProblemKind};
use super::value::{PropertyValue, parse_size, parse_switch};

/// The largest object of a single PUT, and the default of `total_file_size`.
const S3_PUT_MAX: i64 = 50_000_000;
const S3_OBJECT_DEFAULT: i64 = 100_000_000;
/// The smallest part of a multipart upload, which is also the default, and the largest without and
/// with compression.
const S3_PART_MIN: i64 = 5_242_880;
const S3_PART_MAX: i64 = 50_000_000;
const S3_COMPRESSED_PART_MAX: i64 = 5_000_000_000;

/// The settings by lower-case property name, each with its key as written.
pub(super) type PropertyValues<'a> = BTreeMap<String, (&'a str, &'a PropertyValue)>;

/// Returns the problems between the settings of an output.
pub(super) fn check(output: OutputPlugin, settings: &PropertyValues) -> Vec<Problem> {
    let of_output = match output {
        OutputPlugin::Stdout => Vec::new(),
        OutputPlugin::Forward | OutputPlugin::Loki | OutputPlugin::Http => {
            host(output, settings).into_iter().collect()
        }
        OutputPlugin::Es => es(settings),
        OutputPlugin::Kafka => kafka(settings),
        OutputPlugin::S3 => s3(settings),
    };
    of_output
        .into_iter()
        .chain(tls(output, settings))
        .chain(without_network(output, settings))
        .collect()
}

fn has(settings: &PropertyValues, name: &str) -> bool {
    settings.contains_key(name)
}

/// Returns the value of a property that is set to a boolean.
pub(super) fn switch(settings: &PropertyValues, name: &str) -> Option<bool> {
    match settings.get(name)?.1 {
        PropertyValue::Bool(value) => Some(*value),
        PropertyValue::Text(text) => parse_switch(text),
        _ => None,
    }
}

fn bytes(settings: &PropertyValues, name: &str) -> Option<i64> {
    match settings.get(name)?.1 {
        PropertyValue::Integer(number) => Some(*number),
        PropertyValue::Text(text) => parse_size(text),
        _ => None,
    }
}

/// Returns a problem at a property, if the property is set.
fn at(
    settings: &PropertyValues,
    name: &str,
    kind: ProblemKind,
    message: &str,
    help: &str,
) -> Option<Problem> {
    settings.get(name).map(|(key, _)| Problem::new(*key, kind, format!("`{key}` {message}"), help))
}

fn missing(name: &str, message: String, help: &str) -> Problem {
    Problem::new(name, ProblemKind::MissingProperty, message, help)
}

/// Returns a problem if an output lacks a receiver: without a host, Fluent Bit sends to 127.0.0.1,
/// the pod itself.
fn host(output: OutputPlugin, settings: &PropertyValues) -> Option<Problem> {
    let elsewhere = match output {
        OutputPlugin::Forward => &["host", "upstream", "unix_path"][..],
        OutputPlugin::Es => &["host", "upstream", "cloud_id"],
        _ => &["host"],
    };
    let message = format!(
        "the {} output has no `host`: records would be sent to the pod itself",
        output.name()
    );
    let help = "add the receiver's name or address, for example `host = \"logs.example.internal\"`";
    (!elsewhere.iter().any(|name| has(settings, name))).then(|| missing("host", message, help))
}

fn es(settings: &PropertyValues) -> Vec<Problem> {
    use ProblemKind::{Conflict, NoEffect};
    let mut problems: Vec<_> = host(OutputPlugin::Es, settings).into_iter().collect();
    if switch(settings, "suppress_type_name") != Some(false) {
        let help = "remove it; only Elasticsearch 7 and older take a type, with `suppress_type_name = false`";
        problems.extend(at(
            settings,
            "type",
            NoEffect,
            "has no effect: no document type is sent",
            help,
        ));
    }

    if switch(settings, "logstash_format") == Some(true) {
        let help = "remove it, or set `logstash_prefix`";
        problems.extend(at(
            settings,
            "index",
            NoEffect,
            "has no effect with `logstash_format`",
            help,
        ));
    }

    if has(settings, "id_key") && switch(settings, "generate_id") == Some(true) {
        let help = "remove it: the key supplies the document's id";
        problems.extend(at(settings, "generate_id", NoEffect, "has no effect with `id_key`", help));
    }
    let updates = matches!(settings.get("write_operation"), Some((_, PropertyValue::Text(text)))
        if text.eq_ignore_ascii_case("update") || text.eq_ignore_ascii_case("upsert"));
    if updates && !has(settings, "id_key") && switch(settings, "generate_id") == Some(false) {
        let help = "set `id_key`, or leave `generate_id` on";
        problems.extend(at(
            settings,
            "write_operation",
            Conflict,
            "needs an id for every document",
            help,
        ));
    }
    problems
}

fn kafka(settings: &PropertyValues) -> Vec<Problem> {
    let mut problems = Vec::new();
    if !has(settings, "brokers") {
        let help = "add them, for example `brokers = \"kafka-0.example.internal:9092\"`";
        problems.push(missing(
            "brokers",
            "the kafka output has no `brokers`, which it needs to start".to_owned(),
            help,
        ));
    }
    for name in ["rdkafka.request.required.acks", "rdkafka.acks"] {
        let all = match settings.get(name) {
            Some((_, PropertyValue::Integer(acks))) => *acks == -1,
            Some((_, PropertyValue::Text(acks))) => acks == "-1" || acks == "all",
            _ => true,
        };
        if !all {
            let message = "lets a failing broker lose acknowledged records";
            let help = "remove it: by default all in-sync replicas acknowledge";
            problems.extend(at(settings, name, ProblemKind::Risky, message, help));
        }
    }
    problems
}

fn s3(settings: &PropertyValues) -> Vec<Problem> {
    use ProblemKind::{NoEffect, Risky};
    let mut problems = Vec::new();

    if !has(settings, "bucket") {
        let help = "add it, for example `bucket = \"relay-logs\"`";
        problems.push(missing(
            "bucket",
            "the s3 output has no `bucket`, which it needs to start".to_owned(),
            help,
        ));
    }
    if !has(settings, "region") {
        let help = "add the bucket's region";
        problems.push(Problem::new(
            "region",
            Risky,
            "the s3 output has no `region`: it would use `us-east-1`",
            help,
        ));
    }

    let is_unlimited = matches!(settings.get("retry_limit"), Some((_, value)) if super::defaults::is_unlimited(value));
    if is_unlimited {
        let help = "write at most 5, or remove it";
        problems.extend(at(
            settings,
            "retry_limit",
            NoEffect,
            "has no effect: the s3 output never tries more than 5 times",
            help,
        ));
    }

    let help = "set `store_dir_limit_size`: the s3 output buffers in a folder of its own";
    problems.extend(at(settings, "storage.total_limit_size", NoEffect, "has no effect here", help));
    for name in ["host", "port"] {
        let help =
            "set `endpoint`, for example `endpoint = \"https://minio.example.internal:9000\"`";
        problems.extend(at(settings, name, NoEffect, "has no effect on the s3 output", help));
    }
    problems.extend(s3_sizes(settings));
    problems
}

/// Repeats the plugin's own start-up checks, which no dry run makes.
fn s3_sizes(settings: &PropertyValues) -> Option<Problem> {
    let conflict =
        |name, message: &str, help: &str| at(settings, name, ProblemKind::Conflict, message, help);
    let puts = switch(settings, "use_put_object") == Some(true);
    let object = bytes(settings, "total_file_size");
    if puts && object.is_some_and(|object| object > S3_PUT_MAX) {
        let help = "lower it, or remove `use_put_object`";
        return conflict("total_file_size", "exceeds 50M, the limit of `use_put_object`", help);
    }
    let object = object.unwrap_or(if puts { S3_PUT_MAX } else { S3_OBJECT_DEFAULT });
    let part = bytes(settings, "upload_chunk_size")?;
    if part != S3_PART_MIN && part.saturating_mul(2) > object {
        let help = "lower it, or raise `total_file_size` to at least twice as much";
        return conflict("upload_chunk_size", "exceeds half of `total_file_size`", help);
    }
    let part_max = if has(settings, "compression") { S3_COMPRESSED_PART_MAX } else { S3_PART_MAX };
    if !puts && part > part_max {
        return conflict(
            "upload_chunk_size",
            "exceeds the limit: 50M without `compression`, 5G with it",
            "lower it",
        );
    }
    None
}

fn tls(output: OutputPlugin, settings: &PropertyValues) -> Vec<Problem> {
    let options = settings.iter().filter(|(name, _)| name.starts_with("tls."));
    let is_on = output == OutputPlugin::S3 || switch(settings, "tls") == Some(true);
    let mut problems = Vec::new();
    if output == OutputPlugin::Kafka {
        let tls = settings.get_key_value("tls");
        let help = "for the brokers set `rdkafka.security.protocol` and `rdkafka.ssl.*`";
        for (_, (key, _)) in options.chain(tls) {
            let message = format!("`{key}` applies to a schema registry only, not to the brokers");
            problems.push(Problem::new(*key, ProblemKind::NoEffect, message, help));
        }
    } else if output != OutputPlugin::Stdout && !is_on {
        for (_, (key, _)) in options {
            let message = format!("`{key}` has no effect while `tls` is off");
            problems.push(Problem::new(*key, ProblemKind::NoEffect, message, "add `tls = true`"));
        }
    }
    if switch(settings, "tls.verify") == Some(false) && is_on {
        let help = "remove it, and set `tls.ca_file` to the authority that signed the receiver's \
                    certificate";
        let message = "lets anyone on the network read the records and the credentials";
        problems.extend(at(settings, "tls.verify", ProblemKind::Risky, message, help));
    }
    problems
}

/// Returns the network properties that have no effect.
///
/// Fluent Bit accepts them for every output, and ignores them if the plugin does not use its
/// connections.
fn without_network(output: OutputPlugin, settings: &PropertyValues) -> Vec<Problem> {
    if output.is_network() {
        return Vec::new();
    }
    let help = match output {
        OutputPlugin::Kafka => {
            "remove it; the receivers are in `brokers`, and `rdkafka.*` configures the connections"
        }
        _ => "remove it",
    };
    let of_network =
        |name: &str| matches!(name, "host" | "port" | "ipv6") || name.starts_with("net.");
    let names = settings.keys().filter(|name| of_network(name) && output.property(name).is_some());
    let message = format!("has no effect on the {} output", output.name());
    names.filter_map(|name| at(settings, name, ProblemKind::NoEffect, &message, help)).collect()
}
