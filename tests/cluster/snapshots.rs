//! Snapshots of the complete output of commands that talk to a cluster.
//!
//! `INSTA_UPDATE=always cargo test --test cluster snapshots::` writes the current output into
//! `snapshots/`; review the diff.

mod adoption;
mod installation;
mod names;
mod obstacles;
mod secrets;
mod terminal;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use assert_cmd::Command;
use camino::Utf8Path;

use self::names::{mask_names, mask_plane, sort_ready};
use crate::mask::{FILTERS, mask};
use crate::site::{Ran, Site};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/snapshots");

/// Patterns of values that differ between runs, machines or versions of Kubernetes, and their
/// replacements.
const CLUSTER_FILTERS: [(&str, &str); 8] = [
    // The holder of the lock.
    (r"\bby uid \d+ on \S+ since\b", "by uid [n] on [host] since"),
    (r"\bprocess \d+ \(", "process [n] ("),
    // Older servers print a Go value.
    (r"Invalid value: .*: field is immutable", "Invalid value: [value]: field is immutable"),
    // Older servers store further fields of a StatefulSet that sets none of them.
    (r#"(?m)^ +"creationTimestamp": null,\n"#, ""),
    (r#"(?m)^ +"maxUnavailable": 1,\n( +"partition": 0)$"#, "$1"),
    (r"… \d+ more lines", "… [n] more lines"),
    (r"\(\d+ of (\d+), \d+ s\)", "([n] of $1, [n] s)"),
    (r"(?m)^ready after \d+ s$", "ready after [n] s"),
];

/// Runs command lines in the site's folder and compares their output with one snapshot.
#[track_caller]
fn see(site: &Site, name: &str, lines: &[&str]) {
    let run = |line: &&str| {
        let ran = typed(site, line);
        let stderr = sort_ready(&ran.stderr);
        shown(line, ran.code, &[("stdout", &ran.stdout), ("stderr", &stderr)])
    };
    compare(site, name, &lines.iter().map(run).collect::<Vec<_>>());
}

/// Runs command lines at a terminal with these answers and compares the screens with one snapshot.
#[track_caller]
fn see_asked(site: &Site, name: &str, dialogues: &[(&str, &[&str])]) {
    let asked = dialogues.iter().map(|(line, answers)| {
        let ran = terminal::answered(site, line, answers)?;
        Some(shown(line, ran.code, &[("terminal", &without_long_plan(&ran.stdout))]))
    });
    if let Some(shown) = asked.collect::<Option<Vec<String>>>() {
        compare(site, name, &shown);
    }
}

/// Omits a plan that is longer than a screen, because another snapshot contains it.
fn without_long_plan(screen: &str) -> String {
    let lines: Vec<&str> = screen.split_inclusive('\n').collect();
    if lines.len() < 60 {
        return screen.to_owned();
    }
    let dialogue = lines.iter().position(|line| line.starts_with("plan hash ")).unwrap();
    format!("(the plan)\n{}", lines[dialogue..].concat())
}

/// Masks output and compares it with a snapshot.
#[track_caller]
fn compare(site: &Site, name: &str, shown: &[String]) {
    let text = mask_names(&mask_plane(site.plane, &shown.join("\n")));
    let mut settings = insta::Settings::new();
    settings.set_snapshot_path(FOLDER);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_filters(FILTERS.into_iter().chain(CLUSTER_FILTERS));
    settings.bind(|| insta::assert_snapshot!(name, mask(&text, site.path())));
}

/// Formats a command line with its exit code and its streams.
fn shown(line: &str, code: i32, streams: &[(&str, &str)]) -> String {
    let mut text = format!("$ relay-bundle {line}\nexit code: {code}\n");
    for (stream, output) in streams {
        if !output.is_empty() {
            let end = if output.ends_with('\n') { "" } else { "(no end of line)\n" };
            write!(text, "--- {stream} ---\n{output}{end}").unwrap();
        }
    }
    text
}

/// Runs a command line with the kubeconfig in the environment.
fn typed(site: &Site, line: &str) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_relay-bundle"));
    command.args(line.split_whitespace()).current_dir(site.path()).env_clear();
    command.env("HOME", site.path()).env("KUBECONFIG", &site.plane.kubeconfig);
    // The tests must not query registries on the internet.
    command.env("HTTPS_PROXY", "http://127.0.0.1:1").env("NO_PROXY", "127.0.0.1,localhost");
    Ran::of(command.output().unwrap())
}

/// Applies an archive, which must succeed.
#[track_caller]
fn applied(site: &Site, archive: &str) {
    let ran = typed(site, &format!("apply {archive} --trust trust.toml --yes"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn every_snapshot_file_has_test() {
    let files = Utf8Path::new(FOLDER).read_dir_utf8().unwrap();
    let files = files.map(|entry| entry.unwrap().into_path());
    let (snapshots, sources): (Vec<_>, Vec<_>) =
        files.partition(|file| file.extension() == Some("snap"));
    let sources = sources.iter().filter(|file| file.extension() == Some("rs"));
    let tests: String = sources.map(|file| fs_err::read_to_string(file).unwrap()).collect();
    // The name is the first text after the site.
    let calls = ["see(", "see_asked("].into_iter().flat_map(|call| tests.split(call).skip(1));
    let asserted: BTreeSet<&str> = calls.filter_map(|call| call.split('"').nth(1)).collect();

    let names = snapshots.iter().map(|file| file.file_stem().unwrap());
    let orphans: BTreeSet<_> = names.filter(|name| !asserted.contains(name)).collect();

    assert!(orphans.is_empty(), "no test asserts {orphans:?}: delete these files");
}
