//! `status`: what is installed, and how it is.

use std::io::{self, Write};
use std::process::ExitCode;

use camino::Utf8PathBuf;
use serde::Serialize;

use super::clock;
use super::cluster_args::identify;
use super::ctx::{Ctx, count};
use super::failure::{DIFFERS, Failure, Outcome};
use super::install::secrets::seen;
use super::installation_args::InstallationArgs;
use super::journal::Journal;
use super::recorded::{EntryReport, Recorded, known_secrets};
use super::troubles::troubles;
use super::trust_args::load_policy;
use super::verified_record;
use crate::cluster::Cluster;
use crate::cluster::request::FIELD_MANAGER;
use crate::cluster::resource::key;
use crate::model::object_key::ObjectKey;
use crate::model::text::ReleaseName;
use crate::plan::drift::Drift;
use crate::rollout::additions::{Others, others};
use crate::rollout::known::{KnownSecrets, Whose};
use crate::rollout::lock::Lock;
use crate::rollout::record::{Entry, Item, Progress};
use crate::rollout::standing::Standing;
use crate::ui::escape::safe;
use crate::ui::live_view::drift_line;
use crate::ui::printer::Report;

/// What to do about a Secret that is gone.
const LOST: &str = "pods that run still have it, and none that starts can: restore it, `relay-bundle secrets restore`, before any \
                    pod starts anew; docs/recovery.md shows how";

/// The same, while a run is pending.
const NOT_MADE: &str = "the run that was begun has not made it, or somebody deleted it since: run that again";

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit code 0 if a generation is deployed, none is pending, no release of Helm is partly taken over,
all its objects are there and ready, and so are the Secrets that apply made for it; 1 if not.

The record says all this of itself. With --trust the bundle that it names as deployed is verified:
its signatures, and that no key or content was revoked. `verify --live` compares the objects with
a bundle, field by field.

