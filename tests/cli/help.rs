//! Help texts, at the width for which they are written.

use clap::{Command, CommandFactory as _};
use relay_bundle::cmd::Cli;

/// The maximum width of help; wider terminals do not get wider lines.
const COLUMNS: usize = 100;
/// The maximum width of an example.
const EXAMPLE_COLUMNS: usize = 78;

/// Collects the lines that are too long, of a command and its subcommands; returns the number of
/// commands.
fn too_long(command: &mut Command, path: &str, found: &mut Vec<String>) -> usize {
    let by_hand = [command.get_after_help(), command.get_after_long_help()];
    let by_hand: Vec<String> = by_hand.into_iter().flatten().map(ToString::to_string).collect();
    let by_hand = by_hand.iter().flat_map(|text| text.lines());
    // Users copy examples, so clap must not wrap them in a terminal of the usual width.
    let examples = by_hand.filter(|line| line.starts_with("  "));
    found.extend(
        examples
            .filter(|line| line.chars().count() > EXAMPLE_COLUMNS)
            .map(|line| format!("{path}: {line}")),
    );
    let rendered = command.clone().render_long_help().to_string();
    // Clap never wraps a synopsis.
    let rendered = rendered.lines().filter(|line| !line.starts_with("Usage: "));
    for line in rendered.filter(|line| line.chars().count() > COLUMNS) {
        found.push(format!("{path}: {line}"));
    }
    let below = command.get_subcommands_mut();
    below.map(|sub| too_long(sub, &format!("{path} {}", sub.get_name()), found)).sum::<usize>() + 1
}

#[test]
fn help_fits_100_columns_and_examples_fit_78() {
    let mut command = Cli::command();
    command.build();
    let mut found = Vec::new();

    let commands = too_long(&mut command, "relay-bundle", &mut found);

    assert!(found.is_empty(), "{}", found.join("\n"));
    assert!(commands > 40, "only {commands} commands were looked at");
}
