//! `schema`: prints the JSON Schema of a profile, or its reference.

use std::process::ExitCode;

use super::ctx::Ctx;
use super::exit_code::Outcome;
use crate::profile::{explain, schema};

#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  relay-bundle schema > schema/profile.schema.json
  relay-bundle schema --reference > docs/reference/profile.md")]
pub struct Args {
    /// Print the reference of all keys instead, as Markdown
    #[arg(long)]
    reference: bool,
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        let text = if self.reference { explain::reference() } else { schema::text() };
        ctx.printer.data(text.as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }
}
