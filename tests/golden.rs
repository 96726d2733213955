//! The rendered bundle of every variant, byte for byte.
//!
//! A folder of `tests/golden` is a variant: `profile.toml` is its input, with `images.lock` if the
//! profile is locked, and the bundle is beside it. Each shipped profile has a folder without an input of its own, and its content id is pinned
//! in `bundles/digests.toml`.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use camino::{Utf8Path, Utf8PathBuf};
use relay_bundle::bundle::assemble::assemble;
use relay_bundle::bundle::layout::SUMS;
use relay_bundle::bundle::open::Bundle;
use relay_bundle::images::lock::LOCK_FILE;
use relay_bundle::profile;
use relay_bundle::profile::diagnostic::Severity;
use relay_bundle::profile::masking::Visibility;
use relay_bundle::profile::overlay::ProfileFiles;
use relay_bundle::profile_folder::ProfileFolder;
use relay_bundle::render::{RENDER_ABI, render};
use serde_json::Value;

const GOLDEN: &str = "tests/golden";
const PROFILES: &str = "profiles";
const DIGESTS: &str = "bundles/digests.toml";
const INPUT: &str = "profile.toml";

/// The files of a bundle by path.
type Files = BTreeMap<String, Vec<u8>>;

/// The profile of a variant, which extends one of the shipped profiles.
struct Variant<'a> {
    name: &'a str,
    folder: Utf8PathBuf,
}

impl ProfileFiles for Variant<'_> {
    fn profile(&self, name: &str) -> Result<(String, Vec<u8>), String> {
        if name != self.name {
            return ProfileFolder::new(Utf8Path::new(PROFILES)).profile(name);
        }
        let path = self.folder.join(INPUT);
        let bytes = fs_err::read(&path).map_err(|error| error.to_string())?;
        Ok((path.into_string(), bytes))
    }

    fn visibility(&self, _: &str) -> Visibility {
        Visibility::Lines
    }

    fn file(&self, path: &str) -> Result<Vec<u8>, String> {
        fs_err::read(self.folder.join(path)).map_err(|error| error.to_string())
    }

    fn images_lock(&self) -> Result<Option<String>, String> {
        let path = self.folder.join(LOCK_FILE);
        let text = path.exists().then(|| fs_err::read_to_string(path)).transpose();
        text.map_err(|error| error.to_string())
    }

    fn names(&self) -> Vec<String> {
        vec![self.name.to_owned()]
    }
}

fn golden(variant: &str) -> Utf8PathBuf {
    Utf8Path::new(GOLDEN).join(variant)
}

/// Returns the profiles that the repository ships, without `base`, which others extend.
fn shipped() -> BTreeSet<String> {
    let names = ProfileFolder::new(Utf8Path::new(PROFILES)).names();
    names.into_iter().filter(|name| name != "base").collect()
}

fn variants() -> BTreeSet<String> {
    let entries = Utf8Path::new(GOLDEN).read_dir_utf8().unwrap();
    let folders = entries.map(Result::unwrap).filter(|entry| entry.file_type().unwrap().is_dir());
    folders.map(|entry| entry.file_name().to_owned()).collect()
}

/// Builds a variant in memory.
fn build(name: &str) -> Result<Files, String> {
    let variant = Variant { name, folder: golden(name) };
    let folder = ProfileFolder::new(Utf8Path::new(PROFILES));
    let files: &dyn ProfileFiles = if shipped().contains(name) { &folder } else { &variant };
    let loaded = profile::load(name, &[], files);
    let Some(profile) = loaded.profile else {
        let errors = loaded.diagnostics.iter().filter(|found| found.severity == Severity::Error);
        let errors = errors.map(|found| format!("\n  {} {}", found.code, found.message));
        return Err(format!("{name} is refused:{}", errors.collect::<String>()));
    };
    let assembled =
        assemble(&profile, &render(&profile)).map_err(|error| format!("{name}: {error}"))?;
    // A reader must derive the same parts from the files.
    Bundle::of_files(assembled.files.clone()).map_err(|error| format!("{name}: {error}"))?;
    let sums = assembled.files.sums().encode().into_bytes();
    let files =
        assembled.files.iter().map(|(path, file)| (path.to_string(), file.bytes().to_vec()));
    Ok(files.chain([(SUMS.to_owned(), sums)]).collect())
}

