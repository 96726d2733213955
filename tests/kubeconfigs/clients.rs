//! Runs this program or kubectl with a kubeconfig.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tempfile::TempDir;

use crate::certificates::Certificates;
use crate::recorder::Recorder;
use crate::tools::find;

/// A program that talks to API servers.
#[derive(Clone, Debug)]
pub(crate) enum Client {
    Ours,
    Kubectl(PathBuf),
}

impl Client {
    /// Returns kubectl, the oracle; `None` if it is not installed.
    pub(crate) fn kubectl() -> Option<Self> {
        find("kubectl", "kubernetes-client").map(Self::Kubectl)
    }

    fn command(&self) -> Command {
        match self {
            Self::Ours => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_relay-bundle"));
                command.args(["history", "--namespace", "relay"]);
                command
            }
            Self::Kubectl(program) => {
                let mut command = Command::new(program);
                command.args(["get", "--raw", "/version"]);
                command
            }
        }
    }
}

/// The input of a client.
#[derive(Clone, Copy)]
pub(crate) struct Given<'a> {
    /// The fields of the cluster and of the user, as YAML between braces.
    pub(crate) cluster: &'a str,
    pub(crate) user: &'a str,
    pub(crate) environment: &'a [(&'a str, &'a str)],
}

/// The result of a run.
pub(crate) struct Outcome {
    /// The first request as the server saw it, or `nothing`.
    pub(crate) arrived: String,
    pub(crate) stderr: String,
}

/// Writes a credential plugin that returns a token and a client certificate.
fn write_plugin(folder: &Path, certificates: &Certificates) {
    let answer = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
        "status": {"token": "P", "clientCertificateData": certificates.text("p256.crt"),
            "clientKeyData": certificates.text("p256.key")},
    });
    let path = folder.join("plugin");
    fs_err::write(&path, format!("#!/bin/sh\ncat <<'END'\n{answer}\nEND\n")).unwrap();
    fs_err::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
}

/// A server, and a folder for its kubeconfig.
pub(crate) struct Site {
    pub(crate) recorder: Recorder,
    pub(crate) folder: TempDir,
    certificates: &'static Certificates,
}

impl Site {
    pub(crate) fn new(certificates: &'static Certificates) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs_err::write(folder.path().join("token"), " FILE \n").unwrap();
        fs_err::write(folder.path().join("no-token"), " \n").unwrap();
        for file in fs_err::read_dir(certificates.folder()).unwrap().map(Result::unwrap) {
            fs_err::copy(file.path(), folder.path().join(file.file_name())).unwrap();
        }
        write_plugin(folder.path(), certificates);
        Self { recorder: Recorder::start(certificates), folder, certificates }
    }

    /// Runs a client and returns the result.
    pub(crate) fn run(&self, client: &Client, given: Given<'_>) -> Outcome {
        let kubeconfig = self.folder.path().join("kubeconfig");
        fs_err::write(&kubeconfig, self.kubeconfig(given)).unwrap();
        let filled =
            given.environment.iter().map(|(name, value)| (*name, self.recorder.fill(value)));
        let output = client
            .command()
            .arg("--kubeconfig")
            .arg(&kubeconfig)
            .env_clear()
            .env("HOME", self.folder.path())
            .env("PATH", "/usr/bin:/bin")
            .envs(filled)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        Outcome { arrived: self.recorder.first(), stderr }
    }

    fn kubeconfig(&self, given: Given<'_>) -> String {
        let text = format!(
            "{{apiVersion: v1, kind: Config, current-context: c, contexts: [{{name: c, context: {{cluster: c, user: u}}}}],\n\
             clusters: [{{name: c, cluster: {{{}}}}}],\nusers: [{{name: u, user: {{{}}}}}]}}\n",
            given.cluster, given.user
        );
        self.recorder.fill(&self.with_files(&text))
    }

    /// Replaces `<FILE>` by that file's content in base64.
    fn with_files(&self, text: &str) -> String {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('<') {
            let (file, behind) = behind.split_once('>').unwrap();
            filled.push_str(before);
            filled.push_str(&STANDARD.encode(self.certificates.text(file)));
            rest = behind;
        }
        filled + rest
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}
