//! Literal secrets: they stay in the chart's Secret, and the profile refers to it.

use super::import::Import;
use super::value::{Map, YamlValue};
use crate::model::text::{DataKey, ObjectName};

/// The condition under which a literal secret may stay.
pub(super) const KEPT: &str =
    "a literal secret is only allowed where `release.environment` is `dev`";

pub(super) fn apply(import: &mut Import<'_>) {
    own_keys(import);
    admin(import);
    internal_redis(import);
    external_redis(import);
}

/// Returns the form that refers to a key of an existing Secret.
pub(super) fn existing(name: &str, key: &str) -> YamlValue {
    let reference =
        Map::of([("name", YamlValue::Text(name.into())), ("key", YamlValue::Text(key.into()))]);
    YamlValue::Map(Map::of([("existing", YamlValue::Map(reference))]))
}

/// Returns whether `path` already has a reference, from a variable of `extraEnv`.
fn has_reference(import: &mut Import<'_>, path: &str) -> bool {
    let reference = import.values.get(path).and_then(YamlValue::as_map).and_then(|form| {
        let name = form.text("existing.name").filter(|name| name.parse::<ObjectName>().is_ok())?;
        let key = form.text("existing.key").filter(|key| key.parse::<DataKey>().is_ok())?;
        Some(existing(name, key))
    });
    let found = reference.is_some();
    if let Some(reference) = reference {
        import.values.set(path, reference);
    }
    found
}

/// Returns whether the values hold a secret at `path`; drops empty values, and values of the wrong
/// type.
fn has_literal(import: &mut Import<'_>, path: &str) -> bool {
    let Some(value) = import.values.get(path) else { return false };
    if value.is_empty() {
        import.values.remove(path);
        import.note(path, "dropped", "it is empty, which the chart treats as not set");
        return false;
    }
    let is_scalar = value.scalar_text().is_some();
    let found = value.type_name();
    if !is_scalar {
        import.values.remove(path);
        import.note(path, "dropped", format!("a secret is a string, but the value is {found}"));
    }
    is_scalar
}

/// Replaces a literal by a reference to the chart's Secret, or keeps it as a string.
fn refer(import: &mut Import<'_>, path: &str, key: &str) {
    if import.options.keep_literals {
        let text = import.values.get(path).and_then(YamlValue::scalar_text).unwrap_or_default();
        import.values.set(path, YamlValue::Text(text));
        import.note(path, "kept", KEPT);
        return;
    }
    let secret = import.chart.secret();
    import.values.set(path, existing(&secret, key));
    import.note(
        path,
        "is now a reference",
        format!(
            "the chart keeps it in the Secret `{secret}` under `{key}`; a profile holds no secret"
        ),
    );
}

/// Converts the two secrets that the chart generates if they are not given.
fn own_keys(import: &mut Import<'_>) {
    let keys = [
        (
            "config.encryptionKey",
            "encryption-key",
            "with a different key, every account and API key would be lost",
        ),
        ("config.jwtSecret", "jwt-secret", "the deployment keeps the same value"),
    ];

    for (path, key, reason) in keys {
        if has_reference(import, path) {
            continue;
        }
        if has_literal(import, path) {
            refer(import, path, key);
            continue;
        }
        let secret = import.chart.secret();
        import.values.set(path, existing(&secret, key));
        import.note(
            path,
            "added",
            format!(
                "the chart generated it into the Secret `{secret}` under `{key}`: {reason}; remove \
                 the line only for an installation that starts empty"
            ),
        );
    }
}

fn admin(import: &mut Import<'_>) {
    let (name, password) = ("config.adminUsername", "config.adminPassword");
    if import.values.get(name).is_some_and(YamlValue::is_empty) {
        import.drop_key(name, "it is empty: the administrator is named `admin`");
    }
    let is_given = has_reference(import, password);
    if is_given || has_literal(import, password) {
        if !is_given {
            refer(import, password, "admin-password");
        }
        if import.values.get(name).is_none() {
            import.note(
                name,
                "not set",
                "the chart generated a name at each start; now it is `admin`",
            );
        }
    } else {
        import.note(
            password,
            "not set",
            "the chart generated an administrator at each start; now the password is generated \
             once, at the first apply",
        );
    }
}

fn internal_redis(import: &mut Import<'_>) {
    let path = "redis.auth.password";
    let named = import.values.remove("redis.auth.existingSecret");
    let key = import.values.remove("redis.auth.existingSecretPasswordKey");
    if !import.values.is_on("redis.enabled", true)
        || !import.values.is_on("redis.auth.enabled", false)
    {
        if import.values.remove(path).is_some() {
            import.note(
                path,
                "dropped",
                "nothing uses it: `redis.enabled` or `redis.auth.enabled` is false",
            );
        }
        if named.is_some() || key.is_some() {
            import.note("redis.auth.existingSecret", "dropped", "nothing uses it");
        }
        return;
    }

    let named = named.as_ref().and_then(YamlValue::as_text).filter(|name| !name.is_empty());
    if let Some(name) = named {
        let key = key.as_ref().and_then(YamlValue::as_text).filter(|key| !key.is_empty());
        import.values.set(path, existing(name, key.unwrap_or("redis-password")));
        import.note(
            "redis.auth.existingSecret",
            format!("is now `{path}`"),
            "a secret and its reference are one value",
        );
    } else if has_literal(import, path) {
        refer(import, path, "redis-password");
    } else {
        import.note(
            path,
            "not set",
            "the chart set no password for the relay; now one is generated for both sides, at the \
             first apply",
        );
    }
}

fn external_redis(import: &mut Import<'_>) {
    let path = "externalRedis.password";
    if import.values.is_on("redis.enabled", true) {
        let is_given = import.values.get(path).is_some();
        let empty = import.values.get(path).is_some_and(YamlValue::is_empty);
        import.values.remove(path);
        if is_given && !empty {
            import.note(path, "dropped", "nothing uses it: `redis.enabled` is true");
        }
    } else if !has_reference(import, path) && has_literal(import, path) {
        refer(import, path, "redis-password");
    }
}
