//! `secrets check`: checks the sealed secrets of a profile or a bundle.

use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

use crate::cmd::args::identity::IdentityArgs;
use crate::cmd::args::source::{self, SourceArgs};
use crate::cmd::ctx::Ctx;
use crate::cmd::exit_code::{DIFFERS, Outcome};
use crate::model::words::count;
use crate::profile_folder::ProfileFolder;
use crate::sealing::check::{SealedFinding, check};
use crate::ui::escape::safe;
use crate::ui::printer::Report;

#[derive(Debug, clap::Args)]
#[command(after_long_help = format!("Without --identity, checks that `apply` supports the form of each sealed file, that the file states
the place where the bundle uses it, and that it is sealed for release.sealRecipients. A file sealed
with plain age or an earlier version does not state its place, and is not ok until it is opened.

With --identity, also checks that it opens, is unaltered, and is for the namespace, Secret and key
where the bundle uses it. Decrypts values in memory and does not show them. Does not verify
signatures.

Exit code 1 if a secret is not ok.

Examples:
  relay-bundle secrets check production
  relay-bundle secrets check prod.tar --identity key.txt
  relay-bundle secrets check prod.tar --identity <(age -d key.txt.age)

{}", source::HELP))]
pub(super) struct Args {
    /// The profile or the bundle
    bundle: String,
    #[command(flatten)]
    identity: IdentityArgs,
    #[command(flatten)]
    source: SourceArgs,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SealedCheckReport {
    origin: String,
    /// Whether the files were decrypted, and not only checked from outside.
    opened: bool,
    secrets: Vec<SealedFinding>,
}

impl Report for SealedCheckReport {
    const SCHEMA: &'static str = "secrets-check/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        for SealedFinding { place, file, recipients, problem, .. } in &self.secrets {
            let place = place.as_deref().unwrap_or("-");
            let file = file.as_deref().map(|file| format!("  {file}")).unwrap_or_default();
            let recipients = recipients
                .map(|number| format!("  {}", count(number, "recipient")))
                .unwrap_or_default();
            match problem {
                None => writeln!(out, "ok      {}{}{recipients}", safe(place), safe(&file))?,
                Some(problem) => {
                    writeln!(out, "not ok  {}{}: {}", safe(place), safe(&file), safe(problem))?;
                }
            }
        }
        Ok(())
    }
}

impl Args {
    pub(super) fn run(self, ctx: &Ctx) -> Outcome {
        let identities = self.identity.read()?;
        let files = ProfileFolder::unchecked(&self.source.profiles.profiles);
        let source = self.source.open_from(ctx, &self.bundle, &files)?;
        let secrets = check(&source.bundle, identities.as_ref());
        let report =
            SealedCheckReport { origin: source.origin, opened: identities.is_some(), secrets };
        ctx.printer.report(&report)?;
        let bad = report.secrets.iter().filter(|secret| !secret.ok).count();
        let how = match report.opened {
            false => "checked without opening; pass --identity to open them".to_owned(),
            true if bad == 0 => "opened".to_owned(),
            true => format!("{} opened", report.secrets.len() - bad),
        };
        let (origin, all) = (&report.origin, count(report.secrets.len(), "sealed secret"));
        ctx.printer.say(&format!("{origin}: {all}, {bad} not ok; {how}"));
        Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::from(DIFFERS) })
    }
}
