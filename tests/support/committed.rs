//! Files in the repository that tests derive from the source.

/// Compares a derived file with the committed one, and writes it if `RELAY_BUNDLE_ACCEPT=1`.
#[expect(
    clippy::disallowed_methods,
    reason = "RELAY_BUNDLE_ACCEPT is how a person asks for a new text"
)]
pub(crate) fn check(path: &str, text: &str) {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("RELAY_BUNDLE_ACCEPT").is_some_and(|value| value == "1") {
        fs_err::write(file, text).expect("the repository can be written");
        return;
    }
    let committed = fs_err::read_to_string(file).unwrap_or_default();
    assert!(committed == text, "{path} is stale: run the test again with RELAY_BUNDLE_ACCEPT=1");
}

/// Does the same with a file of lines.
pub(crate) fn check_lines(path: &str, lines: impl IntoIterator<Item: AsRef<str>>) {
    let mut text = String::new();
    for line in lines {
        text.extend([line.as_ref(), "\n"]);
    }
    check(path, &text);
}
