//! `verify`: the gate. Verifies the signatures before it parses, writes or shows any content.

mod brought;
mod print;
mod running;

use super::args::bundle::BundleArgs;
use super::args::installation::InstallationArgs;
use super::args::state::StateArgs;
use super::args::trust::{Trust, TrustArgs};
use super::clock;
use super::ctx::{Ctx, ProfileArgs, StoreArgs};
use super::exit_code::Outcome;
use crate::failure::Failure;
use crate::model::timestamp::Timestamp;

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
    after_long_help = "Exit code 3 means that the bundle is not trusted; the message starts with a stable code. For its \
meaning and remedy, run `relay-bundle explain CODE`; docs/format/exit-codes.md lists all codes.

Images in an archive are always hashed, those of a store entry only with --images all.

--live without BUNDLE verifies the deployed bundle from the record in the cluster, under the terms \
of a rollback: its age and later releases do not matter. --live also compares the images of running \
pods with those that the bundle pins.

Examples:
  relay-bundle verify prod.tar --trust trust.toml
  relay-bundle verify prod.tar --trust trust.toml --record --emit \\
      --secrets-exist | kubectl apply --server-side -f -
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
    images: Option<RequiredImages>,
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
enum RequiredImages {
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
            (Some(bundle), _) => self.verify_brought(ctx, &bundle.named(&self.store), &trust, now),
            (None, Trust::Policy(policy)) => self.verify_running(ctx, policy, now),
            (None, Trust::Key(_)) => {
                Err(Failure::input("--live without BUNDLE needs a trust policy")
                    .hint("pass the policy with --trust, or the bundle"))
            }
        }
    }

    fn time(&self, ctx: &Ctx) -> Result<Timestamp, Failure> {
        let Some(time) = self.at else { return clock::now() };
        ctx.printer.warn(&format!("verified as of {time}, not now: do not apply this bundle"));
        Ok(time)
    }
}
