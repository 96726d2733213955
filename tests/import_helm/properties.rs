//! Random and damaged values: never a panic, always TOML. `PROPTEST_CASES` sets their number.

use proptest::prelude::*;
use relay_bundle::helm::values::{ImportOptions, import};
use relay_bundle::profile::schema;

use super::examples::README;
use super::{errors, load, release};

/// Any values: the chart's keys and others, with every type in every place.
fn any_values() -> impl Strategy<Value = serde_json::Value> {
    let keys = prop_oneof![
        4 => prop::sample::select(schema::key_paths().to_vec()).prop_map(|path| {
            path.rsplit('.').next().unwrap_or_default().trim_end_matches("[]").to_owned()
        }),
        1 => prop::sample::select(vec!["global", "existingSecret", "nameOverride", "imagePullPolicy", "kubernetes.io/ingress.class", "name", "value", "valueFrom", "secretKeyRef"]).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        prop::num::f64::NORMAL.prop_map(Into::into),
        (-3_i64..100).prop_map(Into::into),
        any::<String>().prop_map(Into::into),
        prop::sample::select(vec![
            "",
            "true",
            "3",
            "1e3",
            "loki",
            "s3",
            "forward",
            "pvc",
            "nginx",
            "2.2.0",
            "TRUST_PROXY",
            "NODE_OPTIONS",
            "REDIS_PASSWORD",
            "1.5",
            "250m",
            "x@y"
        ])
        .prop_map(Into::into),
    ];
    let tree = leaf.prop_recursive(6, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            prop::collection::btree_map(keys.clone(), inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    });
    // The keys of the rules occur more often than by chance.
    let placed = prop::collection::vec(
        (prop::sample::select(schema::key_paths().to_vec()), tree.clone()),
        0..6,
    );
    (tree, placed).prop_map(|(tree, placed)| {
        let mut root = match tree {
            serde_json::Value::Object(map) => serde_json::Value::Object(map),
            _ => serde_json::json!({}),
        };
        for (path, value) in placed {
            put(&mut root, path.split('.'), value);
        }
        root
    })
}

/// Puts a value at a path; `key[]` is the first item of a list.
fn put<'a>(
    place: &mut serde_json::Value,
    mut keys: impl Iterator<Item = &'a str>,
    value: serde_json::Value,
) {
    let Some(key) = keys.next() else {
        *place = value;
        return;
    };
    if !place.is_object() {
        *place = serde_json::json!({});
    }
    let slot = &mut place[key.trim_end_matches("[]")];
    if key.ends_with("[]") {
        let mut item = serde_json::Value::Null;
        put(&mut item, keys, value);
        *slot = serde_json::json!([item]);
    } else {
        put(slot, keys, value);
    }
}

fn any_options() -> impl Strategy<Value = ImportOptions> {
    (
        any::<bool>(),
        prop::sample::select(vec!["prod", "claude-relay", "claude-relay-redis", "redis"]),
    )
        .prop_map(|(keep_literals, name)| ImportOptions { keep_literals, ..release(name) })
}

proptest! {
    #[test]
    fn any_values_become_toml_that_can_be_loaded_and_judged(values in any_values(), options in any_options()) {
        let text = values.to_string();
        if let Ok(imported) = import(text.as_bytes(), &options) {
            prop_assert!(imported.toml.parse::<toml::Table>().is_ok(), "{}", imported.toml);
            // Only values may be wrong: every key is at its place and every type is right.
            let wrong: Vec<String> = errors(&load(&imported.toml)).into_iter().filter(|error| error.starts_with("RB0001") || error.starts_with("RB0002") || error.starts_with("RB0003")).collect();
            prop_assert!(wrong.is_empty(), "{wrong:?}\n{}", imported.toml);
        }
    }

    #[test]
    fn any_text_is_imported_or_refused(text in ".{0,300}", options in any_options()) {
        if let Ok(imported) = import(text.as_bytes(), &options) {
            prop_assert!(imported.toml.parse::<toml::Table>().is_ok());
        }
    }

    #[test]
    fn any_bytes_are_imported_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(imported) = import(&bytes, &ImportOptions::default()) {
            prop_assert!(imported.toml.parse::<toml::Table>().is_ok());
        }
    }

    #[test]
    fn damaged_example_is_imported_or_refused(
        example in 0..README.len(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![
            any::<char>(),
            prop::sample::select(":-{}[],&*#?|>'\"!%@` \n\t~".chars().collect::<Vec<_>>()),
        ]), 0..8),
    ) {
        let mut letters: Vec<char> = README[example].1.chars().collect();
        for (place, letter) in damage {
            let at = place.index(letters.len());
            letters[at] = letter;
        }
        let text: String = letters.into_iter().collect();
        if let Ok(imported) = import(text.as_bytes(), &release("prod")) {
            prop_assert!(imported.toml.parse::<toml::Table>().is_ok(), "{}", imported.toml);
        }
    }
}
