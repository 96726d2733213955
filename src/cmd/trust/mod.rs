//! `trust`: writes, checks and shows a trust policy.

mod add;
mod check;
mod init;
mod show;

use std::num::NonZeroU32;

use camino::Utf8Path;

use super::ctx::Ctx;
use super::exit_code::Outcome;
use crate::failure::Failure;
use crate::trust::key::KeyId;
use crate::trust::policy::Policy;

#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  relay-bundle trust init --site plant-7
  relay-bundle trust add key trust.toml --key signing.pub.pem \\
      --holder build-desk
  relay-bundle trust check trust.toml")]
pub struct Args {
    #[command(subcommand)]
    act: TrustCommand,
}

#[derive(Debug, clap::Subcommand)]
enum TrustCommand {
    /// Write a policy without keys and grants
    Init(init::Args),
    /// Add a key, a grant, or revoked content
    Add(add::Args),
    /// Find errors in a policy, and keys that expire soon
    Check(check::Args),
    /// Show a policy on one page
    Show(show::Args),
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        match self.act {
            TrustCommand::Init(args) => args.run(ctx),
            TrustCommand::Add(args) => args.run(ctx),
            TrustCommand::Check(args) => args.run(ctx),
            TrustCommand::Show(args) => args.run(ctx),
        }
    }
}

/// Parses a count of at least 1.
fn count(text: &str) -> Result<NonZeroU32, &'static str> {
    text.parse().map_err(|_| "use a whole number of 1 or more")
}

/// Returns the key that an argument names by its key id, at least 8 digits of it, or its holder.
fn find_key(policy: &Policy, path: &Utf8Path, named: &str) -> Result<KeyId, Failure> {
    let is_meant = |(id, key): &(&KeyId, &crate::trust::policy::TrustedKey)| {
        key.holder.as_str() == named || named.len() >= 8 && id.to_string().starts_with(named)
    };
    let found: Vec<KeyId> = policy.keys().iter().filter(is_meant).map(|(id, _)| *id).collect();
    match found[..] {
        [id] => Ok(id),
        [] => Err(Failure::input(format!("`{path}` has no key `{named}`")).hint(
            "pass a holder, or at least 8 digits of a keyid; list them with `relay-bundle trust \
             show`",
        )),
        _ => Err(Failure::input(format!("`{path}` has {} keys `{named}`", found.len())).hint(
            format!(
                "pass the keyid of one: {}",
                found.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            ),
        )),
    }
}
