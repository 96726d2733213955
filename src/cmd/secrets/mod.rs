//! `secrets`: seals values into files, checks sealed files, and generates, backs up and restores
//! the secrets of a cluster.

mod backup;
mod check;
mod encrypt;
mod init;
mod recipients;
mod restore;
mod value;

use super::ctx::Ctx;
use super::exit_code::Outcome;

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
    /// Create only the generated and sealed secrets of a bundle in a cluster
    Init(Box<init::Args>),
    /// Back up the secrets of an installation to one encrypted file
    Backup(Box<backup::Args>),
    /// Restore secrets from a recovery file
    Restore(Box<restore::Args>),
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        match self.act {
            Act::Encrypt(args) => args.run(ctx),
            Act::Check(args) => args.run(ctx),
            Act::Init(args) => args.run(ctx),
            Act::Backup(args) => args.run(ctx),
            Act::Restore(args) => args.run(ctx),
        }
    }
}