Examples:
  relay-bundle status -n claude-relay
  relay-bundle status -n claude-relay --trust trust.toml --json"
)]
pub struct Args {
    #[command(flatten)]
    installation: InstallationArgs,
    /// Verify the bundle that is recorded as deployed, under this policy
    #[arg(long, value_name = "TOML")]
    trust: Option<Utf8PathBuf>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusReport {
    name: String,
    namespace: String,
    context: String,
    /// Whether it is deployed and ready, and nothing is pending.
    ok: bool,
    /// Whether the deployed bundle was verified.
    verified: bool,
    /// What is deployed, was begun, or was given up since; newest first.
    generations: Vec<EntryReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lock: Option<Lock>,
    /// The release of Helm that is only partly taken over.
    #[serde(skip_serializing_if = "Option::is_none")]
    adopting: Option<ReleaseName>,
    /// The generation whose objects these are.
    #[serde(skip_serializing_if = "Option::is_none")]
    objects_of: Option<u64>,
    objects: Vec<ObjectReport>,
    /// The Secrets that are made at apply, of the same generation.
    secrets: Vec<SecretReport>,
    /// What is wrong with pods.
    troubles: Vec<String>,
}

#[derive(Serialize)]
struct ObjectReport {
    #[serde(flatten)]
    key: ObjectKey,
    #[serde(flatten)]
    standing: Standing,
    /// What others have changed in it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changed: Vec<Drift>,
    /// What they have added to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    additions: Vec<String>,
}

impl ObjectReport {
    fn is_well(&self) -> bool {
        // A claim that was grown by hand keeps its size.
        let is_same = self.changed.is_empty() || self.key.kind == "PersistentVolumeClaim";
        self.standing == Standing::Ready && is_same
    }
}

/// How a Secret stands that no inventory has.
#[derive(Serialize)]
struct SecretReport {
    name: String,
    standing: SecretStanding,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum SecretStanding {
    Ready,
    Missing,
    /// It is not the one that the last generation that ran has noted.
    Replaced,
    /// We may not look at it.
    Unseen,
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        let policy = self.trust.as_deref().map(load_policy).transpose()?;
        let cluster = self.installation.connect(&ctx.printer)?;
        if let Some(policy) = &policy {
            identify(&cluster, policy)?;
        }
        let journal = self.installation.open(&cluster)?;
        let recorded =
            journal.recorded(|entry| matches!(entry.state, Progress::Deployed | Progress::Pending))?;
        let deployed = recorded.iter().find(|recorded| recorded.entry.state == Progress::Deployed);
        let verified = match (&policy, deployed) {
            (Some(policy), Some(deployed)) => {
                verified_record::verified(&journal, &deployed.entry, policy, clock::now()?)?;
                true
            }
            _ => false,
        };
        let shown = recorded.last();
        let objects = shown.map_or_else(|| Ok(Vec::new()), |shown| look(&cluster, &journal, shown))?;
        let known = known_secrets(&journal.head, &recorded);
        let secrets = shown
            .map_or_else(|| Ok(Vec::new()), |shown| look_at_secrets(&cluster, &journal, shown, &known))?;
        let keys = objects.iter().map(|object| &object.key);
        let troubles = troubles(&cluster, (journal.name(), journal.namespace()), keys)?;
        let is_ready = objects.iter().all(ObjectReport::is_well) && secrets.iter().all(SecretReport::is_well);
        let is_whole = journal.head.pending().is_none() && journal.head.adopting.is_none();
        let report = StatusReport {
            name: journal.name().to_string(),
            namespace: journal.namespace().to_owned(),
            context: cluster.context.clone(),
            ok: deployed.is_some() && is_whole && is_ready,
            verified,
            generations: current(&journal.head.generations),
            lock: journal.head.lock.clone(),
            adopting: journal.head.adopting.clone(),
            objects_of: shown.map(|shown| shown.entry.generation),
            objects,
            secrets,
            troubles,
        };
        ctx.printer.report(&report)?;
        if let Some(unfinished) = journal.unfinished_adoption() {
            ctx.printer.say(&unfinished);
        }
        if !verified {
            ctx.printer.say("nothing was verified: this is what the record says of itself; see --trust");
        }
        Ok(if report.ok { ExitCode::SUCCESS } else { DIFFERS.into() })
    }
}

/// Returns the generation that runs and all after it, newest first.
fn current(generations: &[Entry]) -> Vec<EntryReport> {
    let deployed = generations.iter().rposition(|entry| entry.state.has_run());
    generations.iter().skip(deployed.unwrap_or(0)).rev().map(EntryReport::of).collect()
}

fn look(cluster: &Cluster, journal: &Journal<'_>, recorded: &Recorded) -> Result<Vec<ObjectReport>, Failure> {
    let keys: Vec<ObjectKey> = recorded.inventory.iter().map(|item| item.key.clone()).collect();
    let live = cluster.find_all(&keys)?;
    let manifests = journal.manifests(&recorded.entry)?;
    let report = |item: &Item| {
        let live = live.get(&item.key);
        let manifest = manifests.iter().find(|manifest| manifest.key == item.key);
        let beside = live
            .zip(manifest)
            .map(|(live, manifest)| others(&item.key, live, &manifest.object, FIELD_MANAGER));
        let Others { changed, additions } = beside.unwrap_or_default();
        ObjectReport { standing: Standing::of(item, live), key: item.key.clone(), changed, additions }
    };
    Ok(recorded.inventory.iter().map(report).collect())
}

/// Looks whether the Secrets are there, and are those that were noted.
fn look_at_secrets(
    cluster: &Cluster,
    journal: &Journal<'_>,
    recorded: &Recorded,
    known: &KnownSecrets,
) -> Result<Vec<SecretReport>, Failure> {
    let lost = if recorded.entry.state == Progress::Pending { NOT_MADE } else { LOST };
    let report = |name: &String| {
        let key = key("Secret", journal.namespace(), name).expect("a kind that is known");
        let (standing, why) = match cluster.find_secret(&key) {
            Err(error) if error.code() == 403 => (SecretStanding::Unseen, None),
            Err(error) => return Err(error.into()),
            Ok(None) => (SecretStanding::Missing, Some(lost.to_owned())),
            Ok(Some(secret)) => match known.whose(seen(&key, &secret)) {
                Whose::Another(why) => (SecretStanding::Replaced, Some(why)),
                Whose::Ours | Whose::Taken(_) => (SecretStanding::Ready, None),
            },
        };
        Ok(SecretReport { name: name.clone(), standing, why })
    };
    recorded.secrets.iter().map(report).collect()
}

impl SecretReport {
    fn is_well(&self) -> bool {
        matches!(self.standing, SecretStanding::Ready | SecretStanding::Unseen)
    }

