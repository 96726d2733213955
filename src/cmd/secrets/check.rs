//! `secrets check`: checks the sealed secrets of a profile or a bundle.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

use crate::age_file::{Form, FormError, InvalidPlace, Place, Stated};
use crate::bundle::index::Source;
use crate::bundle::open::Bundle;
use crate::bundle::sealed::AgeKeys;
use crate::cmd::args::identity::IdentityArgs;
use crate::cmd::ctx::{Ctx, Folder, count};
use crate::cmd::exit_code::{DIFFERS, Outcome};
use crate::cmd::source::{self, SourceArgs};
use crate::model::text::AgeRecipient;
use crate::profile::node::Visibility;
use crate::profile::overlay::ProfileFiles;
use crate::sealed::{FrameError, Identities, OpenError, open};
use crate::ui::escape::safe;
use crate::ui::printer::Report;

#[derive(Debug, clap::Args)]
#[command(after_help = format!("Without --identity, checks that `apply` supports the form of each sealed file, that the file states
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
struct CheckReport {
    origin: String,
    /// Whether the files were decrypted, and not only checked from outside.
    opened: bool,
    secrets: Vec<Finding>,
}

/// The result for one sealed secret.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding {
    /// The place where the bundle uses it, `namespace/name/key`; none for an unused file.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// The number of recipients, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    recipients: Option<usize>,
    /// Its recipients, if the file states them.
    #[serde(skip_serializing_if = "Option::is_none")]
    sealed_for: Option<Vec<AgeRecipient>>,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// Why a sealed secret is not ok.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("nothing is sealed for it: the profile sets no value")]
    NoFile,
    #[error("nothing in the bundle uses the file")]
    Unused,
    #[error(
        "it does not state its place: it was sealed with plain age or an earlier version; open it \
         with --identity, or seal it again"
    )]
    PlaceUnknown,
    #[error("it is not sealed for {0}, which release.sealRecipients names: seal it again")]
    NotFor(String),
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

/// The files of a profile. Loading it does not check sealed files, because this command does.
struct Unjudged<'a>(Folder<'a>);

impl ProfileFiles for Unjudged<'_> {
    fn profile(&self, name: &str) -> Result<(String, Vec<u8>), String> {
        self.0.profile(name)
    }

    fn visibility(&self, name: &str) -> Visibility {
        self.0.visibility(name)
    }

    fn file(&self, path: &str) -> Result<Vec<u8>, String> {
        self.0.file(path)
    }

    fn images_lock(&self) -> Result<Option<String>, String> {
        self.0.images_lock()
    }

    fn judges_sealed(&self) -> bool {
        false
    }

    fn names(&self) -> Vec<String> {
        self.0.names()
    }
}

/// The criteria for sealed files.
struct Criteria<'a> {
    /// The keys that must be able to open every file. Bundles of earlier versions name none.
    wanted: Vec<AgeRecipient>,
    identities: Option<&'a Identities>,
}

impl Args {
    pub(super) fn run(self, ctx: &Ctx) -> Outcome {
        let identities = self.identity.read()?;
        let files = Unjudged(Folder::new(&self.source.profiles.profiles));
        let source = self.source.open_from(ctx, &self.bundle, &files)?;
        let keys = AgeKeys::of(&source.bundle.recipe);
        // An unverified recipe may hold any text, so invalid keys are skipped.
        let wanted = keys.seal.iter().filter_map(|key| key.parse().ok()).collect();
        let criteria = Criteria { wanted, identities: identities.as_ref() };
        let secrets = findings(&source.bundle, &criteria);
        let report = CheckReport { origin: source.origin, opened: identities.is_some(), secrets };
        ctx.printer.report(&report)?;
        let bad = report.secrets.iter().filter(|secret| !secret.ok).count();
        let how = match report.opened {
            false => "checked without opening; pass --identity to open them".to_owned(),
            true if bad == 0 => "opened".to_owned(),
            true => format!("{} opened", report.secrets.len() - bad),
        };
        ctx.printer.say(&format!(
            "{}: {}, {bad} not ok; {how}",
            report.origin,
            count(report.secrets.len(), "sealed secret")
        ));
        Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::from(DIFFERS) })
    }
}

/// Checks every sealed secret that the bundle needs, and every unused file.
fn findings(bundle: &Bundle, criteria: &Criteria<'_>) -> Vec<Finding> {
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
            (Ok(place), Some(file)) => criteria.judge(file.bytes(), &place),
        };
        let place = format!("{}/{}/{}", wanted.namespace, wanted.name, key.key);
        findings.push(Finding::new(Some(place), key.file.clone(), judgement));
    }
    let files = bundle
        .files
        .iter()
        .map(|(path, _)| path.as_str())
        .filter(|path| path.starts_with("secrets/"));
    let unused = files.filter(|path| !used.contains(path));
    findings
        .extend(unused.map(|path| Finding::new(None, Some(path.to_owned()), Err(Problem::Unused))));
    findings
}

impl Criteria<'_> {
    /// Checks a file against the place where the bundle uses it.
    fn judge(&self, bytes: &[u8], place: &Place) -> Result<Form, Problem> {
        let form = Form::of(bytes)?;
        if let Stated::Other(other) = form.stated(place) {
            return Err(OpenError::from(FrameError::Misplaced(other.clone())).into());
        }
        if let Some(address) = form.address() {
            let lacking: Vec<&str> =
                address.lacking(&self.wanted).into_iter().map(AgeRecipient::as_str).collect();
            if !lacking.is_empty() {
                return Err(Problem::NotFor(lacking.join(", ")));
            }
        }
        match self.identities {
            // The value is dropped, and thereby overwritten, at once.
            Some(identities) => drop(open(bytes, identities, place)?),
            None if form.address().is_none() => return Err(Problem::PlaceUnknown),
            None => {}
        }
        Ok(form)
    }
}

impl Finding {
    fn new(place: Option<String>, file: Option<String>, judgement: Result<Form, Problem>) -> Self {
        let form = judgement.as_ref().ok();
        let recipients = form.map(Form::recipients);
        let address = form.and_then(Form::address);
        let sealed_for = address.map(|address| address.recipients.iter().cloned().collect());
        let (ok, problem) = (judgement.is_ok(), judgement.err().map(|problem| problem.to_string()));
        Self { place, file, recipients, sealed_for, ok, problem }
    }
}
