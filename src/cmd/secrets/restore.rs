//! `secrets restore`: recreates the Secrets of a recovery file in the cluster.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::ExitCode;

use camino::Utf8PathBuf;
use serde::Serialize;

use crate::bundle::index::{Source, Wanted};
use crate::bundle::open::Bundle;
use crate::cluster::secret::Secret;
use crate::cluster::{Cluster, Identity};
use crate::cmd::args::identity::IdentityArgs;
use crate::cmd::args::target::TargetArgs;
use crate::cmd::confirm::{confirm, place};
use crate::cmd::ctx::Ctx;
use crate::cmd::exit_code::Outcome;
use crate::failure::Failure;
use crate::fsio;
use crate::install::recovery_file::{described, restored};
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::sealed::{RECOVERY_BYTES_MAX, Recovery, Saved};
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
        let mut report = plan.report(&cluster, &identity, namespace);
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

fn check_namespace(cluster: &Cluster, namespace: &str) -> Result<(), Failure> {
    let there = cluster.find(&ObjectKey::of(Kind::Namespace, "", namespace))?;
    if there.is_some() {
        return Ok(());
    }
    Err(Failure::world(format!("namespace {namespace} does not exist"))
        .hint(format!("create it: kubectl create namespace {namespace}")))
}

/// The Secrets to restore.
struct Plan {
    writes: Vec<(ObjectKey, Secret)>,
    restored: Vec<String>,
    unchanged: Vec<String>,
    left_out: Vec<String>,
    lacking: Vec<String>,
}

/// Compares the file with the cluster, and with the references of the bundle.
fn plan(cluster: &Cluster, bundle: &Bundle, recovery: &Recovery) -> Result<Plan, Failure> {
    let wanted: BTreeMap<&str, &Wanted> = bundle
        .index
        .contract
        .iter()
        .filter(|wanted| {
            wanted.kind == "Secret" && wanted.namespace == bundle.index.namespace.as_str()
        })
        .map(|wanted| (wanted.name.as_str(), wanted))
        .collect();
    let has = |name: &str| recovery.secrets.iter().any(|saved| saved.name == name);
    let lacking =
        wanted.keys().filter(|name| !has(name)).map(|name| format!("Secret/{name}")).collect();
    let mut plan = Plan {
        writes: Vec::new(),
        restored: Vec::new(),
        unchanged: Vec::new(),
        left_out: Vec::new(),
        lacking,
    };
    let mut different = Vec::new();
    for saved in &recovery.secrets {
        let Some(wanted) = wanted.get(saved.name.as_str()) else {
            plan.left_out.push(described(saved));
            continue;
        };
        let key = ObjectKey::of(Kind::Secret, &wanted.namespace, &wanted.name);
        match cluster.find_secret(&key)? {
            None => {
                let is_made = wanted.source != Source::Cluster;
                let instance = is_made.then_some(bundle.index.name.as_str());
                plan.writes.push((key.clone(), restored(&key, saved, instance)));
                plan.restored.push(described(saved));
            }
            Some(live) if live.data == saved.data => plan.unchanged.push(described(saved)),
            Some(live) => different.push(difference(saved, &live)),
        }
    }
    if different.is_empty() {
        return Ok(plan);
    }
    let failure = Failure::world(
        "the cluster has Secrets whose values differ from the file; nothing was written",
    );
    let failure = different.into_iter().fold(failure, Failure::reason);
    Err(failure.hint("if the file is right, delete these Secrets and run the command again"))
}

/// Returns the keys that differ, in words.
fn difference(saved: &Saved, live: &Secret) -> String {
    let all: std::collections::BTreeSet<&String> =
        saved.data.keys().chain(live.data.keys()).collect();
    let differing = all.into_iter().filter(|key| saved.data.get(*key) != live.data.get(*key));
    let keys: Vec<&str> = differing.map(String::as_str).collect();
    format!("Secret/{}: {}", saved.name, keys.join(", "))
}

impl Plan {
    fn report<'a>(
        &self,
        cluster: &'a Cluster,
        identity: &'a Identity,
        namespace: &'a str,
    ) -> RestoreReport<'a> {
        RestoreReport {
            context: &cluster.context,
            cluster_uid: &identity.uid,
            namespace,
            restored: self.restored.clone(),
            unchanged: self.unchanged.clone(),
            left_out: self.left_out.clone(),
            lacking: self.lacking.clone(),
            done: false,
        }
    }
}

/// Creates a Secret. Accepts an existing one with the same values: the answer to an earlier request
/// may have been lost, or another run created it.
fn put(cluster: &Cluster, key: &ObjectKey, secret: &Secret) -> Result<(), Failure> {
    match cluster.put_secret(key, secret) {
        Ok(_) => Ok(()),
        Err(error) if error.code() == 409 => match cluster.find_secret(key)? {
            Some(live) if live.data == secret.data => Ok(()),
            _ => Err(Failure::world(format!(
                "{key} was created by another client during this run, with different values"
            ))
            .hint("run the command again: it will compare the values with the cluster")),
        },
        Err(error) => Err(Failure::from(error)
            .hint(format!("{key} was not restored; the preceding Secrets were"))),
    }
}
