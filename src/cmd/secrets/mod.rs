//! `secrets`: seals the values of secrets into files, and checks such files.

mod check;
mod encrypt;
mod value;

use super::ctx::Ctx;
use super::failure::Outcome;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, clap::Subcommand)]
enum Act {
    /// Seal the value of one secret of a profile into its file
    Encrypt(encrypt::Args),
    /// Check the sealed secrets of a profile or a bundle
    Check(check::Args),
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        match self.act {
            Act::Encrypt(args) => args.run(ctx),
            Act::Check(args) => args.run(ctx),
        }
    }
}
