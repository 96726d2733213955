//! A running command that reaches the cluster through a proxy.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};

use camino::Utf8Path;

use crate::proxy::Proxy;
use crate::site::Site;

pub(crate) struct Started(Child);

/// The exit code, the signal and the messages of a run.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `None` if a signal ended the run.
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) stderr: String,
}

impl Site {
    /// Starts to apply a bundle through a proxy.
    pub(crate) fn start(&self, proxy: &Proxy, bundle: &Utf8Path, arguments: &[&str]) -> Started {
        start(self.path(), proxy, bundle, arguments)
    }

    /// Applies a bundle through a proxy.
    pub(crate) fn apply_through(
        &self,
        proxy: &Proxy,
        bundle: &Utf8Path,
        arguments: &[&str],
    ) -> Ended {
        self.start(proxy, bundle, arguments).end()
    }
}

/// Starts to apply a bundle through a proxy, in a folder with a policy.
pub(crate) fn start(
    folder: &Utf8Path,
    proxy: &Proxy,
    bundle: &Utf8Path,
    arguments: &[&str],
) -> Started {
    spawn(folder, proxy, &[&["apply", bundle.as_str()], arguments].concat())
}

/// Starts a command for a bundle through a proxy, in a folder with a policy.
pub(crate) fn spawn(folder: &Utf8Path, proxy: &Proxy, arguments: &[&str]) -> Started {
    spawn_as_it_is(folder, proxy, &[arguments, &["--trust", "trust.toml", "--yes"]].concat())
}

/// Starts a command through a proxy.
pub(crate) fn spawn_as_it_is(folder: &Utf8Path, proxy: &Proxy, arguments: &[&str]) -> Started {
    let kubeconfig = tempfile::Builder::new().suffix(".kubeconfig").tempfile_in(folder).unwrap();
    let (_, kubeconfig) = kubeconfig.keep().unwrap();
    fs_err::write(&kubeconfig, proxy.kubeconfig()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_relay-bundle"));
    command.args(arguments).arg("--kubeconfig").arg(kubeconfig);
    command.current_dir(folder).env_clear().env("HOME", folder);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    proxy.program_is(child.id());
    Started(child)
}

impl Started {
    /// Returns the process ID.
    pub(crate) fn process(&self) -> u32 {
        self.0.id()
    }

    /// Returns how often the process has slept, waiting for work.
    pub(crate) fn times_asleep(&self) -> u64 {
        let status = fs_err::read_to_string(format!("/proc/{}/status", self.process())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.unwrap().trim().parse().unwrap()
    }

    pub(crate) fn is_under_way(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }

    /// Waits until the process ends.
    pub(crate) fn end(self) -> Ended {
        let output = self.0.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ended {
            code: output.status.code(),
            signal: output.status.signal(),
            stderr: text(output.stderr),
        }
    }
}