/// Reads the expected bundle of a variant.
fn expected(name: &str) -> Files {
    let root = golden(name);
    let files = walkdir::WalkDir::new(&root).into_iter().map(Result::unwrap);
    files
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| Utf8PathBuf::from_path_buf(entry.into_path()).unwrap())
        .filter(|path| !path.file_name().is_some_and(|name| [INPUT, LOCK_FILE].contains(&name)))
        .map(|path| (path.strip_prefix(&root).unwrap().to_string(), fs_err::read(&path).unwrap()))
        .collect()
}

/// Describes the first difference of a bundle from the expected one; `None` if they are equal.
fn difference(name: &str, expected: &Files, found: &Files) -> Option<String> {
    let paths: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
    let mut differing: Vec<&String> =
        paths.into_iter().filter(|path| expected.get(*path) != found.get(*path)).collect();
    // A changed manifest is the most useful, and hashed files are more useful than their hashes.
    let rank = |path: &str| {
        ["manifests/", "recipe.json", "bundle.json"]
            .iter()
            .position(|start| path.starts_with(start))
    };
    let is_new = |path: &String| !(expected.contains_key(path) && found.contains_key(path));
    differing.sort_by_key(|path| (rank(path).is_none(), rank(path), is_new(path)));
    let first = differing.first()?;
    let mut text = match (expected.get(*first), found.get(*first)) {
        (Some(expected), Some(found)) => {
            format!("{name}: {first} {}", first_difference(expected, found))
        }
        (Some(_), None) => format!("{name}: {first} is no longer there"),
        (None, _) => format!("{name}: {first} is new"),
    };
    if differing.len() > 1 {
        write!(text, "\n  and {} more files of this variant differ", differing.len() - 1).unwrap();
    }
    if expected.get("recipe.json") == found.get("recipe.json") {
        text.push_str("\n  its recipe is the same: RENDER_ABI has not been raised");
    }
    Some(text)
}

fn first_difference(expected: &[u8], found: &[u8]) -> String {
    let lines = |bytes: &[u8]| -> Vec<String> {
        String::from_utf8_lossy(bytes).split('\n').map(str::to_owned).collect()
    };
    let (expected, found) = (lines(expected), lines(found));
    let line = expected.iter().zip(&found).take_while(|(a, b)| a == b).count();
    let show = |lines: &[String]| {
        lines.get(line).map_or("(end)".to_owned(), |line| excerpt(line, &expected, &found))
    };
    format!(
        "differs in line {}:\n    expected {}\n    found    {}",
        line + 1,
        show(&expected),
        show(&found)
    )
}

/// Shortens a long line, such as the only one of `bundle.json`, to the surroundings of the
/// difference.
fn excerpt(line: &str, expected: &[String], found: &[String]) -> String {
    const AROUND: usize = 60;
    let other = expected.iter().zip(found).find(|(a, b)| a != b);
    let same =
        other.map_or(0, |(a, b)| a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count());
    let start = same.saturating_sub(AROUND);
    line.chars().skip(start).take(2 * AROUND + 40).collect()
}

/// Makes the bundle the expected one.
fn accept(name: &str, found: &Files) {
    let folder = golden(name);
    for path in expected(name).keys().filter(|path| !path.starts_with("secrets/")) {
        fs_err::remove_file(folder.join(path)).unwrap();
    }
    for (path, bytes) in found {
        let path = folder.join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, bytes).unwrap();
    }
}

#[expect(clippy::disallowed_methods, reason = "the person who runs the test says so")]
fn accepting() -> bool {
    std::env::var_os("RELAY_BUNDLE_ACCEPT").is_some_and(|value| value == "1")
}

