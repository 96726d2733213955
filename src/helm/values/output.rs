//! Fluent Bit: selects an image that may run and options that the plugin has, and replaces
//! credentials by references.

use super::import::Import;
use super::secrets;
use super::value::{Map, YamlValue, whole};
use crate::fluent_bit::{OutputPlugin, is_credential, parse_tag};
use crate::model::credential::sounds_secret;
use crate::profile::node::Path;

const IMAGE_TAG: &str = "storage.logs.fluentbit.image.tag";
const KIND: &str = "storage.logs.fluentbit.output.type";
const CONFIG: &str = "storage.logs.fluentbit.output.config";

/// Options of Grafana's own Loki plugin, which differs from the one in the image.
const GRAFANA_RENAMED: [(&str, &str); 8] = [
    ("lineformat", "line_format"),
    ("tenantid", "tenant_id"),
    ("removekeys", "remove_keys"),
    ("labelkeys", "label_keys"),
    ("labelmappath", "label_map_path"),
    ("autokuberneteslabels", "auto_kubernetes_labels"),
    ("dropsinglekey", "drop_single_key"),
    ("loglevel", "log_level"),
];
const GRAFANA_ABSENT: [(&str, &str); 4] = [
    ("batchwait", "the plugin sends its records once a second"),
    ("batchsize", "the plugin sends its records once a second"),
    ("url", "the plugin takes `Host`, `Port` and `Uri`"),
    ("maxretries", "retries are `Retry_Limit`"),
];

/// Properties that the bundle sets itself, because the sidecar has one route.
const ROUTING: [&str; 4] = ["name", "match", "match_regex", "store_dir"];

/// Returns the type of the output in lower case; `stdout` by default.
pub(super) fn kind(values: &Map) -> String {
    values.text(KIND).unwrap_or("stdout").to_ascii_lowercase()
}

pub(super) fn apply(import: &mut Import<'_>) {
    image(import);
    let output = OutputPlugin::parse(&kind(&import.values)).ok();
    if let (Some(output), Some(written)) = (output, import.values.text(KIND))
        && written != output.name()
    {
        import.values.set(KIND, YamlValue::Text(output.name().into()));
        import.note(KIND, format!("changed to `{}`", output.name()), "that is the plugin's name");
    }
    match import.values.take(CONFIG) {
        None => {}
        Some(YamlValue::Map(config)) => {
            let config = properties(import, output, config);
            import.values.set(CONFIG, YamlValue::Map(config));
        }
        Some(other) => {
            let why = format!("the key takes a map, but the value is {}", other.type_name());
            import.values.remove(CONFIG);
            import.note(CONFIG, "dropped", why);
        }
    }
}

fn image(import: &mut Import<'_>) {
    let Some(tag) = import.values.get(IMAGE_TAG).and_then(YamlValue::scalar_text) else { return };
    let Err(too_old) = parse_tag(&tag) else { return };
    import.values.remove(IMAGE_TAG);
    import.values.remove("storage.logs.fluentbit.image.digest");
    let mirror = match import.values.text("storage.logs.fluentbit.image.repository") {
        Some(_) => "; the repository must hold it",
        None => "",
    };
    import.note(IMAGE_TAG, "dropped", format!("{too_old}; replaced by the default{mirror}"));
}

fn properties(import: &mut Import<'_>, output: Option<OutputPlugin>, config: Map) -> Map {
    let mut kept = Map::default();
    for (key, value) in config.0 {
        let path = Path::of(CONFIG).key(key.as_str()).to_string();
        let Some(key) = own_name(import, output, &path, key) else { continue };
        if kept.0.iter().any(|(known, _)| known.eq_ignore_ascii_case(&key)) {
            import.note(path, "dropped", "the property occurs twice: names are not case-sensitive");
            continue;
        }
        let Some(value) = scalar_or_list(import, &path, value) else { continue };
        let value = conceal(import, output, &path, &key, value);
        kept.0.push((key, value));
    }
    kept
}

