//! `trust add`: appends a key, grant or revoked content to the text of a policy.

mod content;
mod grant;
mod key;

use std::process::ExitCode;

use camino::Utf8Path;

use crate::cmd::ctx::Ctx;
use crate::cmd::exit_code::Outcome;
use crate::failure::Failure;
use crate::keyring::policy_file::PolicyEdit;
use crate::ui::policy_view::AddReport;

#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Appends the new entry, and keeps existing entries and comments unchanged.

Examples:
  relay-bundle trust add key trust.toml --key signing.pub.pem \\
      --holder build-desk
  relay-bundle trust add grant trust.toml --bundle claude-relay \\
      --profile production --environment production \\
      --namespace claude-relay --key build-desk --key release-desk \\
      --threshold 2
  relay-bundle trust add revoked-content trust.toml \\
      --content-id sha256:1f0c9a2b…"
)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Add a key and its holder
    Key(key::Args),
    /// Add a grant: which keys may sign which bundles
    Grant(grant::Args),
    /// Revoke content, so that it is never accepted
    RevokedContent(content::Args),
}

impl Args {
    pub(super) fn run(self, ctx: &Ctx) -> Outcome {
        match self.what {
            What::Key(args) => args.run(ctx),
            What::Grant(args) => args.run(ctx),
            What::RevokedContent(args) => args.run(ctx),
        }
    }
}

fn begin<'a>(ctx: &Ctx, path: &'a Utf8Path) -> Result<PolicyEdit<'a>, Failure> {
    let edit = PolicyEdit::begin(path, &ctx.waits())?;
    if let Some(warning) = edit.unlocked_warning() {
        ctx.printer.warn(&warning);
    }
    Ok(edit)
}

/// Appends an entry, and reports it.
fn append(ctx: &Ctx, edit: PolicyEdit<'_>, added: String) -> Outcome {
    let path = edit.path();
    edit.append(&added)?;
    ctx.printer.say(&format!("added to {path}; check it with `relay-bundle trust check {path}`"));
    ctx.printer.report(&AddReport { path: path.to_owned(), added })?;
    Ok(ExitCode::SUCCESS)
}
