//! Runs the console blocks of documents as they are written.

use std::path::Path;
use std::process::{Command, Stdio};

use relay_bundle::model::timestamp::Timestamp;

/// A part of a text: prose, or a command with its output.
enum Piece {
    Text(String),
    Command { line: String, shown: String },
}

fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut in_console = false;
    for line in text.split_inclusive('\n') {
        match (in_console, line.trim_end()) {
            (false, fence) => {
                in_console = fence == "```console";
                pieces.push(Piece::Text(line.to_owned()));
            }
            (true, "```") => {
                in_console = false;
                pieces.push(Piece::Text(line.to_owned()));
            }
            (true, command) if command.starts_with("$ ") => {
                pieces.push(Piece::Command { line: command[2..].to_owned(), shown: String::new() });
            }
            (true, _) => match pieces.last_mut() {
                Some(Piece::Command { shown, .. }) => shown.push_str(line),
                _ => panic!("a console block begins with `{line}`, which is no command"),
            },
        }
    }
    pieces
}

/// The heading of the README's part that needs a cluster.
const ON_A_CLUSTER: &str = "### On a cluster\n";

/// Splits the README before the part that needs a cluster.
pub(crate) fn split(readme: &str) -> (&str, &str) {
    readme.split_at(readme.find(ON_A_CLUSTER).expect("the README has a part for the cluster"))
}

/// The result of running a text's commands.
pub(crate) struct Played {
    /// The text with the real output of the commands.
    pub(crate) written: String,
    pub(crate) commands: usize,
    /// The differences from the text.
    pub(crate) wrong: Vec<String>,
}

/// Runs all commands of a text, and compares their output with the text.
pub(crate) fn play(text: &str, run: impl Fn(&str) -> String) -> Played {
    play_but_for(str::to_owned, text, run)
}

/// Like [`play`], but ignores the differences that `hide` removes.
pub(crate) fn play_but_for(
    hide: impl Fn(&str) -> String,
    text: &str,
    run: impl Fn(&str) -> String,
) -> Played {
    let mut played = Played { written: String::new(), commands: 0, wrong: Vec::new() };
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => played.written.push_str(&text),
            Piece::Command { line, shown } => {
                played.commands += 1;
                let printed = run(&line);
                if steady(&hide(&printed)) != steady(&hide(&shown)) {
                    played
                        .wrong
                        .push(format!("$ {line}\nprints\n{printed}and the text shows\n{shown}"));
                }
                played.written.extend(["$ ", &line, "\n", &printed]);
            }
        }
    }
    played
}

/// Runs a command with the output of a terminal; `tools` precede the machine's own on the path.
#[expect(clippy::disallowed_methods, reason = "the tools of the machine are called by name")]
pub(crate) fn run(folder: &Path, tools: &[&Path], kubeconfig: &str, line: &str) -> String {
    let binary = Path::new(env!("CARGO_BIN_EXE_relay-bundle"));
    let own = binary.parent().expect("a binary is in a folder");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let first = [own].into_iter().chain(tools.iter().copied()).map(Path::to_owned);
    let path = std::env::join_paths(first.chain(std::env::split_paths(&path)));
    let output = Command::new("bash")
        .args(["-c", &format!("{{ {line}\n}} 2>&1")])
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .env("KUBECONFIG", kubeconfig)
        .env("LC_ALL", "C")
        .env("PATH", path.expect("a path can be joined again"))
        .stdin(Stdio::null())
        .output()
        .expect("bash runs");
    let text = String::from_utf8(output.stdout).expect("output is text");
    text.lines().fold(String::new(), |text, line| text + line.trim_end() + "\n")
}

/// Replaces values that differ between machines and days: keys, times, serials, and ages.
fn steady(text: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || "+/=-".contains(c);
    let times =
        text.match_indices('T').filter_map(|(at, _)| text.get(at.checked_sub(10)?..at + 10));
    let times = times.filter(|time| time.parse::<Timestamp>().is_ok());
    let text = times.fold(text.to_owned(), |steady, time| steady.replace(time, "TIME"));
    let mut steady = String::new();
    for word in text.split_inclusive(|c| !is_word(c)) {
        let (word, end) = word.split_at(word.trim_end_matches(|c| !is_word(c)).len());
        let is_recipient = word.len() == 62 && word.starts_with("age1");
        let is_key = word.len() == 64 || word.starts_with("MCow") || word == "=" || is_recipient;
        let is_number = word.len() > 9 && word.bytes().all(|byte| byte.is_ascii_digit());
        // The name of a volume is `pvc-` and the uid of its PVC.
        let uid = word.get(word.len().saturating_sub(36)..).filter(|uid| is_uid(uid));
        if let Some(uid) = uid {
            steady.extend([&word[..word.len() - uid.len()], "UID", end]);
            continue;
        }
        steady.push_str(if is_key {
            "KEY"
        } else if is_number {
            "SERIAL"
        } else {
            word
        });
        steady.push_str(end);
    }
    // A second later, 180 days have become 179.
    let steady = steady.replace("in 180 days", "in 179 days");
    (0..10).fold(steady, |text, seconds| text.replace(&format!("{seconds} s ago"), "just now"))
}

fn is_uid(word: &str) -> bool {
    let is_digit = |byte: u8| byte == b'-' || byte.is_ascii_hexdigit();
    word.len() == 36
        && word.bytes().filter(|byte| *byte == b'-').count() == 4
        && word.bytes().all(is_digit)
}

/// Makes a folder with the input files of the documents' commands.
pub(crate) fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["docs", "profiles"] {
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join(name), &folder.path().join(name));
    }
    folder
}

/// Returns true if the documents are to accept the new output.
#[expect(
    clippy::disallowed_methods,
    reason = "RELAY_BUNDLE_ACCEPT is how a person asks for a new text"
)]
pub(crate) fn accepts() -> bool {
    std::env::var_os("RELAY_BUNDLE_ACCEPT").is_some()
}

fn copy(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.expect("profiles can be listed");
        let target = to.join(entry.path().strip_prefix(from).expect("it is below"));
        if entry.file_type().is_dir() {
            fs_err::create_dir_all(target).expect("a folder is made");
        } else {
            fs_err::copy(entry.path(), target).expect("a profile is copied");
        }
    }
}
