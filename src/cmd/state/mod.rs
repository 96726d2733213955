//! `state`: shows accepted releases, and removes a wrong minimum serial.

mod reset;

use std::process::ExitCode;

use super::args::state::StateArgs;
use super::ctx::Ctx;
use super::exit_code::Outcome;
use crate::ui::state_view::StateReport;

#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  relay-bundle state show
  relay-bundle state reset --bundle claude-relay --profile production \\
      --namespace claude-relay --reason \"the clock was in 2031\"")]
pub struct Args {
    #[command(subcommand)]
    act: StateCommand,
}

#[derive(Debug, clap::Subcommand)]
enum StateCommand {
    /// Show the newest accepted bundle of each place, and the resets
    Show(ShowArgs),
    /// Reset the minimum serial of a place, after a wrong clock or a lost key
    Reset(reset::Args),
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    #[command(flatten)]
    state: StateArgs,
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        match self.act {
            StateCommand::Show(args) => args.run(ctx),
            StateCommand::Reset(args) => args.run(ctx),
        }
    }
}

impl ShowArgs {
    fn run(&self, ctx: &Ctx) -> Outcome {
        let file = self.state.file(ctx)?;
        let state = file.read()?;
        let report = StateReport::new(file.path().to_owned(), &state);
        ctx.printer.report(&report)?;
        if report.is_empty() {
            ctx.printer.say(&format!("`{}` has no accepted bundles", file.path()));
        }
        Ok(ExitCode::SUCCESS)
    }
}