/// Returns the name of a property; `None` if the bundle sets it, or the plugin lacks it.
fn own_name(
    import: &mut Import<'_>,
    output: Option<OutputPlugin>,
    path: &str,
    key: String,
) -> Option<String> {
    let lower = key.to_ascii_lowercase();
    if ROUTING.contains(&lower.as_str()) {
        import.note(
            path,
            "dropped",
            "the bundle sets it: the sidecar has one route and one writable volume",
        );
        return None;
    }
    if output != Some(OutputPlugin::Loki) || OutputPlugin::Loki.property(&lower).is_some() {
        return Some(key);
    }
    let other = "it is an option of Grafana's plugin for Loki, not of the plugin in the image, \
                 which would not start";
    if let Some((_, name)) = GRAFANA_RENAMED.iter().find(|(old, _)| *old == lower) {
        import.note(path, format!("is now `{name}`"), other);
        return Some((*name).to_owned());
    }
    if let Some((_, instead)) = GRAFANA_ABSENT.iter().find(|(old, _)| *old == lower) {
        import.note(path, "dropped", format!("{other}; {instead}"));
        return None;
    }
    Some(key)
}

/// Returns a value in a form that a property takes.
fn scalar_or_list(import: &mut Import<'_>, path: &str, value: YamlValue) -> Option<YamlValue> {
    match value {
        YamlValue::Float(number) => Some(from_float(import, path, number)),
        YamlValue::List(items) => {
            let texts: Vec<YamlValue> =
                items.iter().filter_map(YamlValue::scalar_text).map(YamlValue::Text).collect();
            if texts.len() < items.len() {
                import.note(path, "changed", "only scalars stay in the list");
            }
            Some(YamlValue::List(texts))
        }
        YamlValue::Map(_) | YamlValue::Null => {
            import.note(path, "dropped", "a property is a scalar or a list of them");
            None
        }
        scalar => Some(scalar),
    }
}

fn from_float(import: &mut Import<'_>, path: &str, number: f64) -> YamlValue {
    if let Some(integer) = whole(number) {
        import.note(path, "written as an integer", "Helm shows large integers as floats");
        return YamlValue::Integer(integer);
    }
    import.note(path, "changed to a string", "properties have no fractions");
    YamlValue::Text(number.to_string())
}

/// Replaces credentials by references.
fn conceal(
    import: &mut Import<'_>,
    output: Option<OutputPlugin>,
    path: &str,
    key: &str,
    value: YamlValue,
) -> YamlValue {
    let YamlValue::List(items) = value else {
        return if holds_credential(output, key, &value) {
            refer(import, path, key, None, &value)
        } else {
            value
        };
    };
    let conceal_one = |(index, item): (usize, YamlValue)| {
        if !holds_credential(output, key, &item) {
            return item;
        }
        refer(import, &format!("{path}[{index}]"), key, Some(index), &item)
    };
    YamlValue::List(items.into_iter().enumerate().map(conceal_one).collect())
}

fn refer(
    import: &mut Import<'_>,
    path: &str,
    key: &str,
    index: Option<usize>,
    value: &YamlValue,
) -> YamlValue {
    if import.options.keep_literals {
        import.note(path, "kept", secrets::KEPT);
        return YamlValue::Text(value.scalar_text().unwrap_or_default());
    }
    let secret = format!("{}-fluent-bit", import.chart.full);
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let place = index.map(|index| format!("-{index}")).unwrap_or_default();
    let data_key: String = key.chars().map(plain).chain(place.chars()).collect();
    import.note(
        path,
        "is now a reference",
        format!(
            "the chart kept it in a ConfigMap, in clear text: create the Secret `{secret}` with \
             the key `{data_key}` before the first apply"
        ),
    );
    secrets::existing(&secret, &data_key)
}

/// Returns whether a property holds a credential. If the plugin does not know the property, its
/// name decides.
fn holds_credential(output: Option<OutputPlugin>, key: &str, value: &YamlValue) -> bool {
    let Some(text) = value.scalar_text().filter(|text| !text.is_empty()) else { return false };
    match output {
        Some(output) if is_known(output, key) => is_credential(output, key, &text),
        _ => matches!(value, YamlValue::Text(_)) && sounds_secret(key),
    }
}

fn is_known(output: OutputPlugin, key: &str) -> bool {
    let is_rdkafka = key.get(..8).is_some_and(|prefix| prefix.eq_ignore_ascii_case("rdkafka."));
    output.property(key).is_some() || output == OutputPlugin::Kafka && is_rdkafka
}
