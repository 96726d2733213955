//! The filters without Fluent Bit: `record_modifier` modelled on its source, and the script in a
//! real interpreter.

use std::fmt::Write as _;

use relay_bundle::fluent_bit::FIELDS;
use relay_bundle::model::url::without_user_info;
use serde_json::{Value, json};

use super::lines::{KEPT, SECRET, records};
use super::sidecar::{CASES, Case, load};
use super::tools;

/// Returns the filters of the sidecar's configuration.
fn filters(case: &Case) -> Vec<Value> {
    let config: Value = serde_saphyr::from_str(&case.config()).expect("YAML");
    config["pipeline"]["filters"].as_array().expect("a list").clone()
}

/// Keeps the fields that `record_modifier` would, ignoring letter case.
fn keep(filter: &Value, record: &Value) -> Value {
    assert_eq!(filter["name"], "record_modifier");
    let allowed: Vec<&str> = filter["allowlist_key"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let fields = record.as_object().expect("an object").iter();
    fields
        .filter(|(name, _)| allowed.iter().any(|known| known.eq_ignore_ascii_case(name)))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Writes a value as an expression of Lua.
fn expression(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(key, value)| format!("[{}] = {}", quoted(key), expression(value)));
            format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => {
            format!("{{ {} }}", items.iter().map(expression).collect::<Vec<_>>().join(", "))
        }
        Value::String(text) => quoted(text),
        other => other.to_string(),
    }
}

fn quoted(text: &str) -> String {
    let bytes = text.bytes().map(|byte| format!("\\{byte:03}"));
    format!("\"{}\"", bytes.collect::<String>())
}

/// Runs the script over the records like Fluent Bit; returns `field=value` lines, or `None` without
/// an interpreter.
fn clean(filter: &Value, records: &[Value]) -> Option<String> {
    let luajit = tools::find("luajit", "luajit")?;
    let mut program = filter["code"].as_str().expect("a script").to_owned();
    for record in records {
        let call = filter["call"].as_str().expect("a function");
        write!(
            program,
            "do local code, _, kept = {call}(\"tag\", 0, {})\nif code ~= -1 then for name, value \
             in pairs(kept) do print(name .. \"=\" .. tostring(value)) end end end\n",
            expression(record)
        )
        .expect("a String takes any text");
    }
    let output =
        assert_cmd::Command::new(luajit).arg("-").write_stdin(program).output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).expect("UTF-8"))
}

#[test]
fn every_output_and_mode_has_same_filters() {
    let first = filters(&CASES[0]);
    assert_eq!(first.len(), 3);
    for case in &CASES {
        assert_eq!(filters(case), first, "{}", case.profile);
    }
}

#[test]
fn filtered_records_hold_no_secret() {
    let filters = filters(&CASES[0]);
    let kept: Vec<Value> = records().iter().map(|record| keep(&filters[0], record)).collect();

    let Some(told) = clean(&filters[1], &kept) else { return };

    assert!(!told.contains(SECRET), "{told}");
    for text in KEPT {
        assert!(told.contains(text), "{text} is not in\n{told}");
    }
    for field in [
        "url=/api/v1/messages\n",
        "status=500\n",
        "duration=12.5\n",
        "ip=10.0.0.7\n",
        "type=success\n",
    ] {
        assert!(told.contains(field), "{field} is not in\n{told}");
    }
}

/// Texts with a login in front of a host, and their masked form.
const LOGINS: [(&str, &str); 6] = [
    ("socks5://alice:EXAMPLEpw@127.0.0.1:28556/", "socks5://127.0.0.1:28556/"),
    ("from http://a:b@p:1 to http://token@p:2", "from http://p:1 to http://p:2"),
    ("http://a:b@c:d@proxy", "http://proxy"),
    ("http://bob:pa/ss@proxy:3128", "http://proxy:3128"),
    ("http://a:b/c:d/e@proxy", "http://proxy"),
    ("http://a:b://c@proxy", "http://proxy"),
];

/// Texts without a login, which every masker leaves unchanged.
const NO_LOGINS: [&str; 4] = [
    "mail of alice@example.org",
    "https://host:8080/a at b@c",
    "https://host/a@b",
    "https://[::1]:6443",
];

#[test]
fn login_of_url_is_cut_by_filter_as_in_messages() {
    let table: Vec<(&str, &str)> =
        LOGINS.iter().copied().chain(NO_LOGINS.map(|text| (text, text))).collect();
    for (text, shown) in &table {
        assert_eq!(without_user_info(text), *shown, "{text}");
    }
    let records: Vec<Value> = table.iter().map(|(text, _)| json!({"msg": text})).collect();

    let Some(told) = clean(&filters(&CASES[0])[1], &records) else { return };

    let wanted: Vec<String> = table.iter().map(|(_, shown)| format!("msg={shown}")).collect();
    assert_eq!(told, wanted.join("\n") + "\n");
}

#[test]
fn password_with_blanks_is_cut_and_harmless_text_is_kept() {
    let table = [
        ("password: hunter 2, next", "password: ..., next"),
        (
            "login with Password: correct horse battery; retry in 3 s",
            "login with Password: ...; retry in 3 s",
        ),
        ("client_secret:a b\nnext line", "client_secret:...\nnext line"),
        ("user a, pwd: x y", "user a, pwd: ..."),
        ("token: expired at noon", "token: ... at noon"),
        ("failed in passport.js:10:5 of src", "failed in passport.js:... of src"),
        ("Redis: ready, mode: cluster", "Redis: ready, mode: cluster"),
    ];
    let records: Vec<Value> = table.iter().map(|(text, _)| json!({"msg": text})).collect();

    let Some(told) = clean(&filters(&CASES[0])[1], &records) else { return };

    let wanted: Vec<String> = table.iter().map(|(_, shown)| format!("msg={shown}")).collect();
    assert_eq!(told, wanted.join("\n") + "\n");
}

#[test]
fn long_text_is_cut_without_delay() {
    let words = format!("first {} s3cr3t-{}", "pass".repeat(20_000), "x".repeat(20));
    let records =
        [words, "://".repeat(30_000), "pass: ".repeat(20_000)].map(|text| json!({"msg": text}));
    let start = std::time::Instant::now();

    let Some(told) = clean(&filters(&CASES[0])[1], &records) else { return };

    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
    assert_eq!(told.lines().next(), Some("msg=first ..."));
    assert!(told.len() < 200, "{told}");
}

#[test]
fn first_filter_alone_passes_listed_fields_only() {
    let filters = filters(&CASES[0]);
    for record in records() {
        let kept = keep(&filters[0], &record);
        let unknown = kept
            .as_object()
            .unwrap()
            .keys()
            .find(|name| !FIELDS.contains(&name.to_lowercase().as_str()));
        assert!(unknown.is_none_or(|name| name == "requestId"), "{unknown:?}");
    }
}

#[test]
fn extra_field_is_sent_as_it_is() {
    let case = Case {
        profile: "storage.logs.fluentbit.extraFields = [\"req\", \"msg\", \"end\"]",
        output: "stdout",
    };
    let filters = filters(&case);
    let record = records().remove(1);
    let with_request = records().remove(0);
    let kept: Vec<Value> =
        [record, with_request].iter().map(|record| keep(&filters[0], record)).collect();

    let Some(told) = clean(&filters[1], &kept) else { return };

    assert!(told.contains(&format!("?key={SECRET}-query")), "{told}");
    assert!(told.contains("req=table"), "{told}");
}

#[test]
fn no_extra_field_is_sent_by_default() {
    assert!(load("").settings.storage.logs.fluentbit.extra_fields.is_empty());
}
