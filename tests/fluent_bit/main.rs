//! The sidecar's configuration file: an independent YAML reader must see the intended values, its
//! patterns must match the relay's log files, and no credential of a log line may reach a receiver.

mod fields;
mod lines;
mod receiver;
mod sidecar;
#[path = "../support/tools.rs"]
mod tools;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Stdio};

use relay_bundle::fluent_bit::{ConfigInput, OutputPlugin, PropertyValue, check, config};
use relay_bundle::render::yaml::to_yaml;
use serde_json::{Value, json};

type Settings = BTreeMap<String, PropertyValue>;

/// Runs a Python script with a text on its standard input; `None` without Python and `PyYAML`.
#[expect(clippy::disallowed_methods, reason = "a test may ask whether it runs in CI")]
#[expect(clippy::print_stderr, reason = "a test that is skipped must say so")]
fn python(script: &str, input: &str) -> Option<String> {
    let available = Command::new("python3").args(["-c", "import yaml"]).output();
    if !available.is_ok_and(|output| output.status.success()) {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "CI needs python3 with PyYAML");
        eprintln!("SKIPPED: python3 with PyYAML is missing");
        return None;
    }
    let mut child = Command::new("python3")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 starts");
    child.stdin.take().expect("it is piped").write_all(input.as_bytes()).expect("python3 reads");
    let output = child.wait_with_output().expect("python3 ends");
    assert!(output.status.success(), "the script failed");
    Some(String::from_utf8(output.stdout).expect("UTF-8"))
}

fn settings(pairs: &[(&str, PropertyValue)]) -> Settings {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
}

fn text(text: &str) -> PropertyValue {
    PropertyValue::Text(text.to_owned())
}

fn secret(env: &str) -> PropertyValue {
    PropertyValue::Secret(env.to_owned())
}

/// Returns an example of each output, with values that a careless YAML writer would change.
fn examples() -> Vec<(OutputPlugin, Settings)> {
    let host = ("host", text("logs.example.internal"));
    vec![
        (
            OutputPlugin::Stdout,
            settings(&[("json_date_key", text("yes")), ("json_date_format", text("iso8601"))]),
        ),
        (
            OutputPlugin::Forward,
            settings(&[
                host.clone(),
                ("shared_key", secret("OUT_SHARED_KEY")),
                ("tag", text("0x1F")),
            ]),
        ),
        (
            OutputPlugin::Es,
            settings(&[
                host.clone(),
                ("tls", PropertyValue::Bool(true)),
                ("http_passwd", secret("OUT_HTTP_PASSWD")),
                ("logstash_prefix", text("1_000")),
                ("time_key", text("@timestamp")),
                ("logstash_dateformat", text("%Y.%m.%d")),
            ]),
        ),
        (
            OutputPlugin::Loki,
            settings(&[
                host.clone(),
                ("port", PropertyValue::Integer(3100)),
                ("labels", text("job=relay, pod=${POD_NAME}")),
                ("tenant_id", text("007")),
                ("label_keys", text("$level,$sub['stream']")),
            ]),
        ),
        (
            OutputPlugin::Http,
            settings(&[
                host,
                ("uri", text("/a?b=c#d: e")),
                (
                    "header",
                    PropertyValue::List(vec![
                        text("X-Note \"it's\" \\ 100% # no: comment"),
                        secret("OUT_HEADER_1"),
                    ]),
                ),
                ("http_user", text("~")),
                ("header_tag", text("null")),
            ]),
        ),
        (
            OutputPlugin::Kafka,
            settings(&[
                ("brokers", text("k0.example.internal:9092,k1.example.internal:9092")),
                ("rdkafka.linger.ms", PropertyValue::Integer(5)),
                ("message_key", text("- not a list")),
                ("client_id", text("+0800")),
            ]),
        ),
        (
            OutputPlugin::S3,
            settings(&[
                ("bucket", text("2026-11-22")),
                ("region", text("eu-central-1")),
                ("s3_key_format", text("/$TAG/%Y/%m/%d/$UUID.gz")),
                ("content_type", text("日本語 ünïcödé 🙂")),
            ]),
        ),
    ]
}

