//! Describes arguments to the parser only when their command is named, not those of all commands.

use clap::builder::Resettable;
use clap::{ArgMatches, Args, Command, FromArgMatches};

/// The arguments `T` of a command. Not for a command with subcommands: the completions of `help`
/// would miss them.
#[derive(Debug)]
pub struct Deferred<T>(pub T);

impl<T: Args> Args for Deferred<T> {
    fn augment_args(command: Command) -> Command {
        command.defer(|command| described(command, T::augment_args))
    }

    fn augment_args_for_update(command: Command) -> Command {
        command.defer(|command| described(command, T::augment_args_for_update))
    }
}

impl<T: FromArgMatches> FromArgMatches for Deferred<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        T::from_arg_matches(matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.update_from_arg_matches(matches)
    }
}

/// Adds arguments, but keeps the command's own description: groups of arguments have theirs.
fn described(command: Command, augment: fn(Command) -> Command) -> Command {
    let about = command.get_about().cloned();
    let long_about = command.get_long_about().cloned();
    augment(command).about(Resettable::from(about)).long_about(Resettable::from(long_about))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cmd::Cli;

    #[test]
    fn command_keeps_description_when_arguments_are_built() {
        let descriptions = |root: &Command| -> Vec<String> {
            let commands = root.get_subcommands().filter(|command| command.get_name() != "help");
            commands
                .map(|command| format!("{}: {:?}", command.get_name(), command.get_about()))
                .collect()
        };
        let mut root = Cli::command();
        let before = descriptions(&root);

        root.build();

        assert_eq!(descriptions(&root), before);
    }

    #[test]
    fn arguments_of_every_command_are_consistent() {
        Cli::command().debug_assert();
    }
}
