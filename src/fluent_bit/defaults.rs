//! Defaults of the sidecar for properties that a profile leaves unset, if Fluent Bit's own default
//! loses or duplicates records.
//!
//! | output | property | ours | because Fluent Bit's own |
//! |---|---|---|---|
//! | all but s3 | `retry_limit` | `no_limits` | 1 drops a chunk after the second failure |
//! | all but s3 | `storage.total_limit_size` | `256M` | none lets the buffer fill its volume |
//! | stdout | `format` | `json_lines` | is msgpack's text form |
//! | forward | `require_ack_response` | on | off counts records written to a socket as delivered |
//! | es | `suppress_type_name` | on | off is refused by Elasticsearch 8 |
//! | es | `generate_id` | on without `id_key` | off stores a record twice after a retry |
//! | loki | `line_format` | `json` | is the same, but not explicit |
//! | loki | `labels` | job, namespace and pod | `job=fluent-bit` mixes the streams of all pods |
//! | http, kafka | `format` | `json` | differs between versions |
//! | kafka | `rdkafka.log.connection.close` | false | true logs an error when an idle one ends |
//! | s3 | `retry_limit` | 5 | 1 wastes uploads; the plugin never tries more than 5 times |
//! | s3 | `store_dir` | on the state volume | lies on the root file system, which is read-only |
//! | s3 | `store_dir_limit_size` | `256M` | none lets the buffer fill its volume |
//! | s3 | `compression` | gzip if `s3_key_format` ends in `.gz` | none stores plain JSON as `.gz` |
//! | s3 | `total_file_size` | `50M` with `use_put_object` | 100M is refused there |

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::output::OutputPlugin;
use super::value::{PropertyValue, parse_size};

/// The most that an output may keep on disk while its receiver is unreachable.
const BUFFER_LIMIT: &str = "256M";
const BUFFER_LIMIT_BYTES: i64 = 256_000_000;

/// Adds the defaults of properties that the profile leaves unset.
///
/// The keys of `settings` are property names in lower case.
pub(super) fn fill(output: OutputPlugin, state_dir: &str, settings: &mut BTreeMap<String, Value>) {
    let mut default = |name: &str, value: Value| {
        settings.entry(name.to_owned()).or_insert(value);
    };
    if output == OutputPlugin::S3 {
        default("retry_limit", json!(5));
        default("store_dir", json!(format!("{state_dir}/s3")));
        default("store_dir_limit_size", json!(BUFFER_LIMIT));
    } else {
        default("retry_limit", json!("no_limits"));
        default("storage.total_limit_size", json!(BUFFER_LIMIT));
    }

    match output {
        OutputPlugin::Stdout => default("format", json!("json_lines")),
        OutputPlugin::Forward => default("require_ack_response", json!("on")),
        OutputPlugin::Es => default("suppress_type_name", json!("on")),
        OutputPlugin::Loki => {
            default("line_format", json!("json"));
            default("labels", json!("job=claude-relay,namespace=${POD_NAMESPACE},pod=${POD_NAME}"));
        }
        OutputPlugin::Http => default("format", json!("json")),
        OutputPlugin::Kafka => {
            default("format", json!("json"));
            default("rdkafka.log.connection.close", json!("false"));
        }
        OutputPlugin::S3 => {}
    }
    fill_dependent(output, settings);
}

/// Adds the defaults that depend on another setting.
fn fill_dependent(output: OutputPlugin, settings: &mut BTreeMap<String, Value>) {
    if output == OutputPlugin::Es && !settings.contains_key("id_key") {
        settings.entry("generate_id".to_owned()).or_insert(json!("on"));
    }
    if output != OutputPlugin::S3 {
        return;
    }
    let text = |name: &str| settings.get(name).and_then(Value::as_str).unwrap_or_default();
    let is_gzip = text("s3_key_format").to_ascii_lowercase().ends_with(".gz");
    let puts = text("use_put_object") == "on";
    if is_gzip {
        settings.entry("compression".to_owned()).or_insert(json!("gzip"));
    }
    if puts {
        settings.entry("total_file_size".to_owned()).or_insert(json!("50M"));
    }
}

/// Returns the number of bytes that an output may keep on disk, which determines the size of the
/// volume.
pub fn buffer_bytes(output: OutputPlugin, config: &BTreeMap<String, PropertyValue>) -> i64 {
    let name = if output == OutputPlugin::S3 {
        "store_dir_limit_size"
    } else {
        "storage.total_limit_size"
    };
    let set = config.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
    let bytes = set.and_then(|(_, value)| match value {
        PropertyValue::Integer(bytes) => Some(*bytes),
        PropertyValue::Text(text) => parse_size(text),
        _ => None,
    });
    bytes.unwrap_or(BUFFER_LIMIT_BYTES)
}

/// Returns whether a retry limit has one of the spellings of "unlimited".
pub(super) fn is_unlimited(value: &PropertyValue) -> bool {
    match value {
        PropertyValue::Bool(limited) => !limited,
        PropertyValue::Text(text) => {
            ["no_limits", "false", "off"].iter().any(|word| text.eq_ignore_ascii_case(word))
        }
        _ => false,
    }
}
