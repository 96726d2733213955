//! `remove`: removes an installation. PVCs, Secrets and the record stay, and are listed.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;

use super::args::change::ChangeArgs;
use super::clock;
use super::confirm::{confirm, place};
use super::ctx::{Ctx, count};
use super::exit_code::Outcome;
use super::holder::holder;
use crate::cluster::Cluster;
use crate::cluster::request::{FIELD_MANAGER, Request};
use crate::failure::Failure;
use crate::helm::abandonment::{Return, Returned};
use crate::install::AGAIN;
use crate::install::adopt::abandon::{Abandonment, ReleasePart, has_archive};
use crate::install::event::{Act, Event, Observer};
use crate::install::generations::{Recorded, inventory};
use crate::install::preflight::check_rights;
use crate::install::record::{Journal, delete_with, gave_back};
use crate::model::command_line::{command_line, kubectl_line};
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::model::text::ReleaseName;
use crate::render::manifest_set::ManifestSet;
use crate::rollout::live;
use crate::rollout::prune::Candidate;
use crate::rollout::record::{Progress, instance_label, recovery_name};
use crate::rollout::removal::{Kept, Removal, Stays, removal, stays};
use crate::rollout::rights::Right;
use crate::ui::escape::safe;
use crate::ui::printer::Report;

const POLL: Duration = Duration::from_millis(200);

/// The number of pods that an error names at most.
const PODS_SHOWN: usize = 10;

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
            let locked = journal.lock(holder("remove")?, |head, _| head.begin_removal());
            locked.map_err(|failure| gave_back(&mut journal, failure))?;
            let done =
                self.remove(&cluster, &mut journal, (&removal, abandonment.as_ref()), &observe);
            done.map_err(|failure| {
                let failure = failure.hint(AGAIN);
                gave_back(&mut journal, failure)
            })?;
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

    fn remove(
        &self,
        cluster: &Cluster,
        journal: &mut Journal<'_>,
        (removal, abandonment): (&Removal, Option<&Abandonment<'_>>),
        observe: &Observer<'_>,
    ) -> Result<(), Failure> {
        self.delete_all(cluster, journal, &removal.workloads, observe)?;
        if let Some(abandonment) = abandonment {
            abandonment.carry_out(journal, &removal.rest, self.change.timeout(), observe)?;
        }
        self.delete_all(cluster, journal, &removal.rest, observe)?;
        let now = clock::now()?;
        journal.update(|head| {
            head.finish_removal(now);
            head.adopting = None;
        })?;
        journal.release()
    }

    fn delete_all(
        &self,
        cluster: &Cluster,
        journal: &mut Journal<'_>,
        gone: &[Candidate],
        observe: &Observer<'_>,
    ) -> Result<(), Failure> {
        for candidate in gone {
            journal.beat()?;
            delete(cluster, journal.name(), candidate)?;
            observe(&Event::Changed { act: Act::Delete, key: &candidate.key });
        }
        self.wait(cluster, journal, gone)
    }

    /// Waits until the objects are gone. Workloads go after their pods.
    fn wait(
        &self,
        cluster: &Cluster,
        journal: &mut Journal<'_>,
        gone: &[Candidate],
    ) -> Result<(), Failure> {
        let start = Instant::now();
        let keys: Vec<ObjectKey> = gone.iter().map(|candidate| candidate.key.clone()).collect();
        loop {
            let live = cluster.find_all(&keys)?;
            let is_there = |gone: &&Candidate| {
                live.get(&gone.key).is_some_and(|now| live::uid(now) == gone.uid)
            };
            let Some(left) = gone.iter().find(is_there) else { return Ok(()) };
            if start.elapsed() >= self.change.timeout() {
                let what =
                    format!("not gone after {} s: {}", self.change.timeout().as_secs(), left.key);
                return Err(pods_left(cluster, journal)?
                    .into_iter()
                    .fold(Failure::world(what), Failure::reason));
            }
            journal.beat()?;
            cluster.pause(POLL)?;
        }
    }
}

/// Returns the objects to delete and the objects that stay, of all recorded generations. Objects
/// that are given back to Helm are left out.
fn look(
    cluster: &Cluster,
    journal: &Journal<'_>,
    recorded: &[Recorded],
    abandonment: Option<&Abandonment<'_>>,
) -> Result<(Removal, Vec<Stays>), Failure> {
    let none = ManifestSet::default();
    let helms = abandonment.map_or(&none, Abandonment::manifests);
    let is_helms = |key: &ObjectKey| helms.iter().any(|of| of.key.identity() == key.identity());
    let mut inventory = inventory(recorded);
    inventory.retain(|item| !is_helms(&item.key));
    let keys: BTreeSet<ObjectKey> = inventory.iter().map(|item| item.key.clone()).collect();
    let live = cluster.find_all(&Vec::from_iter(keys))?;
    let removal = removal(&inventory, helms, &live, (FIELD_MANAGER, journal.name().as_str()));
    let secret = |name: &String| ObjectKey::of(Kind::Secret, journal.namespace(), name);
    let made =
        recorded.iter().flat_map(|of| of.secrets.iter().map(secret)).filter(|key| !is_helms(key));
    let made = made.collect();
    let referred =
        recorded.iter().flat_map(|of| of.referred.iter().cloned()).filter(|key| !is_helms(key));
    let referred = referred.collect();
    let (ours, mut others) = there(cluster, made, journal.name())?;
    let (theirs, unlabelled) = there(cluster, referred, journal.name())?;
    others.extend(theirs.into_iter().chain(unlabelled));
    let goes = |key: &ObjectKey| {
        removal.workloads.iter().chain(&removal.rest).any(|gone| gone.key == *key)
    };
    // PVCs and the namespace are listed separately.
    let is_told = |key: &ObjectKey| key.is(Kind::PersistentVolumeClaim) || key.is(Kind::Namespace);
    others.extend(live.keys().filter(|key| !goes(key) && !is_told(key)).cloned());
    let copies =
        ObjectKey::of(Kind::ConfigMap, journal.namespace(), &recovery_name(journal.name()));
    let has_copies = cluster.find(&copies)?.is_some();
    let made = ours.into_iter().map(|key| key.name).collect();
    let takes_pods = abandonment.is_some_and(Abandonment::takes_pods);
    let orphans = if takes_pods { BTreeSet::new() } else { orphans(cluster, journal)? };
    let has_archive = has_archive(cluster, journal.name(), journal.namespace())?;
    let kept = Kept { made, others, has_copies, has_archive, orphans };
    let stays = stays((journal.name(), journal.namespace()), &inventory, &live, &kept);
    Ok((removal, stays))
}

