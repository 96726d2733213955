//! `verify`: the gate. Nothing of a bundle is parsed, written or shown before its signatures are good.

use std::process::ExitCode;

use super::clock;
use super::cluster_args::{ClusterArgs, identify};
use super::ctx::{Ctx, ProfileArgs, StoreArgs};
use super::failure::{DIFFERS, Failure, Outcome};
use super::gate::BundleArgs;
use super::install::preflight::Missing;
use super::live::Live;
use super::rebuild;
use super::state_args::StateArgs;
use super::trust_args::{Trust, TrustArgs};
use crate::bundle::index::{Source, Wanted};
use crate::bundle::layout::Kind;
use crate::bundle::open::Bundle;
use crate::model::text::Label;
use crate::model::timestamp::Timestamp;
use crate::state_file::StateFile;
use crate::trust::state::{Place, State};
use crate::trust::verify::{Purpose, Terms, Verified};
use crate::ui::live_view::LiveReport;
use crate::ui::verify_view::{Replay, Target, VerifyReport};

#[derive(Debug, clap::Args)]
#[command(
    mut_arg("state", |argument| argument.conflicts_with("key")),
    mut_arg("profiles", |argument| argument.requires("rebuild")),
    mut_arg("set", |argument| argument.requires("rebuild")),
    mut_arg("deny_warnings", |argument| argument.requires("rebuild")),
    mut_arg("kubeconfig", |argument| argument.requires("live")),
    mut_arg("context", |argument| argument.requires("live")),
    after_help = "Exit code 3 means that the bundle is not trusted; the first word of the message is a stable code.
`relay-bundle explain CODE` tells what it means and what to do; docs/format/exit-codes.md lists all codes.

