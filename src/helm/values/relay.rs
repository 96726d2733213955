//! Converts `config`, and the environment variables without a key in the chart.

use super::import::Import;
use super::secrets;
use super::value::{Map, YamlValue};
use crate::profile::env_credential::EnvCredential;
use crate::profile::removed::PROXY_WHY;
use crate::profile::reserved::{POD_NAME, is_proxy};
use crate::profile::variables::{SECRET_VARIABLES, keys_of};

pub(super) fn config(import: &mut Import<'_>) {
    import.drop_key(
        "config.rateLimitCleanupInterval",
        "the relay does not read this variable; it cleans up every 5 minutes",
    );
    let offset = "config.timezoneOffset";
    let zero = import
        .values
        .get(offset)
        .and_then(YamlValue::scalar_text)
        .is_some_and(|text| text.trim() == "0");
    if zero {
        import.drop_key(
            offset,
            "the relay turns 0 into 8, which is the default: quotas and log times stay unchanged",
        );
    }
    let prefix = "config.apiKeyPrefix";
    if import.values.get(prefix).is_some_and(YamlValue::is_empty) {
        import.drop_key(prefix, "the relay turns an empty prefix into `cr_`, which is the default");
    }
}

/// Tidies `extraEnv`: moves variables to the keys of a profile, and removes duplicates.
pub(super) fn environment(import: &mut Import<'_>) {
    let Some(YamlValue::List(variables)) = import.values.get_mut("extraEnv") else { return };
    let variables = std::mem::take(variables);
    let mut kept: Vec<YamlValue> = Vec::new();
    for (index, variable) in variables.into_iter().enumerate() {
        let path = format!("extraEnv[{index}]");
        let Some(name) = name_of(&variable).map(str::to_owned) else {
            kept.push(variable);
            continue;
        };
        let Some(variable) = into_key(import, &path, &name, variable) else { continue };
        let before = kept.len();
        kept.retain(|earlier| name_of(earlier) != Some(&name));
        if kept.len() < before {
            import.note(
                path.as_str(),
                "kept alone",
                format!("`{}` occurs twice, and the last one applies", name.escape_debug()),
            );
        }
        let variable = hide(import, &path, &name, variable);
        kept.push(variable);
    }

    if kept.is_empty() {
        import.values.remove("extraEnv");
    } else {
        import.values.set("extraEnv", YamlValue::List(kept));
    }
}

fn name_of(variable: &YamlValue) -> Option<&str> {
    variable.as_map()?.text("name")
}

/// Moves a variable to the equivalent key; returns the variable if no key matches.
fn into_key(
    import: &mut Import<'_>,
    path: &str,
    name: &str,
    variable: YamlValue,
) -> Option<YamlValue> {
    if name == "RATE_LIMIT_CLEANUP_INTERVAL" {
        import.note(path, "dropped", "the relay does not read this variable");
        return None;
    }
    if name == POD_NAME {
        import.note(
            path,
            "dropped",
            "the bundle reserves this name, and the relay does not read this variable",
        );
        return None;
    }
    if is_proxy(name) {
        import.note(
            path,
            "dropped",
            format!("{PROXY_WHY}: configure the proxy in each account of the relay"),
        );
        return None;
    }

    let external = !import.values.is_on("redis.enabled", true);
    let fits =
        |key: &str| !key.starts_with("redis.") && (external || !key.starts_with("externalRedis."));
    let key = keys_of(name).into_iter().find(|key| fits(key));
    let takes_secret =
        key.is_some_and(|key| SECRET_VARIABLES.iter().any(|(known, _)| *known == key));
    let map = variable.as_map()?;
    let value = match (map.get("value"), map.get("valueFrom.secretKeyRef")) {
        (Some(value), _) if name == "NODE_OPTIONS" => heap(value),
        (Some(value), _) => Some(value.clone()),
        (None, Some(YamlValue::Map(reference))) if takes_secret => reference
            .text("name")
            .zip(reference.text("key"))
            .map(|(name, key)| secrets::existing(name, key)),
        _ => None,
    };

    let (Some(key), Some(value)) = (key, value) else { return Some(variable) };
    import.values.set(key, value);
    import.note(path, format!("is now `{key}`"), "a profile has a key for this variable");
    None
}

/// Returns the heap of Node.js in MiB, if it is the only option.
fn heap(options: &YamlValue) -> Option<YamlValue> {
    options.as_text()?.strip_prefix("--max-old-space-size=")?.parse().ok().map(YamlValue::Integer)
}

/// Replaces a credential in clear text by a reference to a Secret that the operator creates.
fn hide(import: &mut Import<'_>, path: &str, name: &str, variable: YamlValue) -> YamlValue {
    let YamlValue::Map(mut map) = variable else { return variable };
    let value = map.get("value").map(scalar).unwrap_or_default();
    if EnvCredential::of(name, &value).is_none() {
        return YamlValue::Map(map);
    }
    if import.options.keep_literals {
        import.note(path, "kept", secrets::KEPT);
        return YamlValue::Map(map);
    }
    let secret = format!("{}-env", import.chart.full);
    let key: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .collect();
    map.remove("value");
    let reference =
        Map::of([("name", YamlValue::Text(secret.clone())), ("key", YamlValue::Text(key.clone()))]);
    map.set("valueFrom.secretKeyRef", YamlValue::Map(reference));
    import.note(
        path,
        "is now a reference",
        format!("a profile holds no secret: create the Secret `{secret}` with the key `{key}` before the first apply"),
    );
    YamlValue::Map(map)
}

/// Returns a value as a container would read it.
fn scalar(value: &YamlValue) -> String {
    match value {
        YamlValue::Text(text) => text.clone(),
        YamlValue::Integer(number) => number.to_string(),
        YamlValue::Float(number) => number.to_string(),
        YamlValue::Bool(flag) => flag.to_string(),
        YamlValue::Null | YamlValue::List(_) | YamlValue::Map(_) => String::new(),
    }
}
