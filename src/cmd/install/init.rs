//! `secrets init`: generates the secrets of `apply`, for operators who apply with another tool.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use camino::Utf8PathBuf;
use serde::Serialize;

use super::{SecretArgs, host};
use crate::cluster::{Cluster, Identity};
use crate::cmd::confirm::{can_ask, confirm, confirm_first_install, place};
use crate::cmd::ctx::Ctx;
use crate::cmd::exit_code::Outcome;
use crate::install::checked::Checked;
use crate::install::event::Event;
use crate::install::options::Options;
use crate::install::record::Turn;
use crate::install::run::{Run, tell_recovery};
use crate::install::secrets::RecoveryPlan;
use crate::ui::escape::safe;
use crate::ui::printer::Report;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InitReport<'a> {
    content_id: String,
    context: &'a str,
    cluster_uid: &'a str,
    namespace: &'a str,
    /// Secrets whose values are generated, with their keys.
    generated: Vec<String>,
    /// Secrets whose values are replaced.
    regenerated: Vec<String>,
    /// Sealed secrets of the bundle, with the keys that are written.
    sealed: Vec<String>,
    /// The recipients and the place of the recovery file; absent if nothing is generated.
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery: Option<RecoveryPlan>,
    /// Warnings for the operator before anything is written.
    warnings: &'a [String],
    /// Whether the secrets were written: false in a dry run.
    done: bool,
    recovery_files: Vec<Utf8PathBuf>,
}

impl Report for InitReport<'_> {
    const SCHEMA: &'static str = "secrets-init/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { namespace, context, .. } = self;
        writeln!(
            out,
            "{}",
            safe(&format!("secrets in namespace {namespace} of context {context}"))
        )?;
        let verbs = if self.done {
            ["generated  ", "regenerated", "unsealed   "]
        } else {
            ["generate  ", "regenerate", "unseal    "]
        };
        for (verb, secrets) in
            verbs.into_iter().zip([&self.generated, &self.regenerated, &self.sealed])
        {
            for secret in secrets {
                writeln!(out, "{verb} {secret}")?;
            }
        }
        if let Some(recovery) = self.recovery.as_ref().filter(|_| !self.done) {
            writeln!(out, "{}", safe(&recovery.to_string()))?;
        }
        for warning in self.warnings.iter().filter(|_| !self.done) {
            writeln!(out, "warning: {}", safe(warning))?;
        }
        let nothing =
            [&self.generated, &self.regenerated, &self.sealed].iter().all(|list| list.is_empty());
        if nothing { writeln!(out, "all of them exist; nothing was written") } else { Ok(()) }
    }
}

/// Plans the secrets, asks for consent, and writes them.
pub(in crate::cmd) fn init(
    ctx: &Ctx,
    checked: &Checked,
    (cluster, identity): (&Cluster, &Identity),
    args: &SecretArgs,
    (dry_run, yes): (bool, bool),
) -> Outcome {
    let observe = |event: &Event<'_>| ctx.observe(event);
    let consent = args.consent(!yes && !dry_run && can_ask());
    let (turn, timeout) = (Turn::Looks, Duration::ZERO);
    let options = Options { adopt: false, permits: Vec::new(), consent, turn, timeout };
    let mut run = Run::begin(host(&observe), checked, (cluster, identity), &options)?;
    run.excused().iter().for_each(|warning| ctx.printer.warn(warning));
    let makings = run.survey_secrets(&options.consent)?;
    // Otherwise the report that the operator sees has the warnings.
    if !dry_run && (yes || makings.is_empty()) {
        makings.warnings().iter().for_each(|warning| ctx.printer.warn(warning));
    }
    let mut report = InitReport {
        content_id: format!("sha256:{}", checked.bundle().content_id),
        context: &cluster.context,
        cluster_uid: &identity.uid,
        namespace: checked.bundle().index.namespace.as_str(),
        generated: makings.generated(),
        regenerated: makings.regenerated(),
        sealed: makings.sealed(),
        recovery: makings.recovery(),
        warnings: makings.warnings(),
        done: false,
        recovery_files: Vec::new(),
    };
    if !dry_run && !makings.is_empty() {
        if !yes {
            let place = place(cluster, identity, Some(&checked.policy), report.namespace);
            confirm(ctx, &report, &format!("Create these secrets in {place}?"))?;
        }
        if !yes && makings.asks_first_install() {
            confirm_first_install(report.namespace)?;
        }
        report.recovery_files = run.make_secrets(&makings)?;
        tell_recovery(&report.recovery_files, &observe);
    }
    report.done = !dry_run;
    ctx.printer.report(&report)?;
    Ok(ExitCode::SUCCESS)
}
