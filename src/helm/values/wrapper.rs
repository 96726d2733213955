//! Finds the values of the relay's chart in what wraps them: an umbrella chart's values, or an
//! object that installs the chart.

use super::value::{Map, YamlValue};
use super::yaml::{self, ImportError, Values};
use crate::profile::node::Path;
use crate::profile::schema;

/// The names under which an umbrella chart has the relay's chart, unless it gives an alias.
const CHARTS: [&str; 2] = ["claude-relay", "claude-relay-service"];

/// Keys by which the values of the relay's chart are told from those of other charts.
const OWN_KEYS: [&str; 3] = ["config", "externalRedis", "storage"];

/// The objects that install a chart, and the places of its values in them.
const INSTALLERS: [(&str, &[&str]); 3] = [
    ("HelmRelease", &["spec.values"]),
    ("Application", &["spec.source.helm.valuesObject", "spec.source.helm.values"]),
    ("Release", &["spec.forProvider.values"]),
];

/// The values of the relay's chart.
pub(super) struct Unwrapped {
    pub(super) values: Values,
    /// The place of the values, if something wraps them.
    pub(super) place: Option<String>,
    /// The number of keys beside them.
    pub(super) others: usize,
}

/// Returns the values of the relay's chart.
///
/// # Errors
///
/// Returns an error if the text is an object without the values of a chart, or if they may be at
/// several places.
pub(super) fn unwrap(values: Values) -> Result<Unwrapped, ImportError> {
    let text = |key: &str| values.map.text(key);
    if let (Some(_), Some(kind)) = (text("apiVersion"), text("kind")) {
        let kind = kind.to_owned();
        return of_object(&values, &kind);
    }
    match chart_key(&values.map)? {
        Some(key) => Ok(of_umbrella(values, key)),
        None => Ok(Unwrapped { values, place: None, others: 0 }),
    }
}

fn of_object(values: &Values, kind: &str) -> Result<Unwrapped, ImportError> {
    let known = INSTALLERS.iter().find(|(known, _)| *known == kind);
    let places = known.map(|(_, places)| *places).unwrap_or_default();
    let found = places.iter().find_map(|place| Some((*place, values.map.get(place)?)));
    let Some((place, value)) = found else {
        return Err(ImportError::Object { kind: kind.to_owned(), places });
    };
    let values = match value {
        YamlValue::Map(map) => {
            let octals = below(&values.octals, &Path::of(place));
            Values { map: map.clone(), octals }
        }
        YamlValue::Text(text) => yaml::parse(text.as_bytes())?,
        other => return Err(ImportError::NotValues { found: other.type_name() }),
    };
    Ok(Unwrapped { values, place: Some(place.to_owned()), others: 0 })
}

/// Returns the key with the values of the relay's chart, if they are the values of an umbrella
/// chart.
fn chart_key(map: &Map) -> Result<Option<String>, ImportError> {
    let named = map
        .0
        .iter()
        .find(|(key, value)| CHARTS.contains(&key.as_str()) && matches!(value, YamlValue::Map(_)));
    if let Some((key, _)) = named {
        return Ok(Some(key.clone()));
    }
    if map.0.iter().any(|(key, _)| is_chart_key(key)) {
        return Ok(None);
    }
    // Other charts have an image, resources and a Service, too.
    let is_chart = |map: &Map| map.0.iter().any(|(key, _)| OWN_KEYS.contains(&key.as_str()));
    let mut keys = map.0.iter().filter(|(_, value)| value.as_map().is_some_and(is_chart));
    match (keys.next(), keys.next()) {
        (Some((key, _)), None) => Ok(Some(key.clone())),
        (Some(_), Some(_)) => Err(ImportError::SeveralCharts),
        (None, _) => Ok(None),
    }
}

fn is_chart_key(key: &str) -> bool {
    schema::schema()["properties"].get(key).is_some()
}

fn of_umbrella(mut values: Values, key: String) -> Unwrapped {
    let octals = below(&values.octals, &Path::default().key(key.as_str()));
    // Helm hands the globals of an umbrella chart to its subcharts.
    let global = values.map.remove("global");
    let Some(YamlValue::Map(mut map)) = values.map.remove(&key) else {
        return Unwrapped { values, place: None, others: 0 };
    };
    if let (Some(global), None) = (global, map.get("global")) {
        map.set("global", global);
    }
    let others = values.map.0.len();
    Unwrapped { values: Values { map, octals }, place: Some(key), others }
}

/// Returns the paths below `place`, relative to it.
fn below(paths: &[Path], place: &Path) -> Vec<Path> {
    let inside = paths.iter().filter(|path| path.starts_with(place));
    inside.map(|path| Path(path.0[place.0.len()..].to_vec())).collect()
}
