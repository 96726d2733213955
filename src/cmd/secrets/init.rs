//! `secrets init`: generates the secrets that `apply` would, and changes nothing else.

use crate::cmd::args::target::TargetArgs;
use crate::cmd::ctx::Ctx;
use crate::cmd::exit_code::Outcome;
use crate::cmd::install::{SecretArgs, init, open_sealed};
use crate::trust::terms::Purpose;

#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Creates the generated secrets of the bundle that do not exist yet, and its sealed secrets, with the \
same checks and the same recovery file as `apply`, which includes this step. Use it if you apply the \
manifests with kubectl or GitOps. To resume a killed run, run the same command again: no value is \
generated twice.

Examples:
  relay-bundle secrets init prod.tar --trust trust.toml --first-install
  relay-bundle secrets init prod.tar --trust trust.toml --yes \\
      --identity key.txt"
)]
pub(super) struct Args {
    #[command(flatten)]
    target: TargetArgs,
    /// Show the plan, and create nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    secrets: SecretArgs,
}

impl Args {
    pub(super) fn run(self, ctx: &Ctx) -> Outcome {
        let checked = open_sealed(self.target.verify(ctx, Purpose::Apply)?, &self.secrets)?;
        let (cluster, identity) = self.target.connect(&ctx.printer, &checked)?;
        init(ctx, &checked, (&cluster, &identity), &self.secrets, (self.dry_run, self.yes))
    }
}