fn rendered(output: OutputPlugin, settings: &Settings) -> Value {
    config(&ConfigInput {
        timezone_offset_hours: 8,
        output,
        settings,
        logs_dir: "/app/logs",
        state_dir: "/fluent-bit/state",
        grace_seconds: 20,
        http_listen: "0.0.0.0",
        http_port: 2020,
        extra_fields: &BTreeSet::new(),
    })
}

#[test]
fn independent_yaml_reader_sees_every_value_and_type() {
    let script = "import json, sys, yaml\nprint(json.dumps([yaml.safe_load(text) for text in json.load(sys.stdin)]))";
    let meant: Vec<Value> = examples()
        .iter()
        .map(|(output, settings)| {
            assert_eq!(check(*output, None, settings), [], "{}", output.name());
            rendered(*output, settings)
        })
        .collect();
    let texts: Vec<String> = meant.iter().map(to_yaml).collect();

    let Some(read) = python(script, &json!(texts).to_string()) else { return };

    let read: Vec<Value> = serde_json::from_str(&read).expect("JSON");
    assert_eq!(read.len(), OutputPlugin::ALL.len());
    for (read, meant) in read.iter().zip(&meant) {
        assert_eq!(read, meant);
    }
}

#[test]
fn patterns_match_main_log_and_rotations_but_no_token_file() {
    let script = r"
import fnmatch, json, sys
given = json.load(sys.stdin)
def picked(path):
    # A glob's star stops at a slash; the exclusion is matched against the whole path.
    included = any(path.count('/') == p.count('/') and fnmatch.fnmatchcase(path, p) for p in given['path'].split(','))
    return included and not any(fnmatch.fnmatchcase(path, p) for p in given['exclude_path'].split(','))
print(json.dumps([name for name in given['names'] if picked('/app/logs/' + name)]))";
    let wanted = [
        "claude-relay-2026-11-22.log",
        "claude-relay-2026-11-22.log.1",
        "claude-relay-2026-11-22.log.12",
        "exceptions.log",
        "exceptions1.log",
        "rejections.log",
    ];
    let unwanted = [
        "claude-relay-2026-11-22.log.gz",
        "claude-relay-2026-11-22.log.1.gz",
        "claude-relay-error-2026-11-22.log",
        "claude-relay-security-2026-11-22.log",
        "claude-relay-auth-detail-2026-11-22.log",
        "claude-relay-auth-detail-2026-11-22.log.1",
        "token-refresh.log",
        "token-refresh-error.log",
        ".claude-relay-audit.log.json",
    ];
    let tail = &rendered(OutputPlugin::Stdout, &Settings::new())["pipeline"]["inputs"][0];
    let names: Vec<&str> = wanted.iter().chain(&unwanted).copied().collect();
    let given = json!({"path": tail["path"], "exclude_path": tail["exclude_path"], "names": names});

    let Some(picked) = python(script, &given.to_string()) else { return };

    let picked: Vec<String> = serde_json::from_str(&picked).expect("JSON");
    assert_eq!(picked, wanted);
}

#[test]
fn relay_log_line_is_parsed_with_its_time() {
    // Fluent Bit's parser is modelled on strptime; %z reads the offset in the form of
    // `time_offset`.
    let script = r"
import datetime, json, sys
given = json.load(sys.stdin)
stamp = json.loads(given['line'])[given['time_key']] + given['time_offset']
print(int(datetime.datetime.strptime(stamp, given['time_format'] + '%z').timestamp()))";
    let mut given = rendered(OutputPlugin::Stdout, &Settings::new())["parsers"][0].clone();
    given["line"] = json!(r#"{"ts":"2026-11-23 05:51:31","lvl":"info","msg":"started"}"#);

    let Some(seconds) = python(script, &given.to_string()) else { return };

    // 2026-11-22T21:51:31Z
    assert_eq!(seconds.trim(), "1795384291");
}
