//! Tests the use with kubectl: verified manifests through a pipe, or in a folder for git.

use std::time::{Duration, Instant};

use camino::Utf8Path;

use crate::platform;
use crate::site::{Ran, Site};

const EMIT: [&str; 4] = ["--trust", "trust.toml", "--emit", "--quiet"];

/// Runs `verify --emit`.
fn emit(site: &Site, bundle: &Utf8Path, arguments: &[&str]) -> Ran {
    let all: Vec<&str> = ["verify", bundle.as_str()]
        .into_iter()
        .chain(EMIT)
        .chain(arguments.iter().copied())
        .collect();
    site.run(&all)
}

/// Runs `kubectl diff`.
fn diff(site: &Site, files: &[&str], input: &str) -> Ran {
    site.plane.fed(&[&["diff", "--server-side"], files].concat(), input)
}

/// Asserts that kubectl eventually shows no difference.
///
/// `kubectl diff` requests each object twice, as it is and as it would be. So it also shows changes
/// by controllers in between: the status of a new object, or the number of pods set by an
/// autoscaler.
#[track_caller]
fn comes_to_differ_from_nothing(site: &Site, files: &[&str], input: &str) {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let seen = diff(site, files, input);
        if seen.code == 0 && seen.stdout.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "{}{}", seen.stdout, seen.stderr);
    }
}

#[test]
fn emitted_manifests_have_no_diff_after_kubectl_apply() {
    let Some(site) = Site::new("emitted") else { return };
    let site = site.with_namespace();
    platform::ensure(site.plane, &site.namespace);
    let bundle = site.build("production", &[&platform::own_monitoring(&site.namespace)]);

    let refused = emit(&site, &bundle, &[]);
    assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "{}", refused.stderr);
    for (secret, key) in [("encryption-key", "encryption-key"), ("generated", "jwt-secret")] {
        let (name, value) =
            (format!("claude-relay-{secret}"), format!("--from-literal={key}={}", "x".repeat(32)));
        site.plane.kubectl(&["-n", &site.namespace, "create", "secret", "generic", &name, &value]);
    }
    let emitted = emit(&site, &bundle, &["--secrets-exist"]);
    assert_eq!(emitted.code, 0, "{}", emitted.stderr);
    site.plane.feed(&["apply", "--server-side", "-f", "-"], &emitted.stdout);

    let deployment = "deployment/claude-relay";
    site.await_rollout(deployment);
    comes_to_differ_from_nothing(&site, &["-f", "-"], &emitted.stdout);
}

#[test]
fn altered_bundle_does_not_reach_kubectl() {
    let Some(site) = Site::new("emitted-altered") else { return };
    let site = site.with_namespace();
    let bundle = site.build("dev", &[]);
    let mut bytes = fs_err::read(&bundle).unwrap();
    // A character of the last manifest.
    let at = bytes.len() - 2048;
    bytes[at] ^= 1;
    fs_err::write(&bundle, bytes).unwrap();

    let emitted = emit(&site, &bundle, &["--secrets-exist"]);

    assert_eq!((emitted.code, emitted.stdout.as_str()), (3, ""), "{}", emitted.stderr);
}

#[test]
fn kubectl_diff_shows_only_unapplied_changes_of_rendered_folder() {
    let Some(site) = Site::new("rendered") else { return };
    let site = site.with_namespace();
    let namespace = format!("release.namespace=\"{}\"", site.namespace);
    let render = |settings: &[&str]| {
        let own = ["render", "dev", "--out", "folder", "--set", &namespace];
        let all: Vec<&str> =
            own.into_iter().chain(settings.iter().flat_map(|setting| ["--set", setting])).collect();
        let ran = site.run(&all);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        site.path().join("folder")
    };
    let folder = render(&[]);
    let files = ["-R", "-f", folder.as_str()];
    site.plane.kubectl(&[&["apply", "--server-side"], &files[..]].concat());

    for workload in site.plane.list(&site.namespace, "deployments,statefulsets") {
        let name = format!(
            "{}/{}",
            workload["kind"].as_str().unwrap(),
            workload["metadata"]["name"].as_str().unwrap()
        );
        site.await_rollout(&name);
    }
    comes_to_differ_from_nothing(&site, &files, "");
    render(&["service.annotations={\"example.internal/team\"=\"relay\"}"]);
    let changed = diff(&site, &files, "");

    assert_eq!(changed.code, 1, "{}", changed.stderr);
    let added: Vec<&str> =
        changed.stdout.lines().filter(|line| line.starts_with("+ ")).map(str::trim_end).collect();
    assert_eq!(added.len(), 2, "{}", changed.stdout);
    assert!(added[1].ends_with("example.internal/team: relay"), "{added:?}");
}