fn refuse(found: &[String]) {
    assert!(
        found.is_empty(),
        "\n{}\n\nEvery bundle in the world has other bytes now. If that is meant: raise RENDER_ABI in src/render/mod.rs \
         (now {RENDER_ABI}; not if only a profile or tests/golden/*/{INPUT} changed), say in CHANGELOG.md what changed, \
         accept it with\n    RELAY_BUNDLE_ACCEPT=1 cargo test --test golden\nand read what `git diff` shows.\n",
        found.join("\n")
    );
}

#[test]
fn every_variant_renders_to_accepted_bytes() {
    let accepting = accepting();
    let mut differences = Vec::new();
    for name in variants() {
        match build(&name) {
            Ok(found) if accepting => accept(&name, &found),
            Ok(found) => differences.extend(difference(&name, &expected(&name), &found)),
            Err(refused) => differences.push(refused),
        }
    }
    refuse(&differences);
}

#[test]
fn shipped_profiles_have_pinned_content_ids() {
    let content_id = |name: &String| {
        let sums = &build(name).unwrap()[SUMS];
        format!("sha256:{}", relay_bundle::model::digest::Digest::of(sums))
    };
    let found: BTreeMap<String, String> =
        shipped().iter().map(|name| (name.clone(), content_id(name))).collect();
    let line = |(name, id): (&String, &String)| format!("{name} = \"{id}\"\n");
    let text = format!(
        "# The content id that each profile has on every machine. Written by RELAY_BUNDLE_ACCEPT=1 cargo test --test golden.\n{}",
        found.iter().map(line).collect::<String>()
    );

    if accepting() {
        fs_err::create_dir_all("bundles").unwrap();
        fs_err::write(DIGESTS, &text).unwrap();
    }
    let pinned = fs_err::read_to_string(DIGESTS).unwrap_or_default();
    refuse(&if pinned == text { vec![] } else { vec![format!("{DIGESTS} should be\n{text}")] });
}

#[test]
fn shipped_profiles_are_variants_and_only_others_have_input() {
    let without_input: BTreeSet<String> =
        variants().into_iter().filter(|name| !golden(name).join(INPUT).is_file()).collect();
    assert_eq!(without_input, shipped());
}

/// Keys with one valid value, or with values that make no difference.
const ALWAYS_THE_SAME: [&str; 14] = [
    "config.rateLimitCleanupInterval",
    "podSecurityContext.runAsNonRoot",
    "redis.podSecurityContext.runAsNonRoot",
    "redis.securityContext.allowPrivilegeEscalation",
    "redis.securityContext.capabilities.drop",
    "schema",
    "securityContext.allowPrivilegeEscalation",
    "securityContext.capabilities.drop",
    "serviceMonitor.exporter.securityContext.allowPrivilegeEscalation",
    "serviceMonitor.exporter.securityContext.capabilities.drop",
    "serviceMonitor.port",
    "storage.data.type",
    "storage.logs.fluentbit.securityContext.allowPrivilegeEscalation",
    "storage.logs.fluentbit.securityContext.capabilities.drop",
];

/// Returns the value of each key, by its path; Kubernetes' own types and maps count as values.
fn leaves(value: &Value, path: &str, found: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(table) if !table.is_empty() => {
            for (key, value) in table {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                leaves(value, &path, found);
            }
        }
        _ => {
            found.insert(path.to_owned(), value.to_string());
        }
    }
}

#[test]
fn every_key_is_changed_by_some_variant() {
    let settings = |name: &str| {
        let recipe: Value = serde_json::from_slice(&build(name).unwrap()["recipe.json"]).unwrap();
        let mut found = BTreeMap::new();
        leaves(&recipe["settings"], "", &mut found);
        found
    };
    let defaults = settings("defaults");
    let mut unchanged: BTreeSet<&String> = defaults.keys().collect();
    for name in variants() {
        let other = settings(&name);
        unchanged.retain(|key| other.get(*key) == defaults.get(*key));
    }
    assert_eq!(unchanged, ALWAYS_THE_SAME.map(str::to_owned).iter().collect::<BTreeSet<_>>());
}
