//! `verify`: the gate. Verifies the signatures before it parses, writes or shows any content.

use std::process::ExitCode;

use super::args::cluster::identify;
use super::args::installation::InstallationArgs;
use super::args::state::StateArgs;
use super::args::trust::{Trust, TrustArgs};
use super::ctx::{Ctx, ProfileArgs, StoreArgs};
use super::exit_code::{DIFFERS, Outcome};
use super::gate::BundleArgs;
use super::images_at::Counting;
use super::{clock, rebuild};
use crate::bundle::index::{Source, Wanted};
use crate::bundle::layout::FileKind;
use crate::bundle::open::Bundle;
use crate::failure::Failure;
use crate::failure::refused::{Refused, images_missing};
use crate::install::comparison;
use crate::install::verified_record::verified;
use crate::model::timestamp::Timestamp;
use crate::signing::terms::serial_warning;
use crate::state_file::StateFile;
use crate::trust::policy::{self, Policy};
use crate::trust::state::{Place, State};
use crate::trust::verify::{Purpose, Terms, Verified};
use crate::ui::images_view::ImagesSummary;
use crate::ui::verify_view::{Rebuild, Replay, Target, VerifyReport};

#[derive(Debug, clap::Args)]
#[command(
    mut_arg("bundle", |argument| argument.required(false).required_unless_present("live")),
    mut_arg("part", |argument| argument.requires("bundle")),
    mut_arg("state", |argument| argument.conflicts_with("key")),
    mut_arg("profiles", |argument| argument.requires("rebuild")),
    mut_arg("set", |argument| argument.requires("rebuild")),
    mut_arg("deny_warnings", |argument| argument.requires("rebuild")),
    mut_arg("namespace", |argument| argument.requires("live").conflicts_with("bundle")),
    mut_arg("name", |argument| argument.requires("live").conflicts_with("bundle")),
    mut_arg("kubeconfig", |argument| argument.requires("live")),
    mut_arg("context", |argument| argument.requires("live")),
    after_help = "Exit code 3 means that the bundle is not trusted; the message starts with a stable code. For its
meaning and remedy, run `relay-bundle explain CODE`; docs/format/exit-codes.md lists all codes.

Images in an archive are always hashed, those of a store entry only with --images all.

--live without BUNDLE verifies the deployed bundle from the record in the cluster, under the terms
of a rollback: its age and later releases do not matter. --live also compares the images of running
pods with those that the bundle pins.

Examples:
  relay-bundle verify prod.tar --trust trust.toml
  relay-bundle verify prod.tar --trust trust.toml --record --emit --secrets-exist | kubectl apply --server-side -f -
  relay-bundle verify @production --key signing.pub.pem
  relay-bundle verify prod.tar --trust trust.toml --images all
  relay-bundle verify prod.tar --trust trust.toml --rebuild production
  relay-bundle verify prod.tar --trust trust.toml --live
  relay-bundle verify --live -n claude-relay --trust trust.toml"
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Args {
    #[command(flatten)]
    bundle: Option<BundleArgs>,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    state: StateArgs,
    /// Record the bundle: older ones are not accepted here afterwards
    #[arg(long, conflicts_with = "key", requires = "bundle")]
    record: bool,
    /// Print the verified manifests on stdout, in apply order, and the report on stderr
    #[arg(long)]
    emit: bool,
    /// Print manifests even if the bundle needs Secrets that `apply` would create: they already
    /// exist
    #[arg(long, requires = "emit")]
    secrets_exist: bool,
    /// Also build this profile from the source tree, and compare the result with the bundle
    #[arg(long, value_name = "PROFILE")]
    rebuild: Option<String>,
    /// Require all images in the archive or in the store: exit code 1 and `IMAGES_MISSING` if one
    /// is incomplete
    #[arg(long, value_name = "WHAT", requires = "bundle")]
    images: Option<WantedImages>,
    /// Also compare every object with the cluster: exit code 1 if one is missing, changed or
    /// superfluous
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
    installation: InstallationArgs,
}