    fn line(&self) -> Option<String> {
        let Self { name, standing, why } = self;
        let why = why.as_deref().unwrap_or_default();
        match standing {
            SecretStanding::Ready => None,
            SecretStanding::Missing => Some(format!("! Secret/{name}: missing: {why}")),
            SecretStanding::Replaced => Some(format!("! {why}")),
            SecretStanding::Unseen => Some(format!("  Secret/{name}: not checked: we may not look at it")),
        }
    }
}

impl StatusReport {
    fn write_generations(&self, out: &mut dyn Write) -> io::Result<()> {
        for entry in &self.generations {
            let EntryReport { generation, state, content_id, profile, serial, recorded, content_of } = entry;
            let state = state.to_string();
            let profile = safe(profile);
            let of = content_of.map(|of| format!("  back to {of}")).unwrap_or_default();
            writeln!(out, "{state:<12}generation {generation}: {profile}, serial {serial}, {recorded}")?;
            writeln!(out, "{:<12}{content_id}{of}", "")?;
        }
        Ok(())
    }
}

impl Report for StatusReport {
    const SCHEMA: &'static str = "status/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        let place = format!("{} in namespace {} of context {}", self.name, self.namespace, self.context);
        writeln!(out, "{}", safe(&place))?;
        self.write_generations(out)?;
        if let Some(lock) = &self.lock {
            let who = lock.to_string();
            writeln!(out, "{:<12}held by {}: a run is under way, or was killed", "lock", safe(&who))?;
        }
        if let Some(release) = &self.adopting {
            writeln!(out, "{:<12}the Helm release {release}: under way, or interrupted", "adopting")?;
        }
        let verified = if self.verified { "the deployed bundle" } else { "nothing" };
        writeln!(out, "{:<12}{verified}", "verified")?;
        let ready = self.objects.iter().filter(|object| object.standing == Standing::Ready).count();
        let of = self.objects_of.map(|of| format!(" of generation {of}")).unwrap_or_default();
        let all = count(self.objects.len(), "object");
        writeln!(out, "{:<12}{ready} of {all}{of} are there and ready", "objects")?;
        for ObjectReport { key, standing, .. } in &self.objects {
            let why = match standing {
                Standing::Ready => continue,
                Standing::Waiting(why) => format!("not ready: {why}"),
                Standing::Failed(why) => format!("failed: {why}"),
                Standing::Replaced => {
                    "another object has its name: somebody deleted it and made this one".into()
                }
                Standing::Missing => "missing".into(),
            };
            writeln!(out, "  ! {}: {}", safe(&key.to_string()), safe(&why))?;
        }
        for line in self.secrets.iter().filter_map(SecretReport::line) {
            writeln!(out, "  {}", safe(&line))?;
        }
        for object in &self.objects {
            let mark = if object.is_well() { '~' } else { '!' };
            for drift in &object.changed {
                writeln!(out, "  {mark} {}: {}", safe(&object.key.to_string()), drift_line(drift))?;
            }
            object.additions.iter().try_for_each(|added| writeln!(out, "  ~ {}", safe(added)))?;
        }
        self.troubles.iter().try_for_each(|trouble| writeln!(out, "  ! {}", safe(trouble)))
    }
}
