//! Real registries, containerd and skopeo, and images for them.
//!
//! A test program that uses this module also declares `openssl`, `tar` and `tools` of this folder's
//! parent, at its root.

pub(crate) mod access;
pub(crate) mod answer;
pub(crate) mod authority;
pub(crate) mod containerd;
pub(crate) mod image;
pub(crate) mod layout;
pub(crate) mod proxy;
pub(crate) mod registry;
pub(crate) mod skopeo;
pub(crate) mod token_server;

use std::path::PathBuf;
use std::process::{Command, Output};

use crate::tools::skip;

/// Returns a command without the machine's environment: no proxy, no home, no credentials.
fn isolated(program: &PathBuf) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", "/nonexistent");
    command.stdin(std::process::Stdio::null());
    command
}

/// Returns true if the user is root; otherwise the test is skipped with a note, and fails in CI.
pub(crate) fn is_root(what: &str) -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        skip(&format!("{what} needs root (run the tests as root)"));
    }
    is_root
}

/// Runs a command; returns its standard output, or the text of its standard error.
fn run(command: &mut Command) -> Result<Vec<u8>, String> {
    let Output { status, stdout, stderr } = command.output().unwrap();
    if status.success() { Ok(stdout) } else { Err(String::from_utf8_lossy(&stderr).into_owned()) }
}
