//! `remove`: removes an installation. PVCs, Secrets and the record stay, and are listed.

use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

use super::args::change::ChangeArgs;
use super::confirm::{confirm, place};
use super::ctx::{Ctx, count};
use super::exit_code::Outcome;
use super::install::host;
use crate::failure::Failure;
use crate::helm::abandonment::{Return, Returned};
use crate::install::adopt::abandon::{Abandonment, ReleasePart};
use crate::install::event::Event;
use crate::install::generations::inventory;
use crate::install::record::Journal;
use crate::install::remove::{Removing, check_rights_for, is_removed, look};
use crate::model::command_line::{command_line, kubectl_line};
use crate::model::text::ReleaseName;
use crate::rollout::prune::Candidate;
use crate::rollout::removal::Stays;
use crate::ui::escape::safe;
use crate::ui::printer::Report;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Deletes every object in the record that has not been replaced since and holds no data, and waits for
its pods. PVCs, Secrets, the record and the namespace stay: the commands that delete those with the
labels of this installation are printed. To resume an interrupted run, run the same command again.
Afterwards, a bundle can be applied again with the same data and keys.

During an unfinished adoption, --abandon gives the release back to Helm: it restores objects as in
Helm's record, recreates deleted ones, and deletes those that only the bundle has. Secrets keep
their values. Afterwards, `helm upgrade`, `helm uninstall` and `relay-bundle adopt` work again.

Examples:
  relay-bundle remove -n claude-relay --dry-run
  relay-bundle remove -n claude-relay
  relay-bundle remove -n claude-relay --abandon"
)]
pub struct Args {
    /// Give a release that was only partly adopted back to Helm
    #[arg(long)]
    abandon: bool,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RemoveReport<'a> {
    name: String,
    namespace: String,
    context: &'a str,
    cluster_uid: &'a str,
    /// The objects to delete, in order.
    delete: Vec<&'a Candidate>,
    stays: Vec<Left>,
    /// The Helm release whose adoption is unfinished.
    #[serde(skip_serializing_if = "Option::is_none")]
    adopting: Option<ReleaseName>,
    /// The fate of that release.
    #[serde(skip_serializing_if = "Option::is_none")]
    helm: Option<&'a ReleasePart>,
    /// Whether the removal was done: false in a dry run.
    done: bool,
}

/// An object that stays.
#[derive(Serialize)]
struct Left {
    what: String,
    why: &'static str,
    /// The command that deletes it after all; absent if we must not suggest one.
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<String>,
}

impl From<Stays> for Left {
    fn from(Stays { what, why, delete }: Stays) -> Self {
        Self { what, why, command: (!delete.is_empty()).then(|| kubectl_line(delete)) }
    }
}

impl Report for RemoveReport<'_> {
    const SCHEMA: &'static str = "remove/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        let place =
            format!("{} in namespace {} of context {}", self.name, self.namespace, self.context);
        if self.done {
            writeln!(
                out,
                "removed {}: {} deleted",
                safe(&place),
                count(self.delete.len(), "object")
            )?;
        } else {
            writeln!(out, "removal of {} ({})", safe(&place), self.cluster_uid)?;
            self.delete.iter().try_for_each(|gone| writeln!(out, "delete    {}", gone.key))?;
        }
        self.helm.iter().try_for_each(|part| write_release(part, out))?;
        for Left { what, why, command } in &self.stays {
            writeln!(out, "stays     {}: {why}", safe(what))?;
            command.iter().try_for_each(|command| writeln!(out, "          {}", safe(command)))?;
        }
        Ok(())
    }
}