/// Which images must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum WantedImages {
    All,
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        if self.emit && ctx.printer.json {
            return Err(Failure::input("--emit and --json both write to stdout")
                .hint("run verify twice, or read the report on stderr"));
        }
        let trust = self.trust.load()?;
        let now = self.time(ctx)?;
        match (&self.bundle, &trust) {
            (Some(bundle), _) => self.verify_brought(ctx, bundle, &trust, now),
            (None, Trust::Policy(policy)) => self.verify_running(ctx, policy, now),
            (None, Trust::Key(_)) => {
                Err(Failure::input("--live without BUNDLE needs a trust policy")
                    .hint("pass the policy with --trust, or the bundle"))
            }
        }
    }

    /// Verifies a bundle that the operator provides.
    fn verify_brought(
        &self,
        ctx: &Ctx,
        brought: &BundleArgs,
        trust: &Trust,
        now: Timestamp,
    ) -> Outcome {
        brought.check()?;
        let state_file = self.state_file(ctx, trust)?;
        let state = state_file.as_ref().map_or_else(|| Ok(State::default()), StateFile::read)?;
        let terms = Terms { authority: trust.authority(&state), purpose: Purpose::Install, now };

        let verified = brought.verify(&self.store, &terms);
        let (origin, bundle) = verified.map_err(|failure| self.name_what_runs(failure))?;
        if let Some(warning) = serial_warning(&bundle.voucher().statement.predicate) {
            ctx.printer.warn(&warning);
        }

        let counting = self.images.map_or(Counting::BySize, |WantedImages::All| Counting::ByDigest);
        let images = brought.images(&self.store, &bundle, counting)?;
        self.check_images(&bundle, (brought, images.as_ref()))?;
        let rebuild = self.rebuild(ctx, &bundle)?;
        let differs = rebuild.as_ref().is_some_and(|rebuild| !rebuild.same);
        if self.emit && !differs {
            self.check_secrets(&bundle)?;
        }
        let (target, replay) = match (trust, &state_file) {
            (Trust::Policy(policy), Some(file)) => {
                let target = Target::of(policy);
                let replay = self.replay(&bundle, &policy.target, (file, &state), now, !differs)?;
                (target, replay)
            }
            _ => Default::default(),
        };
        let live = self.live.then(|| {
            let cluster = self.installation.connect(&ctx.printer)?;
            let identity = match trust {
                Trust::Policy(policy) => identify(&cluster, policy)?,
                Trust::Key(_) => cluster.identity()?,
            };
            comparison::compare(&cluster, &identity, &bundle)
        });
        let report =
            VerifyReport::new(&bundle, origin, now).for_place(target, replay).with_images(images);
        self.print(ctx, &report.rebuilt(rebuild).beside(live.transpose()?), &bundle)
    }

    /// Verifies the deployed bundle from the record, and compares the cluster with it.
    fn verify_running(&self, ctx: &Ctx, policy: &Policy, now: Timestamp) -> Outcome {
        let cluster = self.installation.connect(&ctx.printer)?;
        let identity = identify(&cluster, policy)?;
        let journal = self.installation.open(&cluster)?;
        let running = journal.running()?;
        let bundle = verified(&journal, running, policy, now)?;
        let origin = format!(
            "generation {} of {} in namespace {}, running according to the record",
            running.generation,
            journal.name(),
            journal.namespace()
        );
        let rebuild = self.rebuild(ctx, &bundle)?;
        let live = comparison::compare(&cluster, &identity, &bundle)?;
        let report = VerifyReport::new(&bundle, origin, now)
            .for_place(Target::of(policy), Replay::default());
        self.print(ctx, &report.rebuilt(rebuild).beside(Some(live)), &bundle)
    }

    /// Adds a hint to `ROLLBACK` and `EXPIRED`: `verify --live` compares the deployed bundle.
    fn name_what_runs(&self, failure: Failure) -> Failure {
        let code = Refused::of(&failure).map(|refused| refused.code);
        if self.live && matches!(code, Some("ROLLBACK" | "EXPIRED")) {
            return failure
                .hint("compare the deployed bundle: relay-bundle verify --live, without BUNDLE");
        }
        failure
    }

    fn rebuild(&self, ctx: &Ctx, bundle: &Bundle) -> Result<Option<Rebuild>, Failure> {
        let rebuild = self.rebuild.as_deref();
        rebuild.map(|name| rebuild::compare(ctx, name, &self.profiles, &bundle.sums)).transpose()
    }

    fn time(&self, ctx: &Ctx) -> Result<Timestamp, Failure> {
        let Some(time) = self.at else { return clock::now() };
        ctx.printer.warn(&format!("verified as of {time}, not now: do not apply this bundle"));
        Ok(time)
    }

    /// Returns the state file of a policy; none for a single key.
    fn state_file(&self, ctx: &Ctx, trust: &Trust) -> Result<Option<StateFile>, Failure> {
        match trust {
            Trust::Policy(_) => self.state.file(ctx).map(Some),
            Trust::Key(_) => Ok(None),
        }
    }

    /// Compares the bundle with the accepted releases, and records it with `--record`.
    fn replay(
        &self,
        bundle: &Verified<Bundle>,
        target: &policy::Target,
        (file, state): (&StateFile, &State),
        now: Timestamp,
        may_record: bool,
    ) -> Result<Replay, Failure> {
        let statement = &bundle.voucher().statement;
        if self.record && may_record {
            return Ok(Replay::of(file.record(statement, target, now)?, true));
        }
        Ok(Replay::of(state.compare(&Place::of(statement, target)), false))
    }

    /// Refuses to print manifests whose pods would wait for Secrets that only `apply` creates.
    fn check_secrets(&self, bundle: &Bundle) -> Result<(), Failure> {
        let is_made = |wanted: &&Wanted| wanted.source != Source::Cluster;
        let names: Vec<String> = bundle
            .index
            .contract
            .iter()
            .filter(is_made)
            .map(|wanted| wanted.name.clone())
            .collect();
        if self.secrets_exist || names.is_empty() {
            return Ok(());
        }
        Err(Failure::input(format!(
            "the bundle is valid, but needs Secrets that kubectl does not create: {}",
            names.join(", ")
        ))
        .hint(format!(
            "if they already exist in namespace {}, pass --secrets-exist",
            bundle.index.namespace
        ))
        .hint("list their keys with `relay-bundle inspect`"))
    }

    /// Checks that all images are available if `--images` requires them.
    fn check_images(
        &self,
        bundle: &Bundle,
        (brought, images): (&BundleArgs, Option<&ImagesSummary>),
    ) -> Result<(), Failure> {
        match (self.images, images) {
            (None, _) => Ok(()),
            (Some(WantedImages::All), Some(images)) if images.is_complete() => Ok(()),
            (Some(WantedImages::All), Some(images)) => {
                let missing = format!("IMAGES_MISSING: verified, but {}", images.missing_text());
                Err(images_missing(missing).hint(brought.remedy_of_missing(&self.store, bundle)?))
            }
            (Some(WantedImages::All), None) => {
                Err(images_missing("IMAGES_MISSING: verified, but its images are not pinned")
                    .hint("where it was built: relay-bundle lock, then build it again"))
            }
        }
    }

    fn print(&self, ctx: &Ctx, report: &VerifyReport, bundle: &Verified<Bundle>) -> Outcome {
        let differs = report.differs();
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

/// Returns the verified bytes as YAML documents. The file names are in apply order.
fn manifests(bundle: &Verified<Bundle>) -> Vec<u8> {
    let files =
        bundle.files.iter().filter(|(path, _)| FileKind::of(path) == Some(FileKind::Manifest));
    files.flat_map(|(_, file)| [b"---\n", file.bytes()].concat()).collect()
}
