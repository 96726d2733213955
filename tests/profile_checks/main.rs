//! The findings of the checks: each rule has a profile that breaks it, and the shipped profiles
//! break none.

mod defects;
mod fragments;
mod images;
mod leaks;
mod leaks_of_keys;
#[path = "../support/masked.rs"]
mod masked;
mod network;
mod robustness;
mod rules;
#[path = "../support/sealed_files.rs"]
mod sealed_files;
mod secrets;
mod shipped;

use std::collections::{BTreeMap, BTreeSet};

use relay_bundle::profile::diagnostic::Diagnostic;
use relay_bundle::profile::masking::Visibility;
use relay_bundle::profile::overlay::ProfileFiles;
use relay_bundle::profile::{self, Loaded};

/// Profiles and encrypted files in memory.
#[derive(Default)]
struct Files {
    profiles: BTreeMap<String, Vec<u8>>,
    sealed: BTreeMap<String, Vec<u8>>,
}

impl ProfileFiles for Files {
    fn profile(&self, name: &str) -> Result<(String, Vec<u8>), String> {
        let bytes =
            self.profiles.get(name).ok_or_else(|| format!("profile `{name}` does not exist"))?;
        Ok((format!("profiles/{name}.toml"), bytes.clone()))
    }

    fn visibility(&self, _: &str) -> Visibility {
        Visibility::Lines
    }

    fn file(&self, path: &str) -> Result<Vec<u8>, String> {
        self.sealed.get(path).cloned().ok_or_else(|| format!("file `{path}` does not exist"))
    }

    fn names(&self) -> Vec<String> {
        self.profiles.keys().cloned().collect()
    }
}

fn load_bytes(bytes: &[u8]) -> Loaded {
    let profiles = BTreeMap::from([("p".to_owned(), bytes.to_vec())]);
    profile::load("p", &[], &Files { profiles, ..Files::default() })
}

/// Loads a profile for production without any warnings, followed by `text`.
fn load_strict(text: &str) -> Loaded {
    let digest = format!("sha256:{}", "0".repeat(64));
    let level = if text.contains("logLevel") { "" } else { "config.logLevel = \"warn\"\n" };
    let strict = format!(
        "image.digest = \"{digest}\"\nstorage.logs.fluentbit.image.digest = \"{digest}\"\n\
         serviceMonitor.exporter.image.digest = \"{digest}\"\n\
         release.recoveryRecipients = [\"age19gxp379vj3ffq4kl7h3lmy2nnpcld3p5rpl2sdpj43ldwth6qc5qmedqms\"]\n\
         redis.auth.enabled = true\n{level}{text}"
    );
    load_bytes(strict.as_bytes())
}

/// Loads a profile for development.
fn load_dev(text: &str) -> Loaded {
    load_bytes(format!("release.environment = \"dev\"\n{text}").as_bytes())
}

/// Returns `CODE path` of each finding, sorted.
fn findings(loaded: &Loaded) -> Vec<String> {
    let found: BTreeSet<String> = loaded
        .diagnostics
        .iter()
        .map(|finding| {
            let path = finding.path.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("{} {path}", finding.code)
        })
        .collect();
    found.into_iter().collect()
}

/// Returns every finding in words, for messages of tests.
fn words(loaded: &Loaded) -> String {
    let line = |finding: &Diagnostic| {
        let help = finding.help.clone().unwrap_or_default();
        format!("{:?}[{}] {} ({help})", finding.severity, finding.code, finding.message)
    };
    loaded.diagnostics.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Loads each text and compares the findings, each of which must have a remedy.
#[track_caller]
fn expect(load: fn(&str) -> Loaded, cases: &[(&str, &[&str])]) {
    for (text, expected) in cases {
        let loaded = load(text);
        assert_eq!(findings(&loaded), *expected, "of\n{text}\n{}", words(&loaded));
        assert!(
            loaded.diagnostics.iter().all(|finding| finding.help.is_some()),
            "no remedy for\n{text}"
        );
    }
}
