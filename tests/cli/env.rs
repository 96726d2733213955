//! A separate place for each test: an empty environment, an empty home, profiles and a store.

use assert_cmd::Command;
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

/// The settings that all profiles share; none of them causes a warning.
const BASE: &str = r#"
config.logLevel = "warn"

[release]
name = "relay"
namespace = "relay"
recoveryRecipients = ["age1vw5psx0afg5ns8pgw25p5auz3c9qnmq7h3hcgchd4snllylqgyxqtufe3f"]

[image]
digest = "sha256:0123456789012345678901234567890123456789012345678901234567890123"

[storage.logs.fluentbit.image]
digest = "sha256:0123456789012345678901234567890123456789012345678901234567890123"
"#;

/// The profiles of most tests: `base`, `web` on top of it, and `dev` with a literal secret.
const PROFILES: [(&str, &str); 3] = [
    ("base", BASE),
    ("web", "extends = [\"base\"]\n[redis.auth]\nenabled = true\n"),
    (
        "dev",
        "extends = [\"base\"]\nrelease.environment = \"dev\"\nconfig.jwtSecret = { value = \"not-a-secret-1\", revision = 1 }\n",
    ),
];

pub(crate) struct TestEnv {
    folder: tempfile::TempDir,
}

/// A command's output and exit code.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl TestEnv {
    pub(crate) fn new() -> Self {
        let env = Self { folder: tempfile::tempdir().unwrap() };
        fs_err::create_dir_all(env.path().join("profiles")).unwrap();
        for (name, text) in PROFILES {
            env.write_profile(name, text);
        }
        env
    }

    pub(crate) fn path(&self) -> &Utf8Path {
        Utf8Path::from_path(self.folder.path()).unwrap()
    }

    pub(crate) fn write_profile(&self, name: &str, text: &str) {
        fs_err::write(self.path().join(format!("profiles/{name}.toml")), text).unwrap();
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_relay-bundle"));
        command.args(arguments).current_dir(self.path()).env_clear().env("HOME", self.path());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let output = self.command(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran {
            code: output.status.code().unwrap(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Runs a command that must succeed.
    #[track_caller]
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.stderr);
        ran.stdout
    }

    /// Builds a profile and returns the path of its entry.
    #[track_caller]
    pub(crate) fn build(&self, arguments: &[&str]) -> Utf8PathBuf {
        let all: Vec<&str> = ["build"].into_iter().chain(arguments.iter().copied()).collect();
        self.path().join(self.ok(&all).trim())
    }
}

impl Ran {
    /// Parses stdout, which must be a JSON report only.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}
