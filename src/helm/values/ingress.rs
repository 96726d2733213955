//! Ingress: names the class once, and converts hosts and their paths.

use super::import::Import;
use super::value::{Map, YamlValue};

/// The annotation that named the class before the field existed.
const CLASS: &str = "kubernetes.io/ingress.class";

pub(super) fn apply(import: &mut Import<'_>) {
    class(import);
    hosts(import);
    certificates(import);
}

fn class(import: &mut Import<'_>) {
    let Some(annotations) = import.values.map_mut("ingress.annotations") else { return };
    let Some(at) = annotations.0.iter().position(|(key, _)| key == CLASS) else { return };
    let (_, value) = annotations.0.remove(at);
    let key = format!("ingress.annotations.{CLASS:?}");
    let class = value.scalar_text().unwrap_or_default();
    match import.values.text("ingress.className") {
        None => {
            import.values.set("ingress.className", YamlValue::Text(class));
            import.note(key, "is now `ingress.className`", "the class is set once, by the field");
        }
        Some(field) if field == class => {
            import.note(key, "dropped", "`ingress.className` has the same value");
        }
        Some(_) => {
            import.note(
                key,
                "dropped",
                "`ingress.className` sets another class, and the class can only be set once",
            );
        }
    }
}

fn hosts(import: &mut Import<'_>) {
    let Some(YamlValue::List(hosts)) = import.values.get_mut("ingress.hosts") else { return };
    let mut found = Vec::new();
    for (index, host) in hosts.iter_mut().enumerate() {
        match host {
            YamlValue::Map(map) if map.get("host").is_none() => {
                // An empty host matches every host, in an Ingress and in a profile.
                map.0.insert(0, ("host".into(), YamlValue::Text(String::new())));
                found.push((
                    format!("ingress.hosts[{index}].host"),
                    "added",
                    "an entry without a host applies to every host",
                ));
            }
            YamlValue::Map(map) if map.get("paths").is_none_or(YamlValue::is_empty) => {
                found.push((
                    format!("ingress.hosts[{index}].paths"),
                    "not set",
                    "the chart left a host without paths unreachable; here it gets `/`",
                ));
            }
            YamlValue::Text(name) => {
                let name = YamlValue::Text(std::mem::take(name));
                *host = YamlValue::Map(Map::of([("host", name)]));
                found.push((
                    format!("ingress.hosts[{index}]"),
                    "changed to a table",
                    "a host is a table with its name in `host`, and gets `/`",
                ));
            }
            _ => {}
        }
    }

    for (key, what, why) in found {
        import.note(key, what, why);
    }
}

fn certificates(import: &mut Import<'_>) {
    let Some(YamlValue::List(entries)) = import.values.get_mut("ingress.tls") else { return };
    let mut found = Vec::new();
    for (index, entry) in entries.iter_mut().enumerate() {
        let YamlValue::Map(map) = entry else { continue };
        if map.get("secretName").is_some_and(YamlValue::is_empty) {
            map.remove("secretName");
            found.push(format!("ingress.tls[{index}].secretName"));
        }
    }
    for key in found {
        import.note(key, "dropped", "it is empty: the controller's own certificate applies");
    }
}
