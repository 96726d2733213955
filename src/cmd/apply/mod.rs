//! `apply`: brings a cluster to a bundle's state, or says why not before anything is changed.
//!
//! The order is the promise: verified before any connection, planned before any lock, recorded before any write.

mod execute;
mod journal;
mod preflight;
mod report;
mod secrets;
mod survey;
mod wait;

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use camino::Utf8PathBuf;

use super::clock;
use super::cluster_args::{ClusterArgs, identify};
use super::ctx::{Ctx, StoreArgs};
use super::failure::{Failure, Outcome};
use super::gate::BundleArgs;
use super::state_args::StateArgs;
use super::trust_args::load_policy;
use crate::archive;
use crate::bundle::open::Bundle;
use crate::cluster::request::FIELD_MANAGER;
use crate::cluster::resource::key;
use crate::cluster::{Cluster, Identity};
use crate::model::timestamp::Timestamp;
use crate::rollout::live;
use crate::rollout::plan::{Action, Before, Plan, plan};
use crate::rollout::prune::Candidate;
use crate::rollout::readiness;
use crate::rollout::record::{Generation, Item, pack};
use crate::state_file::StateFile;
use crate::trust::policy::Policy;
use crate::trust::refusal::{Reason, Refusal};
use crate::trust::verify::{Authority, Purpose, Terms, Verified};
use execute::Uids;
use journal::Journal;
use report::{ApplyReport, Done};
use secrets::{Consent, Making};

#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(
    after_help = "The bundle is verified before the cluster is asked anything. A run that was interrupted is run again: it
goes on where it stopped.

Examples:
  relay-bundle apply prod.tar --trust trust.toml --dry-run
  relay-bundle apply prod.tar --trust trust.toml
  relay-bundle apply prod.tar --trust trust.toml --first-install --yes"
)]
pub struct Args {
    #[command(flatten)]
    bundle: BundleArgs,
    /// The trust policy: who may sign what, and for which place
    #[arg(long, value_name = "TOML")]
    trust: Utf8PathBuf,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Show the plan, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Take the lock from whoever holds it, without seeing whether they live
    #[arg(long)]
    break_lock: bool,
    /// How many seconds to wait until everything is ready
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    timeout: u64,
    /// Generate the encryption key: the relay has never run here
    #[arg(long)]
    first_install: bool,
    /// Generate secrets of which no encrypted copy is kept
    #[arg(long)]
    no_recovery: bool,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    store: StoreArgs,
}

/// What was verified, before any connection.
struct Checked {
    policy: Policy,
    state_file: StateFile,
    bundle: Verified<Bundle>,
    /// The bundle as the record keeps it.
    packed: String,
    now: Timestamp,
}

