//! The same profile gives the same bytes in every process, independent of its environment.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

#[path = "support/tools.rs"]
mod tools;

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use camino::{Utf8Path, Utf8PathBuf};
use relay_bundle::model::digest::Digest;
use tools::{find, skip};

const SHIPPED: [&str; 4] = ["dev", "loki-logging", "production", "pvc-logs"];

/// The program and its profiles in a folder that every user can read.
struct Place {
    root: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        set_permissions(root.path(), Permissions::from_mode(0o755)).unwrap();
        let place = Self { root };
        // A child copies it: a process that another test starts at this moment would inherit an
        // open file of ours, and a program that is open for writing cannot be run.
        let own = [env!("CARGO_BIN_EXE_relay-bundle"), place.path("relay-bundle").as_str()]
            .map(str::to_owned);
        assert!(Command::new("cp").args(own).status().unwrap().success());
        copy(Utf8Path::new("profiles"), &place.path("profiles"));
        place
    }

    fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.root.path()).unwrap().join(name)
    }

    /// Makes a store that every user can write.
    fn store(&self, name: &str) -> Utf8PathBuf {
        let store = self.path(name);
        fs_err::create_dir(&store).unwrap();
        set_permissions(&store, Permissions::from_mode(0o777)).unwrap();
        store
    }

    /// Builds all profiles with a command line in front of the program's, and returns their content
    /// ids.
    fn build(
        &self,
        name: &str,
        profiles: &Utf8Path,
        surroundings: impl FnOnce(&mut Command),
        before: &[&str],
    ) -> Vec<String> {
        let store = self.store(name);
        let program = self.path("relay-bundle");
        let mut words = before.iter().copied().chain([
            program.as_str(),
            "build",
            "--profiles",
            profiles.as_str(),
        ]);
        let mut command = Command::new(words.next().unwrap());
        command.args(words).args(["--store", store.as_str()]).args(SHIPPED);
        command.current_dir(self.root.path()).env_clear();
        surroundings(&mut command);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {}\n{said}", output.status);
        let entries = String::from_utf8(output.stdout).unwrap();
        let entries: Vec<Utf8PathBuf> =
            entries.lines().map(|entry| self.path("").join(entry)).collect();
        assert_eq!(entries.len(), SHIPPED.len(), "{name}");
        entries.iter().map(|entry| content_id(entry)).collect()
    }

    fn plain(&self, name: &str) -> Vec<String> {
        self.build(name, &self.path("profiles"), |_| {}, &[])
    }
}

/// Checks the files of a store entry against its sums, including their modes, and returns its
/// content id.
fn content_id(entry: &Utf8Path) -> String {
    let sums = fs_err::read_to_string(entry.join("SHA256SUMS")).unwrap();
    for line in sums.lines() {
        let (digest, path) = line.split_once("  ").unwrap();
        let path = entry.join(path);
        assert_eq!(Digest::of(&fs_err::read(&path).unwrap()).to_string(), digest, "{path}");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o644, "{path}");
    }
    format!("sha256:{}", Digest::of(sums.as_bytes()))
}

