//! `secrets restore`: recreates the Secrets of a recovery file in the cluster.

use std::io::{self, Write};
use std::process::ExitCode;

use camino::Utf8PathBuf;
use serde::Serialize;

use crate::bundle::open::Bundle;
use crate::cluster::{Cluster, Identity};
use crate::cmd::args::identity::IdentityArgs;
use crate::cmd::args::target::TargetArgs;
use crate::cmd::confirm::{confirm, place};
use crate::cmd::ctx::Ctx;
use crate::cmd::exit_code::Outcome;
use crate::failure::Failure;
use crate::fsio;
use crate::install::secrets::restore::{RestorePlan, check_namespace, plan, put};
use crate::sealed::{RECOVERY_BYTES_MAX, Recovery};
use crate::trust::verify::Purpose;
use crate::ui::escape::safe;
use crate::ui::printer::Report;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Creates only Secrets that the verified bundle refers to, because anyone with a public key could have
made the file. An existing Secret with the same values is kept; if any value differs, nothing is
written. The namespace must exist. docs/recovery.md describes the whole recovery.

Examples:
  relay-bundle secrets restore prod.tar secrets.age --trust trust.toml --identity key.txt --dry-run
  relay-bundle secrets restore prod.tar secrets.age --trust trust.toml --identity <(age -d key.txt.age) --yes"
)]
pub(super) struct Args {
    #[command(flatten)]
    target: TargetArgs,
    /// A recovery file written by `apply`, `secrets init` or `secrets backup`
    recovery_file: Utf8PathBuf,
    #[command(flatten)]
    identity: IdentityArgs,
    /// Show what would be restored, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask for confirmation
    #[arg(long, short)]
    yes: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RestoreReport<'a> {
    context: &'a str,
    cluster_uid: &'a str,
    namespace: &'a str,
    /// Secrets to create, with their keys.
    restored: Vec<String>,
    /// Existing Secrets with the same values.
    unchanged: Vec<String>,
    /// Secrets in the file to which the bundle does not refer.
    left_out: Vec<String>,
    /// Secrets to which the bundle refers and which the file lacks.
    lacking: Vec<String>,
    /// Whether the Secrets were created: false in a dry run.
    done: bool,
}

impl Report for RestoreReport<'_> {
    const SCHEMA: &'static str = "secrets-restore/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        let verb = if self.done { "restored " } else { "restore  " };
        let lists =
            [(verb, &self.restored), ("unchanged", &self.unchanged), ("left out ", &self.left_out)];
        for (verb, secrets) in lists {
            for secret in secrets {
                writeln!(out, "{verb}  {}", safe(secret))?;
            }
        }
        self.lacking
            .iter()
            .try_for_each(|secret| writeln!(out, "lacking    {}: not in the file", safe(secret)))
    }
}

impl Args {
    pub(super) fn run(self, ctx: &Ctx) -> Outcome {
        let checked = self.target.verify(ctx, Purpose::Deployed)?;
        let bundle = checked.bundle();
        let recovery = self.open(bundle)?;
        let (cluster, identity) = self.target.connect(&ctx.printer, &checked)?;
        let namespace = bundle.index.namespace.as_str();
        check_namespace(&cluster, namespace)?;
        let plan = plan(&cluster, bundle, &recovery)?;
        let mut report = RestoreReport::of(&plan, &cluster, &identity, namespace);
        if !self.dry_run && !plan.writes.is_empty() {
            if !self.yes {
                let place = place(&cluster, &identity, Some(&checked.policy), namespace);
                confirm(ctx, &report, &format!("Restore these Secrets into {place}?"))?;
            }
            for (key, secret) in &plan.writes {
                put(&cluster, key, secret)?;
            }
        }
        report.done = !self.dry_run;
        ctx.printer.report(&report)?;
        if report.done && !report.restored.is_empty() {
            ctx.printer.say(
                "the record in the cluster has no copy of them: keep the file, or create another \
                 with `relay-bundle secrets backup`",
            );
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Opens the file in memory. Refuses the file of another installation.
    fn open(&self, bundle: &Bundle) -> Result<Recovery, Failure> {
        let path = &self.recovery_file;
        let identities = self.identity.read()?.ok_or_else(|| {
            Failure::input("no private key for the recovery file")
                .hint("pass the file with the key: --identity FILE")
        })?;
        let file = fsio::read_bounded(path, RECOVERY_BYTES_MAX as u64)?;
        let recovery = Recovery::open(&file, &identities).map_err(|error| {
            Failure::input(format!("`{path}`: {error}")).hint("the cluster was not contacted")
        })?;
        let (name, namespace) = (&bundle.index.name, &bundle.index.namespace);
        if recovery.bundle == name.as_str() && recovery.namespace == namespace.as_str() {
            return Ok(recovery);
        }
        Err(Failure::input(format!(
            "`{path}` is for {} in namespace {}, but the bundle is {name} for namespace \
             {namespace}",
            recovery.bundle, recovery.namespace
        ))
        .hint("use the file or the bundle of this installation"))
    }
}

impl<'a> RestoreReport<'a> {
    fn of(
        plan: &RestorePlan,
        cluster: &'a Cluster,
        identity: &'a Identity,
        namespace: &'a str,
    ) -> Self {
        Self {
            context: &cluster.context,
            cluster_uid: &identity.uid,
            namespace,
            restored: plan.restored.clone(),
            unchanged: plan.unchanged.clone(),
            left_out: plan.left_out.clone(),
            lacking: plan.lacking.clone(),
            done: false,
        }
    }
}
