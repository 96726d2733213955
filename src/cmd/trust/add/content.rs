//! `trust add revoked-content`: adds content that is never accepted to a policy.

use camino::Utf8PathBuf;

use super::{append, begin};
use crate::cmd::ctx::Ctx;
use crate::cmd::exit_code::Outcome;
use crate::failure::Failure;
use crate::model::digest::Digest;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The policy
    file: Utf8PathBuf,
    /// The content id, with or without `sha256:`
    #[arg(long, value_name = "ID")]
    content_id: String,
}

impl Args {
    pub(super) fn run(self, ctx: &Ctx) -> Outcome {
        let edit = begin(ctx, &self.file)?;
        let digits = self.content_id.strip_prefix("sha256:").unwrap_or(&self.content_id);
        let content: Digest = digits.parse().map_err(Failure::input)?;
        if edit.policy().revoked_content().contains(&content) {
            return Err(Failure::input(format!(
                "`{}` already revokes sha256:{content}",
                self.file
            )));
        }
        append(ctx, edit, format!("[[revokedContent]]\nsha256 = \"{content}\"\n"))
    }
}