fn copy(from: &Utf8Path, to: &Utf8Path) {
    fs_err::create_dir_all(to).unwrap();
    for entry in from.read_dir_utf8().unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(entry.path(), &target);
        } else {
            fs_err::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn build_has_pinned_content_ids() {
    let place = Place::new();
    let pinned = fs_err::read_to_string("bundles/digests.toml").unwrap();
    for (profile, id) in SHIPPED.iter().zip(place.plain("plain")) {
        assert!(
            pinned.lines().any(|line| line == format!("{profile} = \"{id}\"")),
            "{profile} is {id}"
        );
    }
}

#[test]
fn time_zone_locale_and_environment_do_not_matter() {
    let place = Place::new();
    let expected = place.plain("plain");
    let surroundings: [&[(&str, &str)]; 4] = [
        &[("TZ", "Pacific/Kiritimati"), ("LC_ALL", "tr_TR.UTF-8"), ("LANG", "tr_TR.UTF-8")],
        &[("TZ", "America/St_Johns"), ("LC_ALL", "C"), ("LANGUAGE", "ar")],
        &[
            ("SOURCE_DATE_EPOCH", "0"),
            ("HOME", "/nonexistent"),
            ("USER", "somebody"),
            ("HOSTNAME", "elsewhere"),
        ],
        &[
            ("RUST_LOG", "trace"),
            ("RAYON_NUM_THREADS", "7"),
            ("NO_COLOR", "1"),
            ("TERM", "dumb"),
            ("COLUMNS", "20"),
        ],
    ];
    for (at, variables) in surroundings.iter().enumerate() {
        let set = |command: &mut Command| {
            command.envs(variables.iter().copied());
        };
        let found = place.build(&format!("variables-{at}"), &place.path("profiles"), set, &[]);
        assert_eq!(found, expected, "{variables:?}");
    }
}

#[test]
fn umask_affects_neither_content_nor_modes() {
    let place = Place::new();
    let expected = place.plain("plain");
    for umask in ["000", "027", "077"] {
        let command = format!("umask {umask} && exec \"$@\"");
        let before = ["/bin/sh", "-c", &command, "sh"];
        let found = place.build(umask, &place.path("profiles"), |_| {}, &before);
        assert_eq!(found, expected, "umask {umask}");
    }
}

#[test]
fn folder_and_timestamps_do_not_affect_build() {
    let place = Place::new();
    let expected = place.plain("plain");
    let other = place.path("another checkout/ünïcode/profiles");
    copy(&place.path("profiles"), &other);
    for (at, entry) in other.read_dir_utf8().unwrap().map(Result::unwrap).enumerate() {
        let time = UNIX_EPOCH + Duration::from_secs(86_400 * (1 + at as u64));
        fs_err::OpenOptions::new()
            .write(true)
            .open(entry.path())
            .unwrap()
            .set_modified(time)
            .unwrap();
    }

    let absolute = place.build("absolute", &other, |_| {}, &[]);
    let from_root = place.build(
        "from-root",
        &other,
        |command| {
            command.current_dir("/");
        },
        &[],
    );
    let relative = place.build(
        "relative",
        Utf8Path::new("../profiles"),
        |command| {
            command.current_dir(other.parent().unwrap().join("profiles"));
        },
        &[],
    );

    assert_eq!([absolute, from_root, relative], [expected.clone(), expected.clone(), expected]);
}

#[test]
fn line_ends_and_byte_order_marks_do_not_matter() {
    let place = Place::new();
    let expected = place.plain("plain");
    let windows = place.path("windows");
    copy(&place.path("profiles"), &windows);
    for entry in windows.read_dir_utf8().unwrap().map(Result::unwrap) {
        let text = fs_err::read_to_string(entry.path()).unwrap();
        fs_err::write(entry.path(), format!("\u{feff}{}", text.replace('\n', "\r\n"))).unwrap();
    }

    assert_eq!(place.build("windows-store", &windows, |_| {}, &[]), expected);
}

#[test]
fn processor_count_does_not_affect_build() {
    let Some(taskset) = find("taskset", "util-linux") else { return };
    let place = Place::new();
    let before = [taskset.to_str().unwrap(), "-c", "0"];
    assert_eq!(place.build("one", &place.path("profiles"), |_| {}, &before), place.plain("plain"));
}

#[test]
fn user_does_not_affect_build() {
    let Some(setpriv) = find("setpriv", "util-linux") else { return };
    let before = [setpriv.to_str().unwrap(), "--reuid=65534", "--regid=65534", "--clear-groups"];
    if !Command::new(before[0])
        .args(&before[1..])
        .arg("true")
        .status()
        .is_ok_and(|status| status.success())
    {
        return skip("only root can become another user");
    }
    let place = Place::new();
    assert_eq!(
        place.build("nobody", &place.path("profiles"), |_| {}, &before),
        place.plain("plain")
    );
}

#[test]
fn concurrent_builds_create_same_entries() {
    let place = Place::new();
    let expected = place.plain("plain");
    let store = place.store("shared");
    let build = || {
        let mut command = Command::new(place.path("relay-bundle"));
        command
            .current_dir(place.root.path())
            .args(["build", "--store", store.as_str()])
            .args(SHIPPED);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };

    let outputs: Vec<String> = std::thread::scope(|scope| {
        let builds: Vec<_> = (0..4).map(|_| scope.spawn(build)).collect();
        builds.into_iter().map(|build| build.join().unwrap()).collect()
    });

    for output in &outputs {
        let ids: Vec<String> =
            output.lines().map(|entry| content_id(Utf8Path::new(entry))).collect();
        assert_eq!(ids, expected);
    }
}

#[test]
fn build_check_proves_it_to_anyone() {
    let place = Place::new();
    let mut command = Command::new(place.path("relay-bundle"));
    command.current_dir(place.root.path()).args(["build", "production", "--check"]);
    let output = command.args(["--set", "replicaCount=4"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("checked production: 3 builds in other processes gave identical bytes"),
        "{said}"
    );
}
