//! The numbered defects of the Helm chart that this program replaces: none can be reproduced. Each
//! case renders correctly, or the profile is refused with a code.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod d01_to_d14;
mod d15_to_d32;
#[path = "../support/rendered.rs"]
mod rendered;

use std::collections::BTreeSet;

use relay_bundle::profile::diagnostic::Severity;
use rendered::{Rendered, load};
use serde_json::Value;

/// Renders a profile, which must be valid.
#[track_caller]
fn render(text: &str) -> Rendered {
    let loaded = load(text, &[]);
    let errors: Vec<String> = loaded
        .diagnostics
        .iter()
        .map(|found| format!("{} {}", found.code, found.message))
        .collect();
    Rendered::of(&loaded.profile.unwrap_or_else(|| panic!("refused: {errors:#?}\n{text}")))
}

fn codes(text: &str, severity: Severity) -> BTreeSet<&'static str> {
    let loaded = load(text, &[]);
    loaded
        .diagnostics
        .iter()
        .filter(|found| found.severity == severity)
        .map(|found| found.code)
        .collect()
}

/// Asserts that a profile is refused with exactly one code.
#[track_caller]
fn refused(text: &str, code: &str) {
    assert_eq!(codes(text, Severity::Error), BTreeSet::from([code]), "{text}");
}

#[track_caller]
fn warned(text: &str, code: &str) {
    assert!(codes(text, Severity::Error).is_empty(), "{text}");
    assert!(codes(text, Severity::Warning).contains(code), "{text}");
}

impl Rendered {
    fn all(&self, kind: &'static str) -> impl Iterator<Item = &Value> {
        self.set
            .iter()
            .filter(move |manifest| manifest.key.kind == kind)
            .map(|manifest| &manifest.object)
    }

    fn names(&self, kind: &'static str) -> Vec<&str> {
        self.all(kind).map(|object| object["metadata"]["name"].as_str().unwrap()).collect()
    }

    /// Returns the only object of a kind.
    #[track_caller]
    fn one(&self, kind: &'static str) -> &Value {
        let mut all = self.all(kind);
        let first = all.next().unwrap_or_else(|| panic!("there is no {kind}"));
        assert!(all.next().is_none(), "there are several of {kind}");
        first
    }

    /// Returns the data of the `ConfigMap` whose name is `base` followed by a hash.
    #[track_caller]
    fn data(&self, base: &str) -> &Value {
        let is_named = |object: &&Value| {
            let name = object["metadata"]["name"].as_str().unwrap();
            name.strip_prefix(base).is_some_and(|hash| hash.starts_with('-') && hash.len() == 11)
        };
        &self.all("ConfigMap").find(is_named).unwrap_or_else(|| panic!("no ConfigMap {base}"))["data"]
    }

    fn fluent_bit(&self) -> &str {
        self.data("claude-relay-fluent-bit")["fluent-bit.yaml"].as_str().unwrap()
    }

    fn workloads(&self) -> impl Iterator<Item = &Value> {
        self.all("Deployment").chain(self.all("StatefulSet"))
    }

    fn template(&self, kind: &'static str) -> &Value {
        &self.one(kind)["spec"]["template"]
    }

    /// Returns a container of the relay's or Redis's pods.
    #[track_caller]
    fn container(&self, name: &str) -> &Value {
        let mut all = self.workloads().flat_map(|object| containers(&object["spec"]["template"]));
        all.find(|container| container["name"] == name)
            .unwrap_or_else(|| panic!("no container {name}"))
    }
}

fn containers(template: &Value) -> impl Iterator<Item = &Value> {
    let of = |list: &str| template["spec"][list].as_array().into_iter().flatten();
    of("initContainers").chain(of("containers"))
}

fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}

/// Returns the source of an environment variable of a container.
fn secret_of<'a>(container: &'a Value, variable: &str) -> &'a Value {
    let found = items(container, "env").find(|entry| entry["name"] == variable);
    found.map_or(&Value::Null, |entry| &entry["valueFrom"]["secretKeyRef"])
}
