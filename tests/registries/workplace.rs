//! The program in its own folder: profiles, a store, and none of the machine's settings.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::oci::registry::{Access, Registry};

/// The settings that every profile of these tests has besides its image.
const REST: &str = r#"
config.logLevel = "warn"
redis.enabled = false
externalRedis.host = "redis.example.internal"
storage.logs.mode = "emptyDir"

[release]
name = "relay"
namespace = "relay"
environment = "dev"
recoveryRecipients = ["age1vw5psx0afg5ns8pgw25p5auz3c9qnmq7h3hcgchd4snllylqgyxqtufe3f"]
"#;

/// A folder with `profiles` and a store.
pub(crate) struct Workplace {
    folder: TempDir,
}

/// The output and exit code of a command.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Workplace {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs_err::create_dir(folder.path().join("profiles")).unwrap();
        Self { folder }
    }

    /// Returns a folder with a profile `relay` of one image.
    pub(crate) fn with_image(image: &str) -> Self {
        let place = Self::new();
        place.write_profile("relay", image, "");
        place
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a profile whose relay has this image, `repository:tag` or `repository:tag@digest`.
    pub(crate) fn write_profile(&self, name: &str, image: &str, more: &str) {
        let (image, digest) = image.split_once('@').unwrap_or((image, ""));
        let (repository, tag) = image.rsplit_once(':').expect("an image with a tag");
        let image = format!(
            "image = {{ repository = \"{repository}\", tag = \"{tag}\", digest = \"{digest}\" }}\n"
        );
        self.write(&format!("profiles/{name}.toml"), &(image + more + REST));
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        fs_err::write(self.path().join(path), text).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs_err::read_to_string(self.path().join(path)).unwrap()
    }

    /// Returns the text of the lock, if there is one.
    pub(crate) fn lock(&self) -> Option<String> {
        fs_err::read_to_string(self.path().join("profiles/images.lock")).ok()
    }

    /// Returns the path of a blob in the store.
    pub(crate) fn blob(&self, hex: &str) -> PathBuf {
        self.path().join("bundles/.blobs/sha256").join(hex)
    }

    /// Returns the path of a partially fetched blob.
    pub(crate) fn partial(&self, hex: &str) -> PathBuf {
        self.path().join("bundles/.blobs/.partial").join(hex)
    }

    /// Returns the names of the blobs in the store, sorted.
    pub(crate) fn blobs(&self) -> Vec<String> {
        let Ok(items) = fs_err::read_dir(self.blob("")) else { return Vec::new() };
        let mut names: Vec<String> =
            items.map(|item| item.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_relay-bundle"));
        self.prepare(&mut command);
        command.args(arguments);
        command
    }

    /// Runs a command here, without the machine's settings.
    pub(crate) fn prepare(&self, command: &mut Command) {
        command.current_dir(self.path()).env_clear().env("HOME", self.path());
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").stdin(Stdio::null());
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(&mut self.command(arguments))
    }

    /// Runs a command that must succeed; returns its standard output.
    #[track_caller]
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!(ran.code, Some(0), "{arguments:?}: {}", ran.stderr);
        ran.stdout
    }

    /// Runs a command that must succeed, with the options for a registry.
    #[track_caller]
    pub(crate) fn ok_at(&self, registry: &Registry, arguments: &[&str]) -> String {
        let options = self.options(registry);
        self.ok(&arguments
            .iter()
            .copied()
            .chain(options.iter().map(String::as_str))
            .collect::<Vec<_>>())
    }

    /// Returns the options for a registry: its authority, and a file of credentials.
    pub(crate) fn options(&self, registry: &Registry) -> Vec<String> {
        if registry.access() == Access::Plain {
            return Vec::new();
        }
        let file = self.path().join("auth.json");
        registry.write_credentials(&file);
        let (file, ca) = (file.display().to_string(), registry.ca_folder().join("ca.crt"));
        vec!["--registry-config".to_owned(), file, "--ca".to_owned(), ca.display().to_string()]
    }
}

impl Ran {
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Parses standard output, which must be a JSON report only.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}
