//! Helpers for the tests that run real programs.

mod tools;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) use tools::find;
use tools::skip;

/// Returns true if this machine permits process and mount namespaces of a test's own.
pub(crate) fn isolated() -> bool {
    let Some(unshare) = find("unshare", "util-linux") else { return false };
    let output = Command::new(unshare).args(["--mount", "--pid", "--fork", "true"]).output();
    let allowed = output.is_ok_and(|output| output.status.success());
    if !allowed {
        skip("unshare --mount --pid is not permitted (run the tests as root)");
    }
    allowed
}

/// Returns the children of a process.
pub(crate) fn children(process: i64) -> Vec<i64> {
    let list = text_of(Path::new(&format!("/proc/{process}/task/{process}/children")));
    list.split_whitespace().filter_map(|child| child.parse().ok()).collect()
}

/// Waits until a condition holds.
#[track_caller]
pub(crate) fn wait_until(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < limit, "waited {limit:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Reads a text file; a missing one is empty.
pub(crate) fn text_of(file: &Path) -> String {
    fs_err::read(file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// Sends a signal to a process, or to a process group if the number is negative.
pub(crate) fn signal(name: &str, process: i64) {
    let status = Command::new("/bin/sh")
        .args(["-c", &format!("kill -{name} {process}")])
        .stderr(Stdio::null())
        .status();
    status.expect("the system has a shell");
}
