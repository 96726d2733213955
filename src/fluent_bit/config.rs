//! Builds the sidecar's whole configuration as data; `render::yaml` turns it into text.
//!
//! Strings stay strings: the writer quotes `"on"` and `"+0800"`, and every number is an integer.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::output::OutputPlugin;
use super::property::PropertyKind;
use super::value::{PropertyValue, parse_integer, parse_switch};
use super::{defaults, fields, rdkafka};

/// The variables with the origin of a record: node, pod and namespace.
///
/// The sidecar must have all of them: each becomes a field of every record, and Fluent Bit does not
/// start if one is empty.
pub const METADATA: [&str; 3] = ["NODE_NAME", "POD_NAME", "POD_NAMESPACE"];

const TAG: &str = "claude-relay";
const PARSER: &str = "claude-relay-json";

/// The inputs of the configuration.
#[derive(Clone, Copy, Debug)]
pub struct ConfigInput<'a> {
    /// The offset from UTC of the relay's timestamps, which carry no time zone.
    pub timezone_offset_hours: i32,
    pub output: OutputPlugin,
    /// The settings of the output; [`super::check`] must have found no errors in them.
    pub settings: &'a BTreeMap<String, PropertyValue>,
    /// The folder of the relay's log files.
    pub logs_dir: &'a str,
    /// The folder for offsets and buffers, on a volume that Fluent Bit can write to.
    pub state_dir: &'a str,
    /// How long Fluent Bit may keep sending after SIGTERM.
    pub grace_seconds: u32,
    /// The address that the sidecar's HTTP server listens on: the relay's own, because the kubelet
    /// reaches both in the same way.
    pub http_listen: &'a str,
    /// The port of the HTTP server, which the probes use.
    pub http_port: u16,
    /// The fields that leave the pod unchanged, in addition to [`super::FIELDS`].
    pub extra_fields: &'a BTreeSet<&'a str>,
}

/// Returns the configuration in the form of `fluent-bit.yaml`.
pub fn config(input: &ConfigInput) -> Value {
    json!({
        "service": service(input),
        "parsers": [parser(input.timezone_offset_hours)],
        "pipeline": {
            "inputs": [tail(input)],
            "filters": filters(input),
            "outputs": [output(input)],
        },
    })
}

fn service(input: &ConfigInput) -> Value {
    json!({
        "flush": 1,
        "grace": input.grace_seconds,
        "log_level": "info",
        // Hot reload stays off: the HTTP server has no authentication.
        "http_server": "on",
        "http_listen": input.http_listen,
        "http_port": input.http_port,
        "hot_reload": "off",
        // Without it, some versions do not serve the health path, and others always report success.
        "health_check": "on",
        "storage.path": format!("{}/buffer", input.state_dir),
        "storage.delete_irrecoverable_chunks": "on",
        // Bounds the memory under a backlog: 128, the default, takes twice as much as 16.
        "storage.max_chunks_up": 16,
        "storage.backlog.mem_limit": "8M",
    })
}

fn parser(timezone_offset_hours: i32) -> Value {
    json!({
        "name": PARSER,
        "format": "json",
        "time_key": "ts",
        "time_format": "%Y-%m-%d %H:%M:%S",
        "time_offset": time_offset(timezone_offset_hours),
    })
}

fn time_offset(hours: i32) -> String {
    format!("{}{:02}00", if hours < 0 { '-' } else { '+' }, hours.unsigned_abs())
}

