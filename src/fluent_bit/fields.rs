//! Selects the fields of the relay's records that leave the pod, and removes credentials from their
//! texts.
//!
//! The relay writes the bodies of requests and answers into its log: passwords, sessions, keys,
//! prompts. A list of fields to remove would miss a field that the next release adds, so a record
//! keeps only the fields of an allowlist.
//!
//! | filter | effect |
//! |---|---|
//! | `record_modifier` | keeps the listed fields, in any letter case; drops a record without any |
//! | `lua` | drops values that are not scalars and other spellings of a name; cuts texts |
//!
//! `msg` and `stack` are free text in which the relay puts URLs, JSON and tokens. The script
//! removes the query of a URL, the user in front of a host, everything from the first `{` on, and
//! every run of letters and digits that is longer than a UUID.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value, json};

/// The fields of a record that leave the pod; none of them holds a body, a header or a query.
pub const FIELDS: [&str; 11] =
    ["duration", "ip", "lvl", "method", "msg", "requestId", "stack", "status", "ts", "type", "url"];

const CLEAN: &str = include_str!("clean.lua");

/// Returns the filters that keep [`FIELDS`], and the `extra` fields unchanged.
pub(super) fn filters(tag: &str, extra: &BTreeSet<&str>) -> [Value; 2] {
    let kept: BTreeSet<&str> = FIELDS.into_iter().chain(extra.iter().copied()).collect();
    [
        json!({"name": "record_modifier", "match": tag, "allowlist_key": kept}),
        json!({"name": "lua", "match": tag, "call": "clean", "code": script(extra)}),
    ]
}

fn script(extra: &BTreeSet<&str>) -> String {
    let cleaned = FIELDS.into_iter().filter(|field| !extra.contains(field));
    let mut code = String::new();
    for (table, fields) in
        [("cleaned", cleaned.collect()), ("whole", extra.iter().copied().collect::<Vec<_>>())]
    {
        let entries: Vec<String> =
            fields.iter().map(|field| format!("[\"{field}\"] = true")).collect();
        writeln!(code, "local {table} = {{ {} }}", entries.join(", "))
            .expect("a String takes any text");
    }
    code + CLEAN
}
