//! What the tests that run real programs share.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Returns where a program is. Where it is missing, the test is skipped with a note; in CI it fails.
#[expect(clippy::disallowed_methods, reason = "the programs under test are those of the machine")]
pub(crate) fn find(program: &str, package: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file());
    if found.is_none() {
        skip(&format!("{program} not found (apt-get install {package})"));
    }
    found
}

/// Says that a test does not run. In CI nothing may be skipped.
#[expect(clippy::disallowed_methods, reason = "CI=true is how a caller asks for all tests")]
fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{why}");
    // The test harness would hide what goes through `eprintln!`.
    writeln!(std::io::stderr(), "skipped: {why}").expect("standard error is open");
}

/// Whether this machine lets tests have process and mount namespaces of their own.
pub(crate) fn isolated() -> bool {
    let Some(unshare) = find("unshare", "util-linux") else { return false };
    let output = Command::new(unshare).args(["--mount", "--pid", "--fork", "true"]).output();
    let allowed = output.is_ok_and(|output| output.status.success());
    if !allowed {
        skip("unshare --mount --pid is not permitted (run the tests as root)");
    }
    allowed
}

/// The processes that a process has started.
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

/// Reads a text file, or nothing if it is not there yet.
pub(crate) fn text_of(file: &Path) -> String {
    fs_err::read(file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// Sends a signal to a process, or with a negative number to a process group.
pub(crate) fn signal(name: &str, process: i64) {
    let status = Command::new("/bin/sh")
        .args(["-c", &format!("kill -{name} {process}")])
        .stderr(Stdio::null())
        .status();
    status.expect("the system has a shell");
}