fn tail(input: &ConfigInput) -> Value {
    // The error and security logs only repeat lines of the main log, so they are left out. A
    // rotated file is named `.log.1` until it is compressed.
    let files = [
        "claude-relay-[0-9]*.log",
        "claude-relay-[0-9]*.log.[0-9]*",
        "exceptions*.log",
        "rejections*.log",
    ];
    let paths = files.map(|file| format!("{}/{file}", input.logs_dir));

    json!({
        "name": "tail",
        "tag": TAG,
        "path": paths.join(","),
        // The last two patterns match logs with OAuth tokens in clear text.
        "exclude_path": "*.gz,*auth-detail*,*token-refresh*",
        "parser": PARSER,
        "db": format!("{}/tail.db", input.state_dir),
        "db.locking": "on",
        // Offsets belong to an inode and a name, because the next file may reuse the inode.
        "db.compare_filename": "on",
        "read_from_head": "on",
        // Under load, the relay rotates and compresses a file within seconds.
        "refresh_interval": 1,
        "rotate_wait": 10,
        // The relay's lines reach 50,000 characters. Fluent Bit skips a line that exceeds the
        // buffer, not the whole file.
        "buffer_max_size": "1M",
        "skip_long_lines": "on",
        "storage.type": "filesystem",
    })
}

/// Returns the filters; the pod's metadata comes last, so that no record can set its own.
fn filters(input: &ConfigInput) -> [Value; 3] {
    let [keep, clean] = fields::filters(TAG, input.extra_fields);
    [keep, clean, metadata()]
}

/// Returns the filter that adds the pod's metadata to each record.
///
/// `Set` overwrites a key; `record_modifier` would add a second key of the same name.
fn metadata() -> Value {
    let set = METADATA.map(|name| format!("{} ${{{name}}}", name.to_lowercase()));
    json!({"name": "modify", "match": TAG, "set": set})
}

fn output(input: &ConfigInput) -> Value {
    let mut settings: BTreeMap<String, Value> =
        input.settings.iter().map(|(key, value)| setting(input.output, key, value)).collect();
    defaults::fill(input.output, input.state_dir, &mut settings);
    settings.insert("name".to_owned(), json!(input.output.name()));
    settings.insert("match".to_owned(), json!(TAG));
    Value::Object(settings.into_iter().collect::<Map<_, _>>())
}

/// Returns a setting under its canonical name and in one spelling for each meaning.
///
/// A change of letter case in a profile must not restart the pods.
fn setting(output: OutputPlugin, key: &str, value: &PropertyValue) -> (String, Value) {
    if let Some(name) = rdkafka::librdkafka_name(key).filter(|_| output == OutputPlugin::Kafka) {
        let name = rdkafka::canonical(name).unwrap_or(name);
        return (format!("{}{name}", rdkafka::PREFIX), plain(value));
    }

    let Some(property) = output.property(key) else {
        return (key.to_ascii_lowercase(), plain(value));
    };
    let rendered = match (property.kind, value) {
        (PropertyKind::Switch, PropertyValue::Bool(on)) => on_or_off(*on),
        (PropertyKind::Switch, PropertyValue::Text(text)) => {
            parse_switch(text).map_or_else(|| plain(value), on_or_off)
        }
        (PropertyKind::Retries, _) if defaults::is_unlimited(value) => json!("no_limits"),
        (PropertyKind::Words(words), PropertyValue::Text(text)) => {
            json!(
                words.iter().find(|word| word.eq_ignore_ascii_case(text)).copied().unwrap_or(text)
            )
        }
        (PropertyKind::Integer { .. } | PropertyKind::Retries, PropertyValue::Text(text)) => {
            parse_integer(text).map_or_else(|| plain(value), |number| json!(number))
        }
        (
            PropertyKind::Integer { .. }
            | PropertyKind::Retries
            | PropertyKind::Size { .. }
            | PropertyKind::SizeOrFalse
            | PropertyKind::Time,
            PropertyValue::Integer(number),
        ) => json!(number),
        _ => plain(value),
    };

    (property.name.to_owned(), rendered)
}

fn on_or_off(on: bool) -> Value {
    json!(if on { "on" } else { "off" })
}

fn plain(value: &PropertyValue) -> Value {
    match value {
        PropertyValue::Bool(value) => json!(value.to_string()),
        PropertyValue::Integer(number) => json!(number.to_string()),
        PropertyValue::Text(text) => json!(text),
        PropertyValue::List(items) => items.iter().map(plain).collect(),
        PropertyValue::Secret(env) => json!(format!("${{{env}}}")),
    }
}
