//! The help of every command, short and long, at the width for which it is written.

use std::collections::BTreeSet;
use std::path::Path;

use clap::{Command, CommandFactory as _};
use relay_bundle::cmd::Cli;

use crate::scene;
use crate::transcript::{SAVED, Transcript, compare};

/// Collects the words of a command and its subcommands. `help` repeats the others.
fn collect(command: &Command, words: &str, found: &mut Vec<String>) {
    found.push(words.to_owned());
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        let name = sub.get_name();
        let words = if words.is_empty() { name.to_owned() } else { format!("{words} {name}") };
        collect(sub, &words, found);
    }
}

fn commands() -> Vec<String> {
    let mut root = Cli::command();
    root.build();
    let mut found = Vec::new();
    collect(&root, "", &mut found);
    found
}

/// Returns the name of a command's snapshot.
fn file_of(words: &str) -> String {
    format!("relay-bundle {words}").trim_end().replace(' ', "-")
}

#[test]
fn help_of_each_command_is_as_saved() {
    let home = scene::home();
    for words in commands() {
        let mut transcript = Transcript::new(&home);
        for flag in ["-h", "--help"] {
            transcript.run(format!("{words} {flag}").trim_start());
        }
        compare(&Path::new(SAVED).join("help"), &file_of(&words), transcript.text());
    }
}

#[test]
fn help_is_saved_of_commands_that_exist() {
    let commands: BTreeSet<String> =
        commands().iter().map(|words| format!("{}.snap", file_of(words))).collect();
    let files = fs_err::read_dir(Path::new(SAVED).join("help")).unwrap();

    let names = files.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let orphans: Vec<String> = names.filter(|name| !commands.contains(name)).collect();

    assert!(orphans.is_empty(), "no test reads these files; delete them: {orphans:?}");
    assert!(commands.len() > 40, "only {} commands were looked at", commands.len());
}
