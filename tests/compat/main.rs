//! Files of earlier releases stay readable. There is one folder per release; README.md says how
//! each file was made.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod images;

use std::os::unix::fs::PermissionsExt;

use assert_cmd::Command;
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

const PROFILES: [&str; 5] = ["dev", "production", "loki-logging", "pvc-logs", "sealed"];

/// A writable copy of a release's files, with its own home.
struct Release {
    folder: tempfile::TempDir,
}

struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Release {
    fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        copy(&Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compat").join(name), root);
        Self { folder }
    }

    fn path(&self) -> &Utf8Path {
        Utf8Path::from_path(self.folder.path()).unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_relay-bundle"));
        let command =
            command.args(arguments).current_dir(self.path()).env_clear().env("HOME", self.path());
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran {
            code: output.status.code().unwrap(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 0, "{arguments:?}: {}{}", ran.stdout, ran.stderr);
        ran.stdout
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.ok(&[arguments, &["--json"]].concat())).unwrap()
    }
}

/// Copies a folder with its links. Git records no mode but the executable bit, and other users must
/// not be able to write a policy.
fn copy(from: &Utf8Path, to: &Utf8Path) {
    for entry in from.read_dir_utf8().unwrap() {
        let entry = entry.unwrap();
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().unwrap();
        if kind.is_symlink() {
            let link: Utf8PathBuf = source.read_link_utf8().unwrap();
            std::os::unix::fs::symlink(link, target).unwrap();
        } else if kind.is_dir() {
            fs_err::create_dir(&target).unwrap();
            copy(source, &target);
        } else {
            fs_err::copy(source, &target).unwrap();
            fs_err::set_permissions(&target, PermissionsExt::from_mode(0o644)).unwrap();
        }
    }
}

/// One folder per release. Entries are never removed from this list.
const RELEASES: [&str; 1] = ["0.1-abi2"];

fn releases() -> impl Iterator<Item = Release> {
    RELEASES.iter().map(|name| Release::new(name))
}

#[test]
fn old_archives_verify_under_policy_of_their_time() {
    for release in releases() {
        for profile in PROFILES {
            let file = format!("{profile}.tar");
            let report = release.json(&["verify", &file, "--trust", "trust.toml"]);
            assert_eq!(report["profile"], profile, "{report}");
        }
        release.ok(&["verify", "production-plant-7.tar", "--trust", "trust.toml"]);
        release.ok(&["verify", "parts/production.tar.parts", "--trust", "trust.toml"]);
        let emitted = release.ok(&["verify", "dev.tar", "--trust", "trust.toml", "--emit"]);
        assert!(emitted.contains("kind: Deployment"), "{emitted}");
    }
}

#[test]
fn old_archives_are_inspected_listed_and_compared() {
    for release in releases() {
        for profile in PROFILES {
            let file = format!("{profile}.tar");
            assert_eq!(release.json(&["inspect", &file])["profile"], profile);
            assert!(release.ok(&["images", &file]).contains("claude-relay-service"), "{profile}");
            release.ok(&["rbac", &file]);
        }
        let ran = release.run(&["diff", "production.tar", "production-plant-7.tar"]);
        assert!(
            ran.stdout.contains("config.logLevel: info -> debug"),
            "{}{}",
            ran.stdout,
            ran.stderr
        );
        release.ok(&["join", "parts/production.tar.parts", "--out", "joined.tar"]);
        let read = |name: &str| fs_err::read(release.path().join(name)).unwrap();
        assert_eq!(read("joined.tar"), read("production.tar"));
    }
}

#[test]
fn stores_of_earlier_releases_serve_and_take_new_builds() {
    for release in releases() {
        let store = ["--store", "store"];
        for profile in ["dev", "production"] {
            let entry = format!("@{profile}");
            release.ok(&[&["verify", &entry, "--trust", "trust.toml"], &store[..]].concat());
            release.ok(&[&["pack", &entry, "packed.tar"], &store[..]].concat());
            let read = |name: &str| fs_err::read(release.path().join(name)).unwrap();
            assert_eq!(read("packed.tar"), read(&format!("{profile}.tar")), "{profile}");
            fs_err::remove_file(release.path().join("packed.tar")).unwrap();
        }
        let profiles = concat!(env!("CARGO_MANIFEST_DIR"), "/profiles");
        release.ok(&[&["build", "dev", "--profiles", profiles, "--quiet"], &store[..]].concat());
        release.ok(&[&["gc", "--dry-run"], &store[..]].concat());
    }
}

#[test]
fn floors_of_earlier_releases_still_refuse_older_bundles() {
    for release in releases() {
        let state = release.path().join(".local/state/relay-bundle");
        fs_err::create_dir_all(&state).unwrap();
        let file = state.join("state.json");
        fs_err::copy(release.path().join("state.json"), &file).unwrap();
        fs_err::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();

        let shown = release.json(&["state", "show"]);
        assert_eq!(shown["floors"].as_array().unwrap().len(), 5, "{shown}");

        // The minimum serial of production for the site is that of the later bundle.
        let ran = release.run(&["verify", "production.tar", "--trust", "trust.toml"]);
        assert_eq!(ran.code, 3, "{}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains("ROLLBACK"), "{}", ran.stderr);
        release.ok(&["verify", "production-plant-7.tar", "--trust", "trust.toml", "--record"]);
        release.ok(&["verify", "dev.tar", "--trust", "trust.toml", "--record"]);
    }
}
