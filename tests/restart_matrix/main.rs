//! The restart matrix: each key is changed alone, and exactly the pods that consume it restart.
//!
//! The rendered pod templates show the real restarts; the forecast of `diff` must agree, and give
//! the reason.

mod bases;
#[path = "../support/committed.rs"]
mod committed;
mod drives;
mod rows;

use std::collections::{BTreeMap, BTreeSet};

use bases::{BASES, Bases};
use drives::Objects;
use relay_bundle::bundle::assemble::assemble;
use relay_bundle::bundle::open::Bundle;
use relay_bundle::diff::changes::{Diff, diff};
use relay_bundle::diff::restart::Restart;
use relay_bundle::profile::resolve::Profile;
use relay_bundle::profile::{self, schema};
use relay_bundle::render::references::pod_template;
use relay_bundle::render::render;
use rows::{Outcome, Pods, ROWS, Row};

/// Loads a profile, or returns why it is refused.
fn load(name: &str, files: &Bases) -> Result<Profile, String> {
    let loaded = profile::load(name, &[], files);
    let messages: Vec<&str> =
        loaded.diagnostics.iter().map(|finding| finding.message.as_str()).collect();
    loaded.profile.ok_or_else(|| messages.join("; "))
}

/// Builds a profile, or returns why it is refused.
fn build(name: &str, files: &Bases) -> Result<Bundle, String> {
    let profile = load(name, files)?;
    let assembled = assemble(&profile, &render(&profile)).map_err(|error| error.to_string())?;
    Bundle::of_files(assembled.files).map_err(|error| error.to_string())
}

/// Returns the outcome for the pods of one kind of workload, according to the manifests.
fn pods(old: &Bundle, new: &Bundle, kind: &str) -> Pods {
    let workload = |bundle: &Bundle| {
        let found = bundle.manifests.iter().find(|manifest| manifest.key.kind == kind)?;
        let place = (found.key.namespace.clone(), found.key.name.clone());
        Some((place, pod_template(&found.object)?.clone()))
    };
    match (workload(old), workload(new)) {
        (Some((old_place, _)), Some((new_place, _))) if old_place != new_place => Pods::Replaced,
        (Some((_, old)), Some((_, new))) if old != new => Pods::Restart,
        (Some(_), Some(_)) => Pods::Stay,
        (Some(_), None) => Pods::Removed,
        (None, Some(_)) => Pods::Added,
        (None, None) => Pods::Absent,
    }
}

/// Returns their outcome according to the forecast.
fn forecast(diff: &Diff, kind: &str) -> Pods {
    let all: Vec<Restart> = diff
        .workloads
        .iter()
        .filter(|workload| workload.kind == kind)
        .map(|workload| workload.restart)
        .collect();
    match all.as_slice() {
        [] => Pods::Absent,
        [Restart::Yes] => Pods::Restart,
        [Restart::No] => Pods::Stay,
        [Restart::Added] => Pods::Added,
        [Restart::Removed] => Pods::Removed,
        _ => Pods::Replaced,
    }
}

fn reasons(diff: &Diff) -> String {
    let of = |workload: &relay_bundle::diff::restart::Forecast| {
        workload
            .reasons
            .iter()
            .map(|reason| format!("{}: {reason}", workload.kind))
            .collect::<Vec<_>>()
    };
    diff.workloads.iter().flat_map(of).collect::<Vec<_>>().join("; ")
}