/// A run against one cluster.
struct Run<'a> {
    ctx: &'a Ctx,
    checked: &'a Checked,
    cluster: &'a Cluster,
    journal: Journal<'a>,
    is_namespace_there: bool,
    timeout: Duration,
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        let checked = self.check_offline()?;
        let cluster = self.cluster.connect()?;
        let (mut run, identity) = self.begin(ctx, &checked, &cluster)?;
        let (before, makings) = run.survey(self.consent())?;
        let uids = known_uids(&before);
        let plan = plan(&checked.bundle, before, FIELD_MANAGER);
        let mut report = ApplyReport::new(&checked.bundle, &cluster, &identity, &plan, &makings);
        if let Some(blocked) = report::blocked(&plan) {
            return Err(blocked);
        }
        if self.dry_run {
            ctx.printer.report(&report)?;
            return Ok(ExitCode::SUCCESS);
        }
        if makings.is_empty() && plan.is_empty() && run.is_deployed() {
            report.done = Some(Done::unchanged(run.journal.head.deployed().map(|entry| entry.generation)));
            ctx.printer.report(&report)?;
            return Ok(ExitCode::SUCCESS);
        }
        run.check_rights(&plan, &makings)?;
        self.confirm(ctx, &report, &checked, &identity)?;
        report.done = Some(run.execute(&plan, &makings, uids)?);
        ctx.printer.report(&report)?;
        Ok(ExitCode::SUCCESS)
    }

    fn consent(&self) -> Consent {
        Consent { first_install: self.first_install, no_recovery: self.no_recovery }
    }

    /// Everything that needs no cluster; there is no connection yet.
    fn check_offline(&self) -> Result<Checked, Failure> {
        self.bundle.check()?;
        let policy = load_policy(&self.trust)?;
        let now = clock::now()?;
        let state_file = self.state.file()?;
        let state = state_file.read()?;
        let terms = Terms { authority: Authority::Policy(&policy, &state), purpose: Purpose::Install, now };
        let (_, bundle) = self.bundle.verify(&self.store, &terms)?;
        let mut bytes = Vec::new();
        let attestation = Some(bundle.voucher().attestation.as_slice());
        archive::write(&mut bytes, attestation, bundle.files.open()).map_err(Failure::bug)?;
        let packed = pack(&bytes).map_err(Failure::input)?;
        Ok(Checked { policy, state_file, bundle, packed, now })
    }

    /// Connects: the right cluster, a version that will do, nothing older than what was accepted there.
    fn begin<'a>(
        &self,
        ctx: &'a Ctx,
        checked: &'a Checked,
        cluster: &'a Cluster,
    ) -> Result<(Run<'a>, Identity), Failure> {
        let bundle = &checked.bundle;
        let identity = identify(cluster, &checked.policy)?;
        preflight::check_version(&identity, bundle)?;
        let namespace = bundle.index.namespace.as_str();
        let namespace_key = key("Namespace", "", namespace).expect("a kind that is known");
        let is_namespace_there = cluster.find(&namespace_key)?.is_some();
        let journal = Journal::open(cluster, &bundle.index.name, namespace, self.break_lock)?;
        let statement = &bundle.voucher().statement;
        let site = checked.policy.target.site.as_ref();
        journal
            .state
            .check(statement, site, checked.now)
            .map_err(|replay| Failure::from(Refusal::from(Reason::Replay(replay))))?;
        let timeout = Duration::from_secs(self.timeout);
        Ok((Run { ctx, checked, cluster, journal, is_namespace_there, timeout }, identity))
    }

    /// Asks, and names what is asked about.
    fn confirm(
        &self,
        ctx: &Ctx,
        report: &ApplyReport<'_>,
        checked: &Checked,
        identity: &Identity,
    ) -> Result<(), Failure> {
        if self.yes {
            return Ok(());
        }
        if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
            return Err(Failure::input("nobody can be asked: there is no terminal")
                .hint("look at the plan with --dry-run, then say --yes"));
        }
        ctx.printer.say_report(report)?;
        let site = checked.policy.target.site.as_ref().map_or("any site", |site| site.as_str());
        let (context, uid) = (report.context(), &identity.uid);
        let namespace = &checked.bundle.index.namespace;
        let mut stderr = io::stderr();
        write!(stderr, "Apply to context {context} (cluster {uid}, {site}), namespace {namespace}? [y/N] ")?;
        stderr.flush()?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        match answer.trim() {
            "y" | "yes" => Ok(()),
            _ => Err(Failure::input("nothing was changed")),
        }
    }
}

