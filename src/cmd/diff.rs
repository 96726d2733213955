//! `diff`: what changes between two bundles, and which pods restart.

use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

use super::ctx::Ctx;
use super::failure::{DIFFERS, Failure, FailureKind, Outcome};
use super::source::{self, SourceArgs};
use crate::plan::diff::{Diff, diff};
use crate::ui::diff_view;
use crate::ui::escape::safe;
use crate::ui::printer::Report;

#[derive(Debug, clap::Args)]
#[command(after_help = format!("Exit code 0 if both are the same, 1 if they differ.

Examples:
  relay-bundle diff production                  the newest build in the store, and what a build would make now
  relay-bundle diff old.tar new.tar
  relay-bundle diff @production new.tar --json
  relay-bundle diff dev production

{}", source::HELP))]
pub struct Args {
    /// The old bundle; alone, a profile, whose newest build in the store is compared with the profile
    old: String,
    /// The new bundle
    new: Option<String>,
    #[command(flatten)]
    source: SourceArgs,
}

/// What differs, and where the two came from.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DiffReport {
    old_origin: String,
    new_origin: String,
    #[serde(flatten)]
    diff: Diff,
}

impl Report for DiffReport {
    const SCHEMA: &'static str = "diff/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        if !self.diff.same {
            for (name, origin, side) in
                [("old", &self.old_origin, &self.diff.old), ("new", &self.new_origin, &self.diff.new)]
            {
                let place = format!("{} of {} in {}", side.name, side.profile, side.namespace);
                writeln!(out, "{name}  {} ({}), {}", safe(origin), safe(&place), side.content_id)?;
            }
        }
        diff_view::write(&self.diff, out)
    }
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        let alone = self.new.is_none();
        let (old, new) = match self.new {
            Some(new) => (self.old, new),
            None if source::is_profile(&self.old) => (format!("@{}", self.old), self.old),
            None => {
                return Err(Failure::input(format!("`{}` is to be compared with what?", self.old))
                    .hint("name two bundles; a profile alone is compared with its newest build"));
            }
        };
        let old = self.source.open(ctx, &old).map_err(|failure| match failure.kind {
            FailureKind::Input if alone => failure.hint(format!("build it first: relay-bundle build {new}")),
            _ => failure,
        })?;
        let new = self.source.open(ctx, &new)?;
        let diff = diff(&old.bundle, &new.bundle);
        let same = diff.same;
        ctx.printer.report(&DiffReport { old_origin: old.origin, new_origin: new.origin, diff })?;
        Ok(if same { ExitCode::SUCCESS } else { ExitCode::from(DIFFERS) })
    }
}
