//! Runs the README's tour, with the part that needs a cluster, exactly as written.
//!
//! `RELAY_BUNDLE_ACCEPT=1 cargo test --test cluster tour` writes the real output of the commands
//! into the README.

use std::path::Path;

use crate::console;
use crate::control_plane::control_plane;
use crate::platform;
use crate::tools::find;

#[test]
fn every_tour_command_prints_output_shown_in_readme() {
    let Some(plane) = control_plane() else { return };
    if [("bash", "bash"), ("openssl", "openssl")]
        .iter()
        .any(|(program, package)| find(program, package).is_none())
    {
        return;
    }
    let watcher = plane.watcher();
    plane.kubectl(&["create", "namespace", "claude-relay"]);
    platform::ensure(plane, "claude-relay");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs_err::read_to_string(&file).unwrap();
    let (before, on_a_cluster) = console::split(&readme);
    let folder = console::folder();
    let run = |line: &str| {
        console::run(folder.path(), &[plane.tools()], plane.kubeconfig.to_str().unwrap(), line)
    };

    // Another test checks the output of the first part, which here only creates the bundle and the
    // policy.
    console::play(before, run);
    let played = console::play_but_for(without_ids, on_a_cluster, run);

    assert!(played.commands > 1, "{} commands are too few for a tour", played.commands);
    watcher.references_hold("claude-relay");
    if console::accepts() {
        fs_err::write(&file, before.to_owned() + &played.written).unwrap();
    } else {
        assert!(played.wrong.is_empty(), "{}", played.wrong.join("\n"));
    }
}

/// Replaces the IDs of a store's entries, because the tour's keys are part of its bundles.
fn without_ids(text: &str) -> String {
    let is_id = |id: &str| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut parts = text.split("bundles/");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| match part.split_once('-') {
        Some((id, rest)) if is_id(id) => text + "bundles/ID-" + rest,
        _ => text + "bundles/" + part,
    })
}