/// Writes the fate of each object of a release.
fn write_release(part: &ReleasePart, out: &mut dyn Write) -> io::Result<()> {
    let revision = part.revision;
    for Returned { key, act } in &part.objects {
        let (verb, what) = match act {
            Return::Untouched => ("untouched", "Helm's, as it was".to_owned()),
            Return::Return => ("return   ", format!("Helm's again, as in revision {revision}")),
            Return::ReturnData => (
                "return   ",
                "Helm's again, with its content; `helm uninstall` deletes it".to_owned(),
            ),
            Return::Recreate => {
                ("create   ", format!("Helm's, recreated as in revision {revision}"))
            }
            Return::Replace => (
                "replace  ",
                format!("deleted with its pods, and recreated as in revision {revision}"),
            ),
            Return::Missing => ("missing  ", "it was deleted: restore it from a backup".to_owned()),
            Return::Foreign => ("foreign  ", "not part of this release; left unchanged".to_owned()),
            Return::Other => ("untouched", "Helm's; adoption does not touch this kind".to_owned()),
        };
        writeln!(out, "{verb} {}: {what}", safe(&key.to_string()))?;
    }
    let keys = part.encryption_key.iter().map(|secret| {
        format!(
            "; save Secret {secret} before an upgrade: the chart generates a new encryption key if \
             none is set"
        )
    });
    let keys: String = keys.collect();
    let release = &part.release;
    let what = format!(
        "release {release} is Helm's: `helm upgrade`, `helm uninstall` or `relay-bundle adopt`{keys}"
    );
    writeln!(out, "helm      {}", safe(&what))
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        let cluster = self.change.installation.connect(&ctx.printer)?;
        let identity = cluster.identity()?;
        let mut journal = self.change.installation.open(&cluster)?;
        let observe = |event: &Event<'_>| ctx.observe(event);
        journal.await_turn(self.change.turn(), &observe)?;
        let adopting = self.adoption(&journal)?;
        let namespace = journal.namespace().to_owned();
        let recorded = journal.recorded(|_| true)?;
        let abandonment = adopting
            .as_ref()
            .map(|release| Abandonment::plan(&cluster, release, &namespace, &inventory(&recorded)));
        let abandonment = abandonment.transpose()?.flatten();
        let (removal, stays) = look(&cluster, &journal, &recorded, abandonment.as_ref())?;
        let mut report = RemoveReport {
            name: journal.name().to_string(),
            namespace: journal.namespace().to_owned(),
            context: &cluster.context,
            cluster_uid: &identity.uid,
            delete: removal.workloads.iter().chain(&removal.rest).collect(),
            stays: stays.into_iter().map(Left::from).collect(),
            helm: abandonment.as_ref().map(|abandonment| &abandonment.part),
            adopting: adopting.clone(),
            done: false,
        };
        if self.change.dry_run {
            ctx.printer.report(&report)?;
            return Ok(ExitCode::SUCCESS);
        }
        let is_over = report.delete.is_empty() && adopting.is_none() && is_removed(&journal);
        if !is_over || journal.head.lock.is_some() {
            check_rights_for(&cluster, &namespace, &report.delete, abandonment.as_ref())?;
            if !self.change.yes {
                let place = place(&cluster, &identity, None, journal.namespace());
                let question = match &abandonment {
                    Some(_) => format!("Give {} back to Helm in {place}?", journal.name()),
                    None => format!("Remove {} from {place}?", journal.name()),
                };
                confirm(ctx, &report, &question)?;
            }
            let (host, timeout) = (host(&observe), self.change.timeout());
            let (cluster, removal, abandonment) = (&cluster, &removal, abandonment.as_ref());
            Removing { host, cluster, removal, abandonment, timeout }.run(&mut journal)?;
        }
        report.done = true;
        ctx.printer.report(&report)?;
        Ok(ExitCode::SUCCESS)
    }

    /// Returns the Helm release whose adoption is abandoned. Refuses to remove a partly adopted
    /// release, and to abandon without an unfinished adoption.
    fn adoption(&self, journal: &Journal<'_>) -> Result<Option<ReleaseName>, Failure> {
        match (journal.unfinished_adoption(), self.abandon) {
            (Some(unfinished), false) => {
                let place = [
                    "remove",
                    "--abandon",
                    "-n",
                    journal.namespace(),
                    "--name",
                    journal.name().as_str(),
                ];
                let cluster = self.change.installation.cluster_words();
                let line =
                    command_line(place.into_iter().chain(cluster.iter().map(String::as_str)));
                Err(Failure::world(unfinished)
                    .hint(format!("or give the release back to Helm: {line}")))
            }
            (None, true) => Err(Failure::input("no adoption is in progress: nothing to abandon")
                .hint("to remove the installation, run `relay-bundle remove` without --abandon")),
            _ => Ok(journal.head.adopting.clone()),
        }
    }
}