Examples:
  relay-bundle verify prod.tar --trust trust.toml
  relay-bundle verify prod.tar --trust trust.toml --record --emit --secrets-exist | kubectl apply --server-side -f -
  relay-bundle verify @production --key signing.pub.pem
  relay-bundle verify prod.tar --trust trust.toml --rebuild production
  relay-bundle verify prod.tar --trust trust.toml --live"
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Args {
    #[command(flatten)]
    bundle: BundleArgs,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    state: StateArgs,
    /// Remember the bundle: nothing older is accepted here afterwards
    #[arg(long, conflicts_with = "key")]
    record: bool,
    /// Print the verified manifests on stdout, in apply order, and the report on stderr
    #[arg(long)]
    emit: bool,
    /// Print manifests although the bundle wants Secrets that `apply` would make: they are there already
    #[arg(long, requires = "emit")]
    secrets_exist: bool,
    /// Also build this profile from the source tree, and compare: is the bundle what the source gives?
    #[arg(long, value_name = "PROFILE")]
    rebuild: Option<String>,
    /// Also compare every object with what is live: exit code 1 if one is missing, was changed, or is too many
    #[arg(long, conflicts_with = "emit")]
    live: bool,
    /// Verify as of another time, such as 2026-11-22T10:00:00Z: for audits only
    #[arg(long, value_name = "TIME", conflicts_with_all = ["record", "emit"])]
    at: Option<Timestamp>,
    #[command(flatten)]
    profiles: ProfileArgs,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        if self.emit && ctx.printer.json {
            return Err(Failure::input(
                "--emit prints manifests and --json a report, and there is one stdout",
            )
            .hint("verify twice, or read the report on stderr"));
        }
        self.bundle.check()?;
        let trust = self.trust.load()?;
        let now = self.time(ctx)?;
        let state_file = self.state_file(&trust)?;
        let state = state_file.as_ref().map_or_else(|| Ok(State::default()), StateFile::read)?;
        let terms = Terms { authority: trust.authority(&state), purpose: Purpose::Install, now };

        let (origin, bundle) = self.bundle.verify(&self.store, &terms)?;

        let rebuild = self.rebuild.as_deref();
        let rebuild =
            rebuild.map(|name| rebuild::compare(ctx, name, &self.profiles, &bundle.sums)).transpose()?;
        let differs = rebuild.as_ref().is_some_and(|rebuild| !rebuild.same);
        if self.emit && !differs {
            self.check_secrets(&bundle)?;
        }
        let (target, replay) = match (&trust, &state_file) {
            (Trust::Policy(policy), Some(file)) => {
                let site = policy.target.site.as_ref();
                let replay = self.replay(&bundle, site, (file, &state), now, !differs)?;
                (Target { policy: true, site: site.cloned() }, replay)
            }
            _ => Default::default(),
        };
        let live = self.live.then(|| self.look(&trust, &bundle)).transpose()?;
        let differs = differs || live.as_ref().is_some_and(|live| !live.same);
        let report = VerifyReport::new(&bundle, origin, now).for_place(target, replay);
        let report = report.rebuilt(rebuild).beside(live);
        self.print(ctx, &report, &bundle, differs)
    }

    /// Compares a cluster with the bundle.
    fn look(&self, trust: &Trust, bundle: &Verified<Bundle>) -> Result<LiveReport, Failure> {
        let cluster = self.cluster.connect()?;
        let identity = match trust {
            Trust::Policy(policy) => identify(&cluster, policy)?,
            Trust::Key(_) => cluster.identity()?,
        };
        let live = Live::look(&cluster, bundle)?;
        let (objects, Missing { wanted: missing, unseen }) = (live.drift(), live.missing(&cluster)?);
        Ok(LiveReport {
            context: cluster.context.clone(),
            cluster_uid: identity.uid,
            generation: live.deployed.as_ref().map(|entry| entry.generation),
            content_id: live.deployed.as_ref().map(|entry| format!("sha256:{}", entry.content_id)),
            same: objects.is_empty() && missing.is_empty(),
            objects,
            missing,
            unseen,
        })
    }

    fn time(&self, ctx: &Ctx) -> Result<Timestamp, Failure> {
        let Some(time) = self.at else { return clock::now() };
        ctx.printer.warn(&format!("verified as of {time}, whatever the time is now: do not apply"));
        Ok(time)
    }

    /// Under a policy, a state is read; a single key has none.
    fn state_file(&self, trust: &Trust) -> Result<Option<StateFile>, Failure> {
        match trust {
            Trust::Policy(_) => self.state.file().map(Some),
            Trust::Key(_) => Ok(None),
        }
    }

    /// Tells how the bundle stands to what was accepted before, and remembers it if that is wanted.
    fn replay(
        &self,
        bundle: &Verified<Bundle>,
        site: Option<&Label>,
        (file, state): (&StateFile, &State),
        now: Timestamp,
        may_record: bool,
    ) -> Result<Replay, Failure> {
        let statement = &bundle.voucher().statement;
        if self.record && may_record {
            return Ok(Replay { checked: true, floor: file.record(statement, site, now)?, recorded: true });
        }
        let floor = state.floors().get(&Place::of(statement, site)).cloned();
        Ok(Replay { checked: true, floor, recorded: false })
    }

    /// Refuses to hand out manifests whose pods would wait for Secrets that only `apply` makes.
    fn check_secrets(&self, bundle: &Bundle) -> Result<(), Failure> {
        let is_made = |wanted: &&Wanted| wanted.source != Source::Cluster;
        let names: Vec<String> =
            bundle.index.contract.iter().filter(is_made).map(|wanted| wanted.name.clone()).collect();
        if self.secrets_exist || names.is_empty() {
            return Ok(());
        }
        Err(Failure::input(format!(
            "the bundle is good, but wants Secrets that kubectl does not make: {}",
            names.join(", ")
        ))
        .hint(format!("if they are in namespace {} already, say so: --secrets-exist", bundle.index.namespace))
        .hint("`relay-bundle inspect` lists their keys"))
    }

    fn print(&self, ctx: &Ctx, report: &VerifyReport, bundle: &Verified<Bundle>, differs: bool) -> Outcome {
        if self.emit {
            ctx.printer.say_report(report)?;
            if !differs {
                ctx.printer.data(&manifests(bundle))?;
            }
        } else {
            ctx.printer.report(report)?;
        }
        Ok(if differs { DIFFERS.into() } else { ExitCode::SUCCESS })
    }
}

/// Returns the very bytes that were verified, one document after the other; the names of the files are in apply order.
fn manifests(bundle: &Verified<Bundle>) -> Vec<u8> {
    let files = bundle.files.iter().filter(|(path, _)| Kind::of(path) == Some(Kind::Manifest));
    files.flat_map(|(_, file)| [b"---\n", file.bytes()].concat()).collect()
}
