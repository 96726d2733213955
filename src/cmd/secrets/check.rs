//! `secrets check`: whether the sealed secrets of a profile or a bundle are what they should be.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

use crate::bundle::index::Source;
use crate::bundle::open::Bundle;
use crate::cmd::ctx::{Ctx, count};
use crate::cmd::failure::{DIFFERS, Outcome};
use crate::cmd::identity_args::IdentityArgs;
use crate::cmd::source::{self, SourceArgs};
use crate::sealed::{Form, FormError, Identities, InvalidPlace, OpenError, Place, open};
use crate::ui::escape::safe;
use crate::ui::printer::Report;

#[derive(Debug, clap::Args)]
#[command(after_help = format!("Without --identity: whether each sealed file is one that could be opened where the bundle is
applied, and for how many keys. With it: whether it opens, unaltered, and is for the namespace,
Secret and key at which the bundle uses it. Values are decrypted in memory, and nothing of them is
shown. Signatures are not verified.

Exit code 1 when a secret is not ok.

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
struct CheckReport {
    origin: String,
    /// Whether the files were opened, and not only looked at.
    opened: bool,
    secrets: Vec<Finding>,
}

/// What is known of one sealed secret.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding {
    /// Where the bundle uses it: `namespace/name/key`; none for a file that it does not use.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// For how many keys it is sealed, if that can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    recipients: Option<usize>,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// Why a sealed secret is not ok.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("nothing is sealed for it: the profile gives no value")]
    NoFile,
    #[error("nothing in the bundle uses the file")]
    Unused,
    #[error(transparent)]
    Place(#[from] InvalidPlace),
    #[error(transparent)]
    Form(#[from] FormError),
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl Report for CheckReport {
    const SCHEMA: &'static str = "secrets-check/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        for Finding { place, file, recipients, problem, .. } in &self.secrets {
            let place = place.as_deref().unwrap_or("-");
            let file = file.as_deref().map(|file| format!("  {file}")).unwrap_or_default();
            let recipients =
                recipients.map(|number| format!("  {}", count(number, "recipient"))).unwrap_or_default();
            match problem {
                None => writeln!(out, "ok      {}{}{recipients}", safe(place), safe(&file))?,
                Some(problem) => writeln!(out, "not ok  {}{}: {}", safe(place), safe(&file), safe(problem))?,
            }
        }
        Ok(())
    }
}

impl Args {
    pub(super) fn run(self, ctx: &Ctx) -> Outcome {
        let identities = self.identity.read()?;
        let source = self.source.open(ctx, &self.bundle)?;
        let secrets = findings(&source.bundle, identities.as_ref());
        let report = CheckReport { origin: source.origin, opened: identities.is_some(), secrets };
        ctx.printer.report(&report)?;
        let bad = report.secrets.iter().filter(|secret| !secret.ok).count();
        let how = if report.opened { "opened" } else { "looked at from outside; --identity opens them" };
        ctx.printer.say(&format!(
            "{}: {}, {bad} not ok; {how}",
            report.origin,
            count(report.secrets.len(), "sealed secret")
        ));
        Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::from(DIFFERS) })
    }
}

/// Judges every sealed secret that the bundle wants, and every file that nothing wants.
fn findings(bundle: &Bundle, identities: Option<&Identities>) -> Vec<Finding> {
    let sealed = bundle.index.contract.iter().filter(|wanted| wanted.source == Source::Sealed);
    let wanted = sealed.flat_map(|wanted| wanted.keys.iter().map(move |key| (wanted, key)));
    let mut used = BTreeSet::new();
    let mut findings = Vec::new();
    for (wanted, key) in wanted {
        used.extend(key.file.as_deref());
        let place = Place::new(&wanted.namespace, &wanted.name, &key.key);
        let file = key.file.as_deref().and_then(|file| bundle.files.get(file));
        let judgement = match (place, file) {
            (Err(error), _) => Err(error.into()),
            (Ok(_), None) => Err(Problem::NoFile),
            (Ok(place), Some(file)) => judge(file.bytes(), &place, identities),
        };
        let place = format!("{}/{}/{}", wanted.namespace, wanted.name, key.key);
        findings.push(Finding::new(Some(place), key.file.clone(), judgement));
    }
    let files =
        bundle.files.iter().map(|(path, _)| path.as_str()).filter(|path| path.starts_with("secrets/"));
    let unused = files.filter(|path| !used.contains(path));
    findings.extend(unused.map(|path| Finding::new(None, Some(path.to_owned()), Err(Problem::Unused))));
    findings
}

/// Returns for how many keys a file is sealed, if all that can be checked is right.
fn judge(bytes: &[u8], place: &Place, identities: Option<&Identities>) -> Result<usize, Problem> {
    let recipients = Form::of(bytes)?.recipients();
    if let Some(identities) = identities {
        // The value is dropped, and overwritten, at once.
        open(bytes, identities, place)?;
    }
    Ok(recipients)
}

impl Finding {
    fn new(place: Option<String>, file: Option<String>, judgement: Result<usize, Problem>) -> Self {
        let (ok, recipients) = (judgement.is_ok(), judgement.as_ref().ok().copied());
        let problem = judgement.err().map(|problem| problem.to_string());
        Self { place, file, recipients, ok, problem }
    }
}
