//! `secrets`: seals values into files, checks sealed files, and generates, backs up and restores
//! the secrets of a cluster.

mod backup;
mod check;
mod encrypt;
mod init;
mod restore;
mod value;

use super::ctx::Ctx;
use super::exit_code::Outcome;
use crate::model::words::count;

#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  relay-bundle secrets encrypt production config.jwtSecret
  relay-bundle secrets check prod.tar --identity key.txt
  relay-bundle secrets backup -n claude-relay --trust trust.toml \\
      --recovery-file prod-secrets.age")]
pub struct Args {
    #[command(subcommand)]
    act: SecretsCommand,
}

#[derive(Debug, clap::Subcommand)]
enum SecretsCommand {
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
            SecretsCommand::Encrypt(args) => args.run(ctx),
            SecretsCommand::Check(args) => args.run(ctx),
            SecretsCommand::Init(args) => args.run(ctx),
            SecretsCommand::Backup(args) => args.run(ctx),
            SecretsCommand::Restore(args) => args.run(ctx),
        }
    }
}

/// Returns whose private key opens a file for this number of recipients.
fn openers(number: usize) -> String {
    let recipients = count(number, "recipient");
    if number == 1 { recipients } else { format!("any of {recipients}") }
}
