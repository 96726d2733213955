//! `import helm`: every example of the chart's README becomes a profile that loads, and every
//! change is reported.

mod empty;
mod examples;
mod properties;
mod rules;

use relay_bundle::helm::values::{ImportOptions, Imported, import};
use relay_bundle::profile::diagnostic::Severity;
use relay_bundle::profile::masking::Visibility;
use relay_bundle::profile::overlay::ProfileFiles;
use relay_bundle::profile::{self, Loaded};

/// One profile in memory.
struct File(String);

impl ProfileFiles for File {
    fn profile(&self, name: &str) -> Result<(String, Vec<u8>), String> {
        if name == "mine" {
            Ok(("profiles/mine.toml".into(), self.0.clone().into_bytes()))
        } else {
            Err("none".into())
        }
    }

    fn visibility(&self, _: &str) -> Visibility {
        Visibility::Lines
    }

    fn file(&self, path: &str) -> Result<Vec<u8>, String> {
        Err(format!("file `{path}` does not exist"))
    }

    fn names(&self) -> Vec<String> {
        vec!["mine".into()]
    }
}

fn load(toml: &str) -> Loaded {
    profile::load("mine", &[], &File(toml.to_owned()))
}

fn errors(loaded: &Loaded) -> Vec<String> {
    let errors = loaded.diagnostics.iter().filter(|finding| finding.severity == Severity::Error);
    errors.map(|finding| format!("{} {}", finding.code, finding.message)).collect()
}

fn convert(values: &str, options: &ImportOptions) -> Imported {
    import(values.as_bytes(), options).unwrap_or_else(|error| panic!("{error}\n{values}"))
}

/// Imports values into a profile that must load, and returns it as a table.
fn sane(values: &str, options: &ImportOptions) -> (toml::Table, Imported) {
    let imported = convert(values, options);
    let loaded = load(&imported.toml);
    assert_eq!(errors(&loaded), [""; 0], "{}", imported.toml);
    (imported.toml.parse().expect("what loads is TOML"), imported)
}

fn release(name: &str) -> ImportOptions {
    ImportOptions {
        release: Some(name.parse().expect("a release's name")),
        ..ImportOptions::default()
    }
}

/// Returns the value at a path of keys and indices.
fn at<'a>(table: &'a toml::Table, path: &str) -> &'a toml::Value {
    let mut parts = path.split('.');
    let mut value = &table[parts.next().unwrap_or_default()];
    for part in parts {
        value = part.parse::<usize>().map_or_else(|_| &value[part], |index| &value[index]);
    }
    value
}

fn text<'a>(table: &'a toml::Table, path: &str) -> &'a str {
    at(table, path).as_str().unwrap_or_else(|| panic!("{path} is no string"))
}

fn has(table: &toml::Table, path: &str) -> bool {
    let mut parts = path.split('.');
    let first = table.get(parts.next().unwrap_or_default());
    parts.try_fold(first, |value, part| value.map(|value| value.get(part))).flatten().is_some()
}

/// Returns the notes about a key.
fn what(imported: &Imported, key: &str) -> String {
    let notes: Vec<&str> = imported
        .notes
        .iter()
        .filter(|note| note.key == key)
        .map(|note| note.what.as_str())
        .collect();
    notes.join(", ")
}
