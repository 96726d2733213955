//! Rules for the chart's keys whose meaning a profile expresses differently.

use super::import::Import;
use super::notes::VALUES;
use super::value::{Map, YamlValue};
use super::{ingress, output, relay, secrets};
use crate::model::credential::resembles_secret;
use crate::profile::key_names;
use crate::profile::node::{Path, Segment};
use crate::profile::resolve::names_registry;
use crate::profile::secrets::is_secret_path;

/// Applies all rules. The order matters only where a comment says so.
pub(super) fn apply(import: &mut Import<'_>) {
    let mut values = std::mem::take(&mut import.values);
    drop_nulls(&mut values, &Path::default(), import);
    import.values = values;
    foreign(import);
    globals(import);
    pull_secrets(import);
    images(import);
    // Variables override `config`, so they come before the rules that read it.
    relay::environment(import);
    relay::config(import);
    // The PVC and the secrets depend on the subchart's keys, which these rules remove.
    secrets::apply(import);
    redis(import);
    external_redis(import);
    ingress::apply(import);
    service_monitor(import);
    autoscaling(import);
    storage(import);
    output::apply(import);
    limits(import);
}

fn drop_nulls(map: &mut Map, path: &Path, import: &mut Import<'_>) {
    map.0.retain_mut(|(key, value)| keep(value, &path.key(key.as_str()), import));
}

fn keep(value: &mut YamlValue, path: &Path, import: &mut Import<'_>) -> bool {
    match value {
        YamlValue::Null => {
            let (key, what) = name_of_null(path);
            import.note(
                key,
                what,
                "null removes a default of the chart, which a profile cannot do: our default \
                 applies",
            );
            return false;
        }
        // In a secret, `{abc}` is a password without its quotes: a map whose key must not be
        // repeated.
        YamlValue::Map(_) if may_hold_secret(path) => {}
        YamlValue::Map(map) => drop_nulls(map, path, import),
        YamlValue::List(items) => {
            let mut index = 0;
            items.retain_mut(|item| {
                index += 1;
                keep(item, &path.index(index - 1), import)
            });
        }
        _ => {}
    }
    true
}

/// Returns the name to show for a key without a value, and the change. An unknown key may be a
/// value, as in `{abc}`, so its parent is named instead.
fn name_of_null(path: &Path) -> (String, &'static str) {
    match path.split_last() {
        Some((parent, Segment::Key(key))) if !key_names::is_key_name(key) => {
            let place = if parent.0.is_empty() { VALUES.to_owned() } else { parent.to_string() };
            (place, "a key without a value dropped")
        }
        _ => (path.to_string(), "dropped"),
    }
}

fn may_hold_secret(path: &Path) -> bool {
    let last = path.0.last().and_then(Segment::as_key);
    is_secret_path(path)
        || last.is_some_and(|key| {
            key == "value" || resembles_secret(key) && !key_names::is_key_name(key)
        })
}

/// Drops keys that a profile has and the chart does not.
fn foreign(import: &mut Import<'_>) {
    for key in ["schema", "extends", "release", "kubernetes"] {
        import.drop_key(key, "it is not a key of the chart; use the options of `import helm`");
    }
}

fn globals(import: &mut Import<'_>) {
    import.rename(
        "global.imageRegistry",
        "redis.image.registry",
        "the chart used it for Redis only; `images.registry` would apply to all images",
    );
    import.rename(
        "global.imagePullSecrets",
        "imagePullSecrets",
        "a profile has one list for all pods; the chart used this one for Redis only",
    );
    import.rename(
        "global.storageClass",
        "redis.persistence.storageClass",
        "the chart used it for Redis only",
    );
    let Some(YamlValue::Map(rest)) = import.values.remove("global") else { return };
    for (key, _) in rest.0 {
        let path = Path::default().key("global").key(key);
        import.note(path.to_string(), "dropped", "a profile has no subcharts");
    }
}

/// Turns names into references, as `imagePullSecrets` of many charts allows.
fn pull_secrets(import: &mut Import<'_>) {
    let Some(YamlValue::List(secrets)) = import.values.get_mut("imagePullSecrets") else { return };
    let mut named = Vec::new();
    for (index, secret) in secrets.iter_mut().enumerate() {
        if let YamlValue::Text(name) = secret {
            let name = YamlValue::Text(std::mem::take(name));
            *secret = YamlValue::Map(Map::of([("name", name)]));
            named.push(format!("imagePullSecrets[{index}]"));
        }
    }
    for key in named {
        import.note(key, "changed to a table", "a Secret is a table with its name in `name`");
    }
}

fn images(import: &mut Import<'_>) {
    for image in ["image", "redis.image", "storage.logs.fluentbit.image"] {
        name_registry(import, image);
    }

    import.rename(
        "redis.image.imagePullPolicy",
        "redis.image.pullPolicy",
        "a profile has one name for it",
    );
    for image in ["image", "redis.image", "storage.logs.fluentbit.image"] {
        let tag = format!("{image}.tag");
        let Some((name, digest)) = import.values.text(&tag).and_then(|tag| tag.split_once('@'))
        else {
            continue;
        };
        let (name, digest) = (name.to_owned(), digest.to_owned());
        import.values.set(&tag, YamlValue::Text(name));
        import.values.set(&format!("{image}.digest"), YamlValue::Text(digest));
        import.note(tag, "split", format!("the digest has a key of its own, `{image}.digest`"));
    }

    if import.values.get("image.tag").is_none_or(YamlValue::is_empty) {
        import.note(
            "image.tag",
            "not set",
            "the chart used its appVersion, a profile uses `release.appVersion`: set that to the \
             running version, or upgrade with this profile",
        );
    }
}

