//! The real Fluent Bit with the rendered configuration, and the data that reaches each receiver.
//!
//! No package registry has the program, so these tests run where `fluent-bit` is on the path. They
//! passed with 5.1.1, built from its sources.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use relay_bundle::profile::masking::Visibility;
use relay_bundle::profile::overlay::ProfileFiles;
use relay_bundle::profile::resolve::Profile;
use relay_bundle::render::render;
use tempfile::TempDir;

use super::lines::{KEPT, LAST, SECRET, file};
use super::receiver::Receiver;
use super::tools;

/// A mode or an output: the profile, in which PORT stands for the receiver's port.
pub(crate) struct Case {
    pub(crate) profile: &'static str,
    pub(crate) output: &'static str,
}

const OUTPUT: &str = "storage.logs.fluentbit.output";

/// The seven outputs of the mode `fluentbit`, and the mode `forward`.
pub(crate) const CASES: [Case; 8] = [
    Case { output: "stdout", profile: "" },
    Case {
        output: "forward",
        profile: "OUTPUT.type = \"forward\"\nOUTPUT.config = { host = \"127.0.0.1\", port = PORT, require_ack_response = false }",
    },
    Case {
        output: "es",
        profile: "OUTPUT.type = \"es\"\nOUTPUT.config = { host = \"127.0.0.1\", port = PORT }",
    },
    Case {
        output: "loki",
        profile: "OUTPUT.type = \"loki\"\nOUTPUT.config = { host = \"127.0.0.1\", port = PORT }",
    },
    Case {
        output: "http",
        profile: "OUTPUT.type = \"http\"\nOUTPUT.config = { host = \"127.0.0.1\", port = PORT }",
    },
    Case {
        output: "kafka",
        profile: "OUTPUT.type = \"kafka\"\nOUTPUT.config = { brokers = \"127.0.0.1:9\", topics = \"logs\", \"rdkafka.test.mock.num.brokers\" = 1 }",
    },
    Case {
        output: "s3",
        profile: "OUTPUT.type = \"s3\"\nOUTPUT.config = { bucket = \"b\", region = \"us-east-1\", endpoint = \"http://127.0.0.1:PORT\", use_put_object = true, upload_timeout = \"2s\" }",
    },
    Case {
        output: "mode forward",
        profile: "storage.logs.mode = \"forward\"\nOUTPUT.config = { host = \"127.0.0.1\", port = PORT, require_ack_response = false }",
    },
];

/// One profile as text.
struct Text(String);

impl ProfileFiles for Text {
    fn profile(&self, name: &str) -> Result<(String, Vec<u8>), String> {
        Ok((format!("{name}.toml"), self.0.as_bytes().to_vec()))
    }

    fn visibility(&self, _: &str) -> Visibility {
        Visibility::Lines
    }

    fn file(&self, path: &str) -> Result<Vec<u8>, String> {
        Err(format!("file `{path}` does not exist"))
    }

    fn names(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Loads a profile for development.
pub(crate) fn load(text: &str) -> Profile {
    let text = format!("release.environment = \"dev\"\n{text}");
    let loaded = relay_bundle::profile::load("test", &[], &Text(text));
    let found: Vec<&str> =
        loaded.diagnostics.iter().map(|finding| finding.message.as_str()).collect();
    loaded.profile.unwrap_or_else(|| panic!("{found:?}"))
}

impl Case {
    /// Returns the configuration that the sidecar mounts.
    pub(crate) fn config(&self) -> String {
        self.config_for(24_224)
    }

    fn config_for(&self, port: u16) -> String {
        let profile = self.profile.replace("OUTPUT", OUTPUT).replace("PORT", &port.to_string());
        let set = render(&load(&profile));
        let maps = set.iter().filter(|manifest| manifest.key.kind == "ConfigMap");
        let mut texts = maps
            .filter_map(|map| map.object["data"]["fluent-bit.yaml"].as_str().map(str::to_owned));
        texts.next().expect("the sidecar has a configuration")
    }
}

/// Returns the path of Fluent Bit. Without it a test is skipped, even in CI.
#[expect(clippy::disallowed_methods, reason = "the program under test is that of the machine")]
fn fluent_bit() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join("fluent-bit"))
        .find(|file| file.is_file());
    if found.is_none() {
        writeln!(std::io::stderr(), "skipped: fluent-bit not found")
            .expect("standard error is open");
    }
    found
}