/// Returns the pods of the installation that have no owner. Adoption temporarily leaves the Redis
/// pod without one.
fn orphans(cluster: &Cluster, journal: &Journal<'_>) -> Result<BTreeSet<String>, Failure> {
    let folder = ObjectKey::of(Kind::Pod, journal.namespace(), "");
    let pods = match cluster.list(&Request::list(&folder, &instance_label(journal.name()))) {
        // A dry run may lack the permission.
        Err(error) if error.code() == 403 => return Ok(BTreeSet::new()),
        pods => pods?,
    };
    let is_orphan = |pod: &&Value| live::owners(pod).next().is_none() && !live::is_ending(pod);
    let name =
        |pod: &Value| pod.pointer("/metadata/name").and_then(Value::as_str).map(str::to_owned);
    Ok(pods.iter().filter(is_orphan).filter_map(name).collect())
}

/// Returns the existing objects with the label of the installation, and those without it. An object
/// that we may not read counts as unlabelled.
fn there(
    cluster: &Cluster,
    keys: BTreeSet<ObjectKey>,
    name: &ReleaseName,
) -> Result<(BTreeSet<ObjectKey>, BTreeSet<ObjectKey>), Failure> {
    let is_ours =
        |metadata: &Value| live::label(metadata, live::INSTANCE_LABEL) == Some(name.as_str());
    let (mut ours, mut others) = (BTreeSet::new(), BTreeSet::new());
    for key in keys {
        let found = match key.known_kind() {
            Some(Kind::Secret) => {
                cluster.find_secret(&key).map(|found| found.map(|found| is_ours(found.metadata())))
            }
            _ => cluster.find(&key).map(|found| found.map(|found| is_ours(&found["metadata"]))),
        };
        match found {
            Ok(None) => {}
            Ok(Some(true)) => drop(ours.insert(key)),
            Ok(Some(false)) => drop(others.insert(key)),
            Err(error) if error.code() == 403 => drop(others.insert(key)),
            Err(error) => return Err(error.into()),
        }
    }
    Ok((ours, others))
}

fn is_removed(journal: &Journal<'_>) -> bool {
    let is_left =
        |state| matches!(state, Progress::Deployed | Progress::Pending | Progress::Removing);
    !journal.head.generations.iter().any(|entry| is_left(entry.state))
}

fn check_rights_for(
    cluster: &Cluster,
    namespace: &str,
    gone: &[&Candidate],
    abandonment: Option<&Abandonment<'_>>,
) -> Result<(), Failure> {
    let own =
        [Right::to_all("update", "ConfigMap", namespace), Right::to_all("list", "Pod", namespace)];
    let delete = |gone: &&Candidate| {
        Right::to_one("delete", &gone.key.kind, &gone.key.namespace, &gone.key.name)
    };
    let returns = abandonment.map(Abandonment::rights).unwrap_or_default();
    check_rights(cluster, &gone.iter().map(delete).chain(own).chain(returns).collect())
}

/// Deletes an object if its UID is still that of the plan. A workload goes after its pods.
fn delete(cluster: &Cluster, name: &ReleaseName, candidate: &Candidate) -> Result<(), Failure> {
    // Another object may have the same name by now.
    let live = cluster.find(&candidate.key)?.filter(|object| live::uid(object) == candidate.uid);
    let is_ours = |object: &Value| live::is_managed_by(object, FIELD_MANAGER, name.as_str());
    let Some(live) = live.filter(is_ours) else { return Ok(()) };
    let has_pods = candidate.key.known_kind().is_some_and(Kind::has_pods);
    let request = if has_pods { Request::delete_last } else { Request::delete };
    Ok(delete_with(cluster, &candidate.key, &live, request)?)
}

/// Returns a line for each remaining pod.
fn pods_left(cluster: &Cluster, journal: &Journal<'_>) -> Result<Vec<String>, Failure> {
    let folder = ObjectKey::of(Kind::Pod, journal.namespace(), "");
    let pods = cluster.list(&Request::list(&folder, &instance_label(journal.name())))?;
    let line = |pod: &Value| {
        let text = |pointer| pod.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (name, node) = (text("/metadata/name"), text("/spec/nodeName"));
        let since = text("/metadata/deletionTimestamp");
        format!("pod {name} on node {node} still exists; it was told to stop at {since}")
    };
    Ok(pods.iter().take(PODS_SHOWN).map(line).collect())
}