impl Run<'_> {
    /// Looks at everything that decides what is to be done.
    fn survey(&self, consent: Consent) -> Result<(Before, Vec<Making>), Failure> {
        let bundle = &self.checked.bundle;
        let missing = preflight::check_contract(self.cluster, bundle)?;
        for unseen in &missing.unseen {
            self.ctx.printer.say(&format!("not checked: {unseen}: we may not look at it"));
        }
        if !missing.wanted.is_empty() {
            let failure = Failure::world("the cluster lacks what the bundle needs; nothing was changed");
            return Err(missing.wanted.into_iter().fold(failure, Failure::hint));
        }
        let makings = secrets::missing(self.cluster, bundle)?;
        secrets::check(self.cluster, bundle, &makings, self.journal.head.was_deployed(), consent)?;
        let earlier = self.journal.inventory()?;
        let before = survey::survey(self.cluster, bundle, &earlier, self.is_namespace_there)?;
        Ok((before, makings))
    }

    /// Tells whether this very statement is what was deployed last.
    fn is_deployed(&self) -> bool {
        let (bundle, head) = (&self.checked.bundle, &self.journal.head);
        let serial = bundle.voucher().statement.predicate.serial;
        head.pending().is_none()
            && head
                .deployed()
                .is_some_and(|last| last.content_id == bundle.content_id && last.serial == serial)
    }

    fn check_rights(&self, plan: &Plan, makings: &[Making]) -> Result<(), Failure> {
        let verbs = ["get", "create", "update", "delete"];
        let record = verbs.iter().map(|verb| (*verb, "ConfigMap".to_owned()));
        let seen = ["Pod", "ReplicaSet", "ControllerRevision"].map(|kind| ("list", kind.to_owned()));
        let gone = plan.prune.iter().map(|candidate| ("delete", candidate.key.kind.clone()));
        let made = makings.iter().flat_map(|_| ["create", "update"].map(|verb| (verb, "Secret".to_owned())));
        let mut rights: Vec<_> = record.chain(seen).chain(gone).chain(made).collect();
        rights.sort();
        rights.dedup();
        preflight::check_rights(self.cluster, self.checked.bundle.index.namespace.as_str(), &rights)
    }

    /// Does what was planned; the lock is given back also when that fails.
    fn execute(&mut self, plan: &Plan, makings: &[Making], mut uids: Uids) -> Result<Done, Failure> {
        self.make_namespace(&mut uids)?;
        let generation = self.lock_and_journal(&uids)?;
        let done = self.roll_out(generation, plan, makings, uids);
        if done.is_err() && self.journal.release().is_err() {
            self.ctx.printer.tell("the lock could not be given back; another run waits until it has expired");
        }
        done
    }

    /// The record is kept in the namespace: that comes first if the bundle makes it.
    fn make_namespace(&self, uids: &mut Uids) -> Result<(), Failure> {
        let bundle = &self.checked.bundle;
        let made = bundle.index.objects.iter().zip(bundle.manifests.iter());
        let mut made = made.filter(|(object, _)| object.kind == "Namespace" && !self.is_namespace_there);
        if let Some((object, manifest)) = made.next() {
            let uid = execute::apply_one(self.cluster, bundle, object, &manifest.key)?;
            uids.insert(manifest.key.clone(), uid);
        }
        Ok(())
    }

    /// Takes the lock and notes, before anything is written, what will be.
    fn lock_and_journal(&mut self, uids: &Uids) -> Result<u64, Failure> {
        let Checked { policy, state_file, bundle, packed, now } = self.checked;
        let printer = &self.ctx.printer;
        let statement = &bundle.voucher().statement;
        let site = policy.target.site.as_ref();
        state_file.record(statement, site, *now)?;
        let mut generation = 0;
        let (content_id, serial) = (bundle.content_id, statement.predicate.serial);
        self.journal.lock(&holder()?, &|text| printer.say(text), |head, state| {
            generation = head.begin(content_id, &bundle.index.profile, serial, *now);
            state.accept(statement, site, *now);
        })?;
        self.journal.write_generation(&self.described(generation, uids), packed)?;
        Ok(generation)
    }

    fn described(&self, generation: u64, uids: &Uids) -> Generation {
        let bundle = &self.checked.bundle;
        let item = |key: &crate::model::object_key::ObjectKey| Item {
            key: key.clone(),
            uid: uids.get(key).cloned(),
        };
        let inventory = bundle.manifests.iter().map(|manifest| item(&manifest.key)).collect();
        Generation::new(generation, bundle.content_id, inventory)
    }

    fn roll_out(
        &mut self,
        generation: u64,
        plan: &Plan,
        makings: &[Making],
        mut uids: Uids,
    ) -> Result<Done, Failure> {
        let Checked { bundle, packed, .. } = self.checked;
        let printer = &self.ctx.printer;
        let tell = |text: &str| printer.say(text);
        for making in makings {
            self.journal.beat()?;
            secrets::make(self.cluster, making)?;
        }
        execute::apply_steps(self.cluster, &mut self.journal, bundle, plan, &mut uids, &tell)?;
        let keys = bundle.manifests.iter().map(|manifest| &manifest.key);
        let awaited = keys.filter(|key| readiness::is_awaited(&key.kind)).cloned().collect();
        wait::wait(self.cluster, &mut self.journal, awaited, self.timeout, &tell)?;
        let namespace = bundle.index.namespace.as_str();
        let gone: Vec<Candidate> = execute::prune(self.cluster, &mut self.journal, plan, namespace, &tell)?;
        self.journal.write_generation(&self.described(generation, &uids), packed)?;
        let mut surplus = Vec::new();
        let now = clock::now()?;
        self.journal.update(|head| surplus = head.finish(now))?;
        self.journal.forget(&surplus)?;
        self.journal.release()?;
        let written = plan.count(Action::Create) + plan.count(Action::Update);
        Ok(Done { generation: Some(generation), written, pruned: gone })
    }
}

/// Returns the uids of what is there.
fn known_uids(before: &Before) -> Uids {
    before.live.iter().map(|(key, object)| (key.clone(), live::uid(object).to_owned())).collect()
}

/// Returns a name for this run that no other run has, and by which a person may find it.
fn holder() -> Result<String, Failure> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::world(format!("the system gives no random numbers: {error}")))?;
    Ok(format!("process {} ({:016x})", std::process::id(), u64::from_be_bytes(bytes)))
}
