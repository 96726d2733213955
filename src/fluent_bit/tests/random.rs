use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::Value;

use super::super::{ConfigInput, OutputPlugin, ProblemSeverity, PropertyValue, check, config};
use crate::canonical::Canonical;

fn value() -> impl Strategy<Value = PropertyValue> {
    let text = prop_oneof![
        ".{0,20}",
        "(on|off|false|json|gzip|no_limits|[0-9]{1,20}[kKmMgGsShHdD]?[bB]?|/[a-z]{1,5}|https?://[a-z@/]{1,9}|\\$\\{[A-Z_]{0,9}\\}?)",
        "[A-Za-z-]{1,9} [a-z]{1,9}",
    ];
    let single = prop_oneof![
        any::<bool>().prop_map(PropertyValue::Bool),
        any::<i64>().prop_map(PropertyValue::Integer),
        (-2..70_000i64).prop_map(PropertyValue::Integer),
        text.prop_map(PropertyValue::Text),
        "[A-Z_]{1,9}".prop_map(PropertyValue::Secret),
    ];
    prop_oneof![4 => single.clone(), 1 => vec(single, 0..3).prop_map(PropertyValue::List)]
}

/// Generates mostly real keys, and some in upper case, cut off or random.
fn key(output: OutputPlugin) -> impl Strategy<Value = String> {
    let names: Vec<_> =
        output.properties().iter().chain(output.generic()).map(|property| property.name).collect();
    let real = proptest::sample::select(names);
    prop_oneof![
        6 => real.clone().prop_map(str::to_owned),
        1 => real.clone().prop_map(str::to_ascii_uppercase),
        1 => (real, 0..9usize).prop_map(|(name, cut)| name.chars().skip(cut).collect()),
        1 => "(?i:rdkafka)\\.[a-z.]{0,20}",
        1 => ".{0,12}",
    ]
}

fn is_clean(value: &Value) -> bool {
    let clean = |text: &str| {
        !text.contains(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'))
    };
    match value {
        Value::String(text) => clean(text),
        Value::Array(items) => items.iter().all(is_clean),
        Value::Object(fields) => fields.iter().all(|(key, field)| clean(key) && is_clean(field)),
        _ => true,
    }
}

proptest! {
    #[test]
    fn check_never_panics_and_valid_config_is_canonical_and_clean(
        (output, settings) in proptest::sample::select(OutputPlugin::ALL.to_vec())
            .prop_flat_map(|output| (Just(output), btree_map(key(output), value(), 0..5)))
    ) {
        let problems = check(output, None, &settings);
        prop_assert!(problems.iter().all(|problem| !problem.message.chars().any(char::is_control)));
        // An error at a missing property concerns none of the settings that are present.
        if problems.iter().any(|problem| problem.severity() == ProblemSeverity::Error && settings.contains_key(&problem.key)) {
            return Ok(());
        }

        let rendered = config(&ConfigInput {
            timezone_offset_hours: 8,
            output,
            settings: &settings,
            logs_dir: "/app/logs",
            state_dir: "/state",
            grace_seconds: 20,
            http_listen: "0.0.0.0",
            http_port: 2020,
            extra_fields: &std::collections::BTreeSet::new(),
        });

        prop_assert!(Canonical::of(&rendered).is_ok(), "{}", rendered);
        // The filters depend on no setting, and one is a script of several lines.
        prop_assert!(is_clean(&rendered["pipeline"]["outputs"]), "{}", rendered);
        let written = rendered["pipeline"]["outputs"][0].as_object().unwrap();
        for key in settings.keys() {
            let is_written = written.keys().any(|name| name.eq_ignore_ascii_case(key));
            prop_assert!(is_written, "{} is lost", key);
        }
    }
}
