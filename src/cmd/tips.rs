//! Tips for commands that other tools have.

use clap::CommandFactory as _;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue};

use super::Cli;

/// Names of commands that other tools have, and the tips for them.
const ELSEWHERE: [(&str, &str); 12] = [
    ("install", "`relay-bundle apply` installs a bundle"),
    ("upgrade", "`relay-bundle apply` upgrades an installation"),
    ("deploy", "`relay-bundle apply` deploys a bundle"),
    ("uninstall", "`relay-bundle remove` removes an installation"),
    ("delete", "`relay-bundle remove` removes an installation, `relay-bundle gc` bundles"),
    ("list", "`relay-bundle status` shows what runs, `relay-bundle history` what ran"),
    ("ls", "`relay-bundle status` shows what runs, `relay-bundle history` what ran"),
    ("template", "`relay-bundle render` prints the manifests of a profile"),
    ("version", "`relay-bundle --version` prints the version"),
    (
        "validate",
        "`relay-bundle build --check` validates a profile, `relay-bundle verify` a bundle",
    ),
    ("lint", "`relay-bundle build --check` validates a profile"),
    ("pull", "`relay-bundle fetch` downloads images"),
];

/// Adds a tip to the error about an unknown command, if another tool has a command of this name.
/// Commands of a command, such as those of `secrets`, get no tip.
pub(super) fn add_tip(error: &mut clap::Error, mut arguments: impl Iterator<Item = String>) {
    let Some(ContextValue::String(name)) = error.get(ContextKind::InvalidSubcommand) else {
        return;
    };
    let program = Cli::command();
    if arguments.any(|word| program.find_subcommand(word).is_some()) {
        return;
    }
    let Some((_, tip)) = ELSEWHERE.iter().find(|(other, _)| other == name) else { return };
    error.remove(ContextKind::SuggestedSubcommand);
    let tips = vec![StyledStr::from(*tip)];
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has_tip(words: &[&str]) -> bool {
        let program = ["relay-bundle"].iter();
        let mut error = Cli::command().try_get_matches_from(program.chain(words)).unwrap_err();
        add_tip(&mut error, words.iter().map(|&word| word.to_owned()));
        error.to_string().contains("`relay-bundle status` shows what runs")
    }

    #[test]
    fn tip_is_for_command_of_program_only() {
        assert!(has_tip(&["list"]) && has_tip(&["--color", "never", "list", "-n", "a"]));
        assert!(!has_tip(&["secrets", "list"]) && !has_tip(&["lst"]));
    }

    #[test]
    fn tips_never_share_name_with_command() {
        let command = Cli::command();
        for (name, _) in ELSEWHERE {
            assert!(command.find_subcommand(name).is_none(), "{name}");
        }
    }
}