#[track_caller]
fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_mins(1), "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A running Fluent Bit with its own folders.
struct Sidecar {
    folder: TempDir,
    child: Child,
    http_port: u16,
}

impl Sidecar {
    /// Starts Fluent Bit, under a tracer that records its output if there is one.
    fn start(program: &PathBuf, config: &str, tracer: Option<PathBuf>) -> Self {
        let folder = TempDir::new().expect("a folder");
        let path = |name: &str| folder.path().join(name).display().to_string();
        for name in ["logs", "state"] {
            fs_err::create_dir(path(name)).expect("a new folder");
        }
        fs_err::write(path("logs/claude-relay-2026-11-22.log"), file()).expect("a log");
        let http_port = Receiver::start().port + 1;
        let config = config
            .replace("/app/logs", &path("logs"))
            .replace("/fluent-bit/state", &path("state"))
            .replace("http_port: 2020", &format!("http_port: {http_port}"));
        fs_err::write(path("fluent-bit.yaml"), config).expect("a configuration");
        let told = fs_err::File::create(path("told")).expect("a file").into_file();
        let mut command = match tracer {
            Some(strace) => {
                let mut command = Command::new(strace);
                command.args([
                    "-f",
                    "-s",
                    "1000000",
                    "-e",
                    "trace=write,writev,sendto,sendmsg",
                    "-o",
                    &path("sent"),
                ]);
                command.arg(program);
                command
            }
            None => Command::new(program),
        };
        let variables = [
            "NODE_NAME",
            "POD_NAME",
            "POD_NAMESPACE",
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
        ];
        command
            .process_group(0)
            .env_clear()
            .envs(variables.map(|name| (name, "x")))
            .stdin(Stdio::null());
        let child = command
            .args(["-c", &path("fluent-bit.yaml")])
            .stderr(told.try_clone().expect("a file"))
            .stdout(told)
            .spawn()
            .expect("Fluent Bit starts");
        Self { folder, child, http_port }
    }

    /// Returns its printed output, and its sent data if it was traced.
    fn told(&self) -> String {
        let text = |name| fs_err::read(self.folder.path().join(name)).unwrap_or_default();
        ["told", "sent"].map(|name| String::from_utf8_lossy(&text(name)).into_owned()).concat()
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        // The tracer and its child are one process group.
        let group = format!("kill -KILL -{}", self.child.id());
        Command::new("/bin/sh").args(["-c", &group]).status().expect("the system has a shell");
        self.child.wait().ok();
    }
}

#[test]
fn real_fluent_bit_sends_no_secret_to_any_receiver() {
    let Some(program) = fluent_bit() else { return };
    for case in &CASES {
        let receiver = Receiver::start();
        let tracer = if case.output == "kafka" { tools::find("strace", "strace") } else { None };
        let sidecar = Sidecar::start(&program, &case.config_for(receiver.port), tracer);
        let arrived = || receiver.text() + &sidecar.told();

        wait_until(case.output, || arrived().contains(LAST));

        let arrived = arrived();
        assert!(!arrived.contains(SECRET), "{}: {arrived}", case.output);
        for text in KEPT {
            // JSON may escape slashes.
            assert!(
                arrived.replace("\\/", "/").contains(text),
                "{}: {text} is not in {arrived}",
                case.output
            );
        }
    }
}

#[test]
fn real_fluent_bit_server_answers_on_ipv4_and_ipv6() {
    let Some(program) = fluent_bit() else { return };
    let case = Case { profile: "config.host = \"::\"", output: "stdout" };

    let sidecar = Sidecar::start(&program, &case.config(), None);

    for address in ["127.0.0.1", "::1"] {
        let reached = || std::net::TcpStream::connect((address, sidecar.http_port)).is_ok();
        wait_until(address, reached);
    }
}
