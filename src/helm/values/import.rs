//! An import in progress: the values that are left, the notes so far, and the names of the chart's
//! objects.

use super::notes::Notes;
use super::value::{Map, YamlValue};
use crate::model::kube_version::KubeVersion;
use crate::model::text::{Label, ReleaseName};
use crate::profile::masking::Visibility;
use crate::profile::resolve::Names;

/// The default name of the release, which is also that of the default profile.
pub(super) const RELEASE: &str = "claude-relay";

/// Input that is not in the values.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// The name of the Helm release; `claude-relay` if absent.
    pub release: Option<ReleaseName>,
    /// Its namespace.
    pub namespace: Option<Label>,
    /// The oldest Kubernetes version that the bundle must run on.
    pub kubernetes: Option<KubeVersion>,
    /// Whether literal secrets stay literal.
    pub keep_literals: bool,
    /// How much of the values notes may show.
    pub visibility: Visibility,
}

impl Default for ImportOptions {
    fn default() -> Self {
        let visibility = Visibility::Lines;
        Self { release: None, namespace: None, kubernetes: None, keep_literals: false, visibility }
    }
}

/// An unfinished import.
pub(super) struct Import<'a> {
    pub(super) values: Map,
    pub(super) notes: Notes,
    pub(super) options: &'a ImportOptions,
    pub(super) chart: ChartNames,
}

/// The names of the chart's objects.
pub(super) struct ChartNames {
    pub(super) full: String,
    pub(super) redis: String,
}

impl ChartNames {
    pub(super) fn of(values: &Map, options: &ImportOptions) -> Self {
        let release = options.release.as_ref().map_or(RELEASE, ReleaseName::as_str);
        let text = |path: &str| values.text(path).unwrap_or_default();
        let full = Names::full_of(release, text("nameOverride"), text("fullnameOverride"));
        // The subchart follows the same rule with its own name and overrides.
        let redis = match (text("redis.fullnameOverride"), text("redis.nameOverride")) {
            ("", "") => chart_name(release, "redis"),
            ("", name) => chart_name(release, name),
            (full, _) => full.to_owned(),
        };
        Self { full, redis }
    }

    /// Returns the name of the Secret of the relay's chart.
    pub(super) fn secret(&self) -> String {
        format!("{}-secret", self.full)
    }
}

fn chart_name(release: &str, name: &str) -> String {
    if release.contains(name) { release.to_owned() } else { format!("{release}-{name}") }
}

impl Import<'_> {
    pub(super) fn note(
        &mut self,
        key: impl Into<String>,
        what: impl Into<String>,
        why: impl Into<String>,
    ) {
        self.notes.add(key, what, why);
    }

    /// Drops a key with a note that says why; does nothing if the key is absent.
    pub(super) fn drop_key(&mut self, key: &str, why: &str) {
        if self.values.remove(key).is_some() {
            self.note(key, "dropped", why);
        }
    }

    /// Moves a value to another key, unless that key has a value.
    pub(super) fn rename(&mut self, from: &str, to: &str, why: &str) {
        let Some(value) = self.values.remove(from) else { return };
        if self.values.get(to).is_none_or(YamlValue::is_empty) {
            self.values.set(to, value);
            self.note(from, format!("is now `{to}`"), why);
        } else {
            self.note(from, "dropped", format!("`{to}` is set, and {why}"));
        }
    }
}
