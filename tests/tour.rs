//! The README's tour, run as it is written: every command, and all that it shows.
//!
//! `RELAY_BUNDLE_ACCEPT=1 cargo test --test tour` writes what the commands really print into the README.

#[path = "support/tools.rs"]
mod tools;

use std::path::Path;
use std::process::{Command, Stdio};

use relay_bundle::model::timestamp::Timestamp;
use tools::find;

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

/// The README in pieces: what stands between commands, and the commands with their output.
enum Piece {
    Text(String),
    Command { line: String, shown: String },
}

fn pieces(readme: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut in_console = false;
    for line in readme.split_inclusive('\n') {
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

/// Runs a command as a person at a terminal would see it.
#[expect(clippy::disallowed_methods, reason = "the tools of the machine are called by name")]
fn run(folder: &Path, line: &str) -> String {
    let binary = Path::new(env!("CARGO_BIN_EXE_relay-bundle"));
    let own = binary.parent().expect("a binary is in a folder").to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([own].into_iter().chain(std::env::split_paths(&path)));
    let output = Command::new("bash")
        .args(["-c", &format!("{{ {line}\n}} 2>&1")])
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .env("LC_ALL", "C")
        .env("PATH", path.expect("a path can be joined again"))
        .stdin(Stdio::null())
        .output()
        .expect("bash runs");
    let text = String::from_utf8(output.stdout).expect("output is text");
    text.lines().fold(String::new(), |text, line| text + line.trim_end() + "\n")
}

/// Replaces what is another on every machine and day: keys, times, serials, and how long ago that was.
fn steady(text: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || "+/=-".contains(c);
    let times = text.match_indices('T').filter_map(|(at, _)| text.get(at.checked_sub(10)?..at + 10));
    let times = times.filter(|time| time.parse::<Timestamp>().is_ok());
    let text = times.fold(text.to_owned(), |steady, time| steady.replace(time, "TIME"));
    let mut steady = String::new();
    for word in text.split_inclusive(|c| !is_word(c)) {
        let (word, end) = word.split_at(word.trim_end_matches(|c| !is_word(c)).len());
        let is_key = word.len() == 64 || word.starts_with("MCow") || word == "=";
        let is_number = word.len() > 9 && word.bytes().all(|byte| byte.is_ascii_digit());
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

#[test]
#[expect(clippy::disallowed_methods, reason = "RELAY_BUNDLE_ACCEPT is how a person asks for a new README")]
fn every_command_of_the_tour_prints_what_the_readme_shows() {
    if [("bash", "bash"), ("openssl", "openssl"), ("kubectl", "kubectl")]
        .iter()
        .any(|(program, package)| find(program, package).is_none())
    {
        return;
    }
    let file = Path::new(REPOSITORY).join("README.md");
    let readme = fs_err::read_to_string(&file).expect("there is a README");
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["docs", "profiles"] {
        copy(&Path::new(REPOSITORY).join(name), &folder.path().join(name));
    }

    let mut written = String::new();
    let mut commands = 0;
    let mut wrong = Vec::new();
    for piece in pieces(&readme) {
        match piece {
            Piece::Text(text) => written.push_str(&text),
            Piece::Command { line, shown } => {
                commands += 1;
                let printed = run(folder.path(), &line);
                if steady(&printed) != steady(&shown) {
                    wrong.push(format!("$ {line}\nprints\n{printed}and the README shows\n{shown}"));
                }
                written.extend(["$ ", &line, "\n", &printed]);
            }
        }
    }

    assert!(commands > 10, "{commands} commands are too few for a tour");
    if std::env::var_os("RELAY_BUNDLE_ACCEPT").is_some() {
        fs_err::write(&file, written).expect("the README can be written");
    } else {
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
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
