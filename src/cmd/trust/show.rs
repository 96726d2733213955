//! `trust show`: shows a policy on one page.

use std::process::ExitCode;

use camino::Utf8PathBuf;

use crate::cmd::clock;
use crate::cmd::ctx::Ctx;
use crate::cmd::exit_code::Outcome;
use crate::keyring::policy_file::load_policy;
use crate::ui::policy_view::PolicyReport;

#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:
  relay-bundle trust show trust.toml")]
pub(super) struct Args {
    /// The policy
    file: Utf8PathBuf,
}

impl Args {
    pub(super) fn run(self, ctx: &Ctx) -> Outcome {
        let policy = load_policy(&self.file)?;
        ctx.printer.report(&PolicyReport::new(self.file, &policy, clock::now()?))?;
        Ok(ExitCode::SUCCESS)
    }
}
