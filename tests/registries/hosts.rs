//! Host names that lead to loopback addresses, for the commands of a test only.

use std::path::PathBuf;
use std::process::Command;

use tempfile::NamedTempFile;

use crate::oci::is_root;
use crate::tools::{find, skip};
use crate::workplace::Workplace;

/// Runs its second and later arguments with the first one in place of `/etc/hosts`, in a private
/// mount namespace.
const BIND: &str = "mount --bind \"$0\" /etc/hosts && exec \"$@\"";

/// A file of host names that replaces the machine's.
pub(crate) struct Mapped {
    unshare: PathBuf,
    hosts: NamedTempFile,
}

/// Maps names to addresses. Skips the test where namespaces are not permitted.
pub(crate) fn mapped(names: &[(&str, &str)]) -> Option<Mapped> {
    let unshare = find("unshare", "util-linux")?;
    if !is_root("a file of host names for a test") {
        return None;
    }
    let lines: Vec<String> =
        names.iter().map(|(address, name)| format!("{address} {name}\n")).collect();
    let hosts = NamedTempFile::new().unwrap();
    fs_err::write(hosts.path(), format!("127.0.0.1 localhost\n{}", lines.concat())).unwrap();
    let mapped = Mapped { unshare, hosts };
    let permitted = mapped.line("true").output().unwrap().status.success();
    if !permitted {
        skip("unshare --mount is not permitted");
    }
    permitted.then_some(mapped)
}

impl Mapped {
    /// Returns a command that runs the program in a folder.
    pub(crate) fn command(&self, place: &Workplace, arguments: &[&str]) -> Command {
        let mut command = self.line(env!("CARGO_BIN_EXE_relay-bundle"));
        place.prepare(&mut command);
        command.args(arguments);
        command
    }

    /// Returns a command that runs any program.
    pub(crate) fn line(&self, program: &str) -> Command {
        let mut command = Command::new(&self.unshare);
        command.args(["--mount", "sh", "-c", BIND]).arg(self.hosts.path()).arg(program);
        command
    }
}
