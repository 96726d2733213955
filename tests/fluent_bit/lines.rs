//! Lines of the relay's logger: a flat object with `ts`, `lvl`, `msg`, the caller's fields, and
//! `stack` last.

use serde_json::{Value, json};

/// A part of every secret in the lines.
pub(crate) const SECRET: &str = "s3cr3t";

/// A text of the last line, which no filter changes.
pub(crate) const LAST: &str = "the last line has arrived";

/// Texts that must arrive.
pub(crate) const KEPT: [&str; 5] = [
    "200 POST /web/auth/login  81ms 196B",
    "GET /gemini/v1beta/models/x:generateContent",
    "Connection is closed",
    "src/app.js:10:5",
    LAST,
];

fn line(level: &str, message: &str, rest: &Value) -> Value {
    let mut entry = json!({"ts": "2026-11-23 05:51:31", "lvl": level, "msg": message});
    entry.as_object_mut().expect("an object").extend(rest.as_object().expect("an object").clone());
    entry
}

/// Returns records with a credential in each place where the relay, or its next release, puts one.
pub(crate) fn records() -> Vec<Value> {
    let secret = |name: &str| format!("{SECRET}-{name}");
    // A random token has no recognisable prefix.
    let token = format!("{SECRET}{}", "0123456789abcdef".repeat(3));
    vec![
        line(
            "info",
            "200 POST /web/auth/login  81ms 196B",
            &json!({
                "requestId": "tcfjwo2xrsq",
                "req": {"username": "admin", "password": secret("password")},
                "res": {"success": true, "token": secret("session")},
                "ip": "10.0.0.7",
                "ua": secret("agent"),
                "referer": secret("referer"),
            }),
        ),
        line(
            "info",
            &format!(
                "200 GET /gemini/v1beta/models/x:generateContent?key={}  3ms 5B",
                secret("query")
            ),
            &json!({"query": format!("key={}", secret("query")), "key": secret("name")}),
        ),
        line("debug", "▶ [r] POST /admin/api-keys", &json!({"body": {"apiKey": secret("body")}})),
        line(
            "debug",
            &format!("Client headers received: {}", json!({"authorization": secret("header")})),
            &json!({}),
        ),
        line(
            "debug",
            &format!("Account data to save: {{\n  \"apiKey\": \"{}\"\n}}", secret("account")),
            &json!({}),
        ),
        line("info", &format!("Invalidated session: {token}"), &json!({})),
        line(
            "error",
            &format!("connect to http://user:{}@proxy:3128/ failed", secret("proxy")),
            &json!({}),
        ),
        line(
            "error",
            "💥 [r] Unhandled error: Connection is closed",
            &json!({
                "url": format!("/api/v1/messages?api_key={}", secret("url")),
                "method": "POST",
                "status": 500,
                "duration": 12.5,
                "userAgent": secret("agent"),
                "config": {"headers": {"x-api-key": secret("axios")}},
                "stack": format!("Error: {{\"token\":\"{0}\"}}\n{0}\n    at run (/app/src/app.js:10:5)", secret("stack")),
            }),
        ),
        line(
            "error",
            &format!("Unexpected token 'p', \"password={}\" is not valid JSON", secret("node")),
            &json!({}),
        ),
        line(
            "error",
            &format!("login username=admin&password={} failed", secret("form")),
            &json!({}),
        ),
        line("debug", &format!("authorization: Bearer {}", secret("bearer")), &json!({})),
        line("debug", &format!("sent Basic {}, got 401", secret("basic")), &json!({})),
        line("debug", &format!("x-api-key: {}", secret("api")), &json!({})),
        line(
            "info",
            "callback",
            &json!({"url": format!("/cb#access_token={}", secret("fragment"))}),
        ),
        line("info", "callback", &json!({"url": format!("/cb;token={}", secret("parameter"))})),
        line("info", &format!("renewed ya29.A0b/{SECRET}+0123456789.abcdefghijkl"), &json!({})),
        // The next release: another field, another spelling, an object instead of a text.
        line(
            "info",
            "next week",
            &json!({"fifthField": secret("unknown"), "Url": secret("spelling")}),
        ),
        line(
            "info",
            "next month",
            &json!({"type": {"token": secret("nested")}, "ip": [secret("listed")]}),
        ),
        line("info", LAST, &json!({"type": "success"})),
    ]
}

/// Returns the log file: the records, and lines that are not records.
pub(crate) fn file() -> String {
    let mut lines = vec![
        format!("a line of text with {SECRET}-text"),
        format!("{{\"ts\":\"x\",\"cut\":\"{SECRET}-cut"),
    ];
    lines.extend(records().iter().map(Value::to_string));
    lines.join("\n") + "\n"
}
