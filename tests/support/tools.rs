//! The machine's programs that tests run; without one, a test is skipped.

use std::io::Write as _;
use std::path::PathBuf;

/// Returns the path of a program. If it is missing, the test is skipped with a note; in CI it
/// fails.
pub(crate) fn find(program: &str, package: &str) -> Option<PathBuf> {
    let found = on_path(program);
    if found.is_none() {
        skip(&format!("{program} not found (apt-get install {package})"));
    }
    found
}

/// Returns the path of a program, if it is on the path.
#[expect(clippy::disallowed_methods, reason = "the programs under test are those of the machine")]
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Reports a skipped test. In CI no test may be skipped.
#[expect(clippy::disallowed_methods, reason = "CI=true is how a caller asks for all tests")]
pub(crate) fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{why}");
    // The test harness captures the output of `eprintln!`.
    writeln!(std::io::stderr(), "skipped: {why}").expect("standard error is open");
}
