//! `apply`: brings a cluster to a bundle's state, or says why not before it changes anything.

use super::args::target::TargetArgs;
use super::ctx::Ctx;
use super::exit_code::Outcome;
use super::install::{InstallArgs, install, open_sealed};
use crate::trust::terms::Purpose;

#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Verifies the bundle before it contacts the cluster. To resume an interrupted run, run the same \
command again.

Examples:
  relay-bundle apply prod.tar --trust trust.toml --dry-run
  relay-bundle apply prod.tar --trust trust.toml
  relay-bundle apply prod.tar --trust trust.toml --first-install --yes"
)]
pub struct Args {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    install: InstallArgs,
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        let checked = self.target.verify(ctx, Purpose::Apply)?;
        let checked = open_sealed(checked, self.install.secrets())?;
        let (cluster, identity) = self.target.connect(&ctx.printer, &checked)?;
        install(ctx, &checked, &cluster, &identity, &self.install)
    }
}