/// Returns the mistake in a row, if there is one.
fn mistake(row: &Row, old: &Bundle) -> Option<String> {
    let new = match (build("changed", &Bases::with(row.profile())), &row.outcome) {
        (Ok(new), _) => new,
        (Err(why), Outcome::Refused { because }) if why.contains(because) => return None,
        (Err(why), _) => return Some(format!("refused: {why}")),
    };
    let diff = diff(old, &new);
    let found = (pods(old, &new, "Deployment"), pods(old, &new, "StatefulSet"));
    let told = (forecast(&diff, "Deployment"), forecast(&diff, "StatefulSet"));
    let Outcome::Pods { relay, redis, because } = row.outcome else {
        return Some(format!("not refused: {found:?}"));
    };
    if found != (relay, redis) {
        return Some(format!("relay and Redis {found:?} ({})", reasons(&diff)));
    }
    if told != found {
        return Some(format!("the forecast says {told:?}, the manifests {found:?}"));
    }
    if !reasons(&diff).contains(because) {
        return Some(format!("the reasons are {}", reasons(&diff)));
    }
    let is_vague =
        diff.workloads.iter().any(|w| (w.restart == Restart::Yes) == w.reasons.is_empty());
    if is_vague {
        return Some("a restart without a reason, or a reason without a restart".to_owned());
    }
    // A changed setting is reported even if it does not restart a pod.
    diff.settings.is_empty().then(|| "no changed setting is told".to_owned())
}

fn built(base: &str) -> Bundle {
    build(base, &Bases::with(String::new()))
        .unwrap_or_else(|why| panic!("base {base} does not build: {why}"))
}

#[test]
fn each_key_restarts_exactly_its_consuming_pods() {
    let bases: BTreeMap<&str, Bundle> = BASES.into_iter().map(|base| (base, built(base))).collect();
    let told = |row: &Row| {
        Some(format!("{} (`{}`): {}", row.key, row.change, mistake(row, &bases[row.base])?))
    };
    let wrong: Vec<String> = ROWS.iter().filter_map(told).collect();

    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), ROWS.len(), wrong.join("\n"));
    let keys: BTreeSet<&str> = ROWS.iter().map(|row| row.key).collect();
    assert!(keys.len() >= 60, "only {} keys", keys.len());
}

#[test]
fn every_schema_key_is_in_matrix() {
    let rows: BTreeSet<&str> = ROWS.iter().map(|row| row.key).collect();
    let is_covered = |path: &String| {
        let is_table_of_rows = rows.iter().any(|row| row.starts_with(&format!("{path}.")));
        // A key inside an array's tables changes with the array.
        let array = path.split_once("[]").map(|(array, _)| array);
        rows.contains(path.as_str())
            || is_table_of_rows
            || array.is_some_and(|array| rows.contains(array))
    };
    let missing: Vec<&String> =
        schema::key_paths().iter().filter(|path| !is_covered(path)).collect();
    assert!(missing.is_empty(), "no row changes {missing:#?}");

    let known: BTreeSet<&str> = schema::key_paths().iter().map(String::as_str).collect();
    let unknown: Vec<&&str> = rows.iter().filter(|row| !known.contains(**row)).collect();
    assert!(unknown.is_empty(), "no such keys: {unknown:#?}");
}

#[test]
fn row_changes_key_it_names() {
    for row in ROWS {
        let names_it = row.change.starts_with(row.key)
            || row.change.contains(&format!("\n{}", row.key))
            || row.key.rsplit_once('.').is_some_and(|(table, key)| {
                row.change.contains(&format!("[{table}]")) && row.change.contains(key)
            });
        assert!(names_it, "{}: {}", row.key, row.change);
    }
}

#[test]
fn drives_are_fields_that_rows_change() {
    let objects = |profile: &Profile| Objects::of(profile, &render(profile));
    let base = |name: &&'static str| {
        let profile = load(name, &Bases::with(String::new())).expect("the bases are valid");
        (*name, objects(&profile))
    };
    let bases: BTreeMap<&str, Objects> = BASES.iter().map(base).collect();
    let mut lines = BTreeSet::new();
    for row in ROWS.iter().filter(|row| row.key != "extends") {
        // A refused row changes nothing.
        let Ok(profile) = load("changed", &Bases::with(row.profile())) else { continue };
        let fields = bases[row.base].differences(&objects(&profile), row);
        lines.extend(fields.iter().map(|field| format!("{} {field}", row.key)));
    }

    committed::check_lines("src/profile/explain/drives.txt", drives::outermost(&lines));
}
