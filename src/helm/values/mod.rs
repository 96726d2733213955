//! Converts Helm values to a profile of the same deployment, without the chart's defects, and with
//! a note for each change.
//!
//! `yaml` reads the values, `rules` knows the chart, `fit` converts the rest to the schema's types,
//! and `write` makes TOML of the result. The schema is the only list of keys here.

mod fit;
mod ingress;
mod notes;
mod octal;
mod output;
mod relay;
mod rules;
mod secrets;
mod value;
mod write;
mod yaml;

use value::{Map, Value};

pub use notes::Note;
pub use yaml::VALUES_BYTES_MAX;

use notes::{Notes, VALUES};
use yaml::Values;

use crate::model::kube_version::KubeVersion;
use crate::model::text::{Label, ReleaseName};
use crate::profile::node::Visibility;
use crate::profile::resolve::Names;

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

/// A profile, and a note for each key that differs in it.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The text of the profile.
    pub toml: String,
    /// In the order of the values; notes about added keys come last.
    pub notes: Vec<Note>,
}

/// The reason why a text is not Helm values.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("the values have {bytes} bytes; the limit is {limit}")]
    TooLarge { bytes: usize, limit: usize },
    #[error("the values are not UTF-8 (byte {offset})")]
    NotUtf8 { offset: usize },
    #[error("the values are empty")]
    Empty,
    #[error("the values are not YAML (line {line}): {message}")]
    Yaml { line: usize, message: String },
    #[error("expected a map of values, found {found}")]
    NotValues { found: &'static str },
}

/// The default name of the release, which is also that of the default profile.
const RELEASE: &str = "claude-relay";

/// Converts Helm values, or the output of `helm get values`, to a profile.
pub fn import(values: &[u8], options: &ImportOptions) -> Result<Imported, ImportError> {
    let Values { map: values, octals } = yaml::parse(values)?;
    let mut notes = Notes::new(&values, options.visibility);
    octal::note_all(&values, &octals, &mut notes);
    if values.0.is_empty() {
        notes.add_first(
            VALUES,
            "no value is set",
            "the profile has the chart's defaults, with the secrets of the chart's Secret: are \
             release and namespace correct?",
        );
    }
    let mut import = Import { chart: Chart::of(&values, options), values, notes, options };
    rules::apply(&mut import);
    let Import { values, mut notes, .. } = import;
    let values = fit::fit(values, &mut notes);
    let toml = write::write(&values, options);
    Ok(Imported { toml, notes: notes.sorted() })
}

/// An unfinished import.
struct Import<'a> {
    values: Map,
    notes: Notes,
    options: &'a ImportOptions,
    chart: Chart,
}

/// The names of the chart's objects.
struct Chart {
    full: String,
    redis: String,
}

impl Chart {
    fn of(values: &Map, options: &ImportOptions) -> Self {
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
    fn secret(&self) -> String {
        format!("{}-secret", self.full)
    }
}

fn chart_name(release: &str, name: &str) -> String {
    if release.contains(name) { release.to_owned() } else { format!("{release}-{name}") }
}

impl Import<'_> {
    fn note(&mut self, key: impl Into<String>, what: impl Into<String>, why: impl Into<String>) {
        self.notes.add(key, what, why);
    }

    /// Drops a key with a note that says why; does nothing if the key is absent.
    fn drop_key(&mut self, key: &str, why: &str) {
        if self.values.remove(key).is_some() {
            self.note(key, "dropped", why);
        }
    }

    /// Moves a value to another key, unless that key has a value.
    fn rename(&mut self, from: &str, to: &str, why: &str) {
        let Some(value) = self.values.remove(from) else { return };
        if self.values.get(to).is_none_or(Value::is_empty) {
            self.values.set(to, value);
            self.note(from, format!("is now `{to}`"), why);
        } else {
            self.note(from, "dropped", format!("`{to}` is set, and {why}"));
        }
    }
}