/// Adds `docker.io` to images without a registry. The chart left the choice to the nodes, but CRI-O
/// refuses such images.
fn name_registry(import: &mut Import<'_>, image: &str) {
    let key = format!("{image}.repository");
    let has_registry =
        import.values.text(&format!("{image}.registry")).is_some_and(|text| !text.is_empty());
    let Some(repository) =
        import.values.text(&key).filter(|text| !has_registry && !names_registry(text))
    else {
        return;
    };
    let full = format!("docker.io/{repository}");
    import.note(
        &key,
        format!("is now `{full}`"),
        "nodes with CRI-O refuse an image without a registry",
    );
    import.values.set(&key, YamlValue::Text(full));
}

/// Notes the limits of a profile that the chart did not set, or set lower: two large requests could
/// end its relay.
fn limits(import: &mut Import<'_>) {
    let limit = "resources.limits.memory";
    if import.values.get(limit).is_none() {
        let why = "the chart's limit was 512Mi, ours is 1Gi: two large requests, even without a \
                   valid key, could kill the relay; raise a full ResourceQuota";
        import.note(limit, "not set", why);
    }
    let size = "config.requestMaxSizeMb";
    if import.values.get(size).is_none() {
        let why = "the chart's relay accepted bodies of 60 MiB, ours accepts 32 MiB; if clients \
                   send larger ones, raise it together with the memory";
        import.note(size, "not set", why);
    }
}

fn redis(import: &mut Import<'_>) {
    for key in ["redis.nameOverride", "redis.fullnameOverride"] {
        import.drop_key(
            key,
            "Redis is named after the release; the PVC with its data keeps its name",
        );
    }
    if !import.values.is_on("redis.enabled", true) {
        return;
    }
    let persistent = import.values.is_on("redis.persistence.enabled", true);
    let claim = "redis.persistence.existingClaim";
    if persistent && import.values.get(claim).is_none_or(YamlValue::is_empty) {
        let name = format!("data-{}-0", import.chart.redis);
        import.values.set(claim, YamlValue::Text(name.clone()));
        import.note(
            claim,
            "added",
            format!(
                "`{name}` is the PVC of the chart's Redis, with every account and key; remove the \
                 line for an installation that starts empty"
            ),
        );
    }
}

/// Converts a map to a switch. Other charts have a map here, and users write it for this one, too.
fn external_redis(import: &mut Import<'_>) {
    let tls = "externalRedis.tls";
    let Some(map) = import.values.get(tls).and_then(YamlValue::as_map) else { return };
    let is_on = map.is_on("enabled", false);
    let others: Vec<String> =
        map.0.iter().map(|(key, _)| key.clone()).filter(|key| key != "enabled").collect();
    import.values.set(tls, YamlValue::Bool(is_on));
    import.note(
        tls,
        format!("changed to `{is_on}`"),
        "the key is a boolean, but the value is a map",
    );
    for key in others.iter().filter(|key| key_names::is_key_name(key)) {
        let path = Path::of(tls).key(key.as_str());
        import.note(path.to_string(), "dropped", "`externalRedis.tls` is a boolean");
    }
}

fn service_monitor(import: &mut Import<'_>) {
    let path = import.values.text("serviceMonitor.path").unwrap_or_default();
    if path.trim_end_matches('/').eq_ignore_ascii_case("/prometheus") {
        import.drop_key(
            "serviceMonitor.path",
            "the relay answers 404 there; the exporter reads `/metrics`, which is JSON, and translates it",
        );
    }
    if import.values.get("serviceMonitor.port").is_some_and(|port| port.as_text() != Some("http")) {
        import.drop_key(
            "serviceMonitor.port",
            "the chart ignored it, and the relay's only port is named `http`",
        );
    }
    if import.values.text("serviceMonitor.namespace").is_some() {
        import.note(
            "serviceMonitor.namespace",
            "kept",
            "the chart ignored it; now it takes effect",
        );
    }
}

/// The chart's default, which differs from ours.
const CHART_MAX_REPLICAS: i64 = 100;

fn autoscaling(import: &mut Import<'_>) {
    let max = "autoscaling.maxReplicas";
    if import.values.is_on("autoscaling.enabled", false) && import.values.get(max).is_none() {
        import.values.set(max, YamlValue::Integer(CHART_MAX_REPLICAS));
        import.note(
            max,
            "added",
            "the chart's default is 100, ours is 10: lower it unless you need 100",
        );
    }
}

fn storage(import: &mut Import<'_>) {
    let kind = "storage.data.type";
    if import.values.get(kind).is_some_and(|kind| kind.as_text() != Some("emptyDir")) {
        import.drop_key(
            kind,
            "the chart used an emptyDir for every type; persistent data is in Redis, and \
             `storage.data.external` adds a separate PVC",
        );
    }
    let mode = "storage.logs.mode";
    if import.values.text(mode) == Some("forward") && output::kind(&import.values) != "forward" {
        import.values.set(mode, YamlValue::Text("fluentbit".into()));
        import.note(
            mode,
            "changed to `fluentbit`",
            "the chart's mode `forward` forwarded nothing; ours does, and needs an output with a host",
        );
    }
}
