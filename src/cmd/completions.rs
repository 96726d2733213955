//! `completions`: prints the completion script of a shell.

use std::process::ExitCode;

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::ctx::Ctx;
use super::exit_code::Outcome;

#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  relay-bundle completions bash > /etc/bash_completion.d/relay-bundle
  relay-bundle completions fish > ~/.config/fish/completions/relay-bundle.fish")]
pub struct Args {
    /// The shell
    shell: Shell,
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        let mut script = Vec::new();
        clap_complete::generate(
            self.shell,
            &mut super::Cli::command(),
            "relay-bundle",
            &mut script,
        );
        ctx.printer.data(&script)?;
        Ok(ExitCode::SUCCESS)
    }
}
