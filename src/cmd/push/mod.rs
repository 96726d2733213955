//! `push`: sends the images of a verified bundle, from a file or the store, to a site's registry.

mod content;
mod destination;
mod plan;
mod report;
mod send;
mod tags;

use std::process::ExitCode;

use self::content::Content;
use self::destination::Destinations;
use self::plan::{ImagePlan, Way};
use self::report::{PushReport, PushSubject};
use self::send::{ImageOutcome, Sender};
use self::tags::TagOrder;
use super::args::registry::RegistryArgs;
use super::args::state::StateArgs;
use super::args::trust::{Trust, TrustArgs};
use super::clock;
use super::ctx::{Ctx, StoreArgs};
use super::exit_code::Outcome;
use super::gate::BundleArgs;
use crate::bundle::open::Bundle;
use crate::failure::Failure;
use crate::images::list::{Carryable, ImageList};
use crate::registry::RegistryPrefix;
use crate::trust::state::State;
use crate::trust::verify::{Purpose, Terms, Verified};
use crate::ui::progress::Progress;

/// Replaces the common help: other kinds of bundles have no images, or cannot be read twice.
const BUNDLE_HELP: &str = "The bundle: an archive (FILE.tar or ./FILE), its parts (FILE.tar.parts), or an entry of the store (@ENTRY)";

#[derive(Debug, clap::Args)]
#[command(
    mut_arg("state", |argument| argument.conflicts_with("key")),
    mut_arg("bundle", |argument| argument.help(BUNDLE_HELP)),
    after_help = "The bundle is verified on the terms of `rollback`: an old archive may restore a lost image. Nothing
is uploaded before the registry was asked for every image; only what is absent is sent. Run an
interrupted push again to continue it. Exit code 3: the bundle is not trusted; 4: the registry
failed or refused, or it lacks something that the bundle does not carry.

A tag that names another image stays, because garbage collection could remove that image. The new
image then gets the tag TAG-<12 digits of its digest>.

Examples:
  relay-bundle push prod.tar --trust trust.toml --dry-run
  relay-bundle push prod.tar --trust trust.toml --ca ca.crt
  relay-bundle push prod.tar --trust trust.toml --registry registry.example.internal:5000/relay
  relay-bundle push @production --key signing.pub.pem --deep"
)]
pub struct Args {
    #[command(flatten)]
    bundle: BundleArgs,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    state: StateArgs,
    /// Push to this registry instead of the one in each reference; the path stays, below PREFIX
    #[arg(long, value_name = "HOST[/PREFIX]")]
    registry: Option<RegistryPrefix>,
    /// Ask the registry, show what would be sent, and send nothing
    #[arg(long)]
    dry_run: bool,
    /// Ask for each config and layer of images that are there, and send those that the registry
    /// lost
    #[arg(long)]
    deep: bool,
    /// Move tags that name another image, which gets the tag TAG-<12 digits of its digest>
    #[arg(long)]
    move_tags: bool,
    #[command(flatten)]
    reach: RegistryArgs,
    #[command(flatten)]
    store: StoreArgs,
}

/// The modes of a push.
#[derive(Clone, Copy)]
struct Orders {
    mode: Mode,
    depth: Depth,
    tags: TagOrder,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    DryRun,
    Push,
}

/// How deeply an image is checked whose manifest is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Depth {
    /// Only the manifest: a registry accepts a manifest only if it has its configs and layers.
    Manifests,
    Blobs,
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        self.bundle.check()?;
        self.bundle.check_twice()?;
        let (origin, verified) = self.verify(ctx)?;
        let images = pinned(&verified)?;
        let Destinations { pushed, left_out } =
            destination::choose(&verified, images, self.registry.as_ref())?;
        for image in &left_out {
            ctx.printer.say(&format!("left out: `{image}` comes from there"));
        }
        let content = Content::of((&self.bundle, &self.store), &verified, images)?;
        let (registry, orders) = (self.reach.client(ctx)?, self.orders());
        let plans = plan::plan(&registry, &pushed, (images, &content), orders)?;
        let outcomes = match orders.mode {
            Mode::DryRun => plans.iter().map(|plan| ImageOutcome::expected(plan, images)).collect(),
            Mode::Push => {
                let progress =
                    Progress::new(&ctx.printer, "pushed", Some(bytes_to_send(&plans, images)));
                Sender::new(&registry, (images, &content), &plans, progress).run()?
            }
        };
        let subject = PushSubject { origin, content_id: verified.content_id, left_out };
        let report = PushReport::new(subject, orders, &plans, outcomes);
        report.warnings().for_each(|warning| ctx.printer.warn(warning));
        ctx.printer.report(&report)?;
        ctx.printer.say(&report.summary());
        Ok(ExitCode::SUCCESS)
    }

    fn orders(&self) -> Orders {
        Orders {
            mode: if self.dry_run { Mode::DryRun } else { Mode::Push },
            depth: if self.deep { Depth::Blobs } else { Depth::Manifests },
            tags: if self.move_tags { TagOrder::Move } else { TagOrder::Leave },
        }
    }

    /// Verifies the bundle as one that ran here, and records nothing. If `apply` would refuse the
    /// bundle as a new release, prints the reason.
    fn verify(&self, ctx: &Ctx) -> Result<(String, Verified<Bundle>), Failure> {
        let trust = self.trust.load()?;
        let now = clock::now()?;
        let state = match &trust {
            Trust::Policy(_) => self.state.file(ctx)?.read()?,
            Trust::Key(_) => State::default(),
        };
        let terms = Terms { authority: trust.authority(&state), purpose: Purpose::Apply, now };
        let (origin, verified) = self.bundle.verify(&self.store, &terms)?;
        if let Some(refusal) = &verified.voucher().only_if_deployed {
            ctx.printer.say(&format!(
                "note: `apply` takes this bundle only where it runs already: {refusal}"
            ));
        }
        Ok((origin, verified))
    }
}

fn pinned(bundle: &Bundle) -> Result<&ImageList, Failure> {
    bundle.images.as_ref().ok_or_else(|| {
        Failure::input("the images of this bundle are not pinned, so nothing says what to push")
            .hint("where it was built: relay-bundle lock, then build it again")
    })
}

fn bytes_to_send(plans: &[ImagePlan], images: &ImageList) -> u64 {
    let ways = plans.iter().flat_map(|plan| &plan.blobs);
    let sent = ways.filter(|(_, way)| **way == Way::Send);
    sent.filter_map(|(digest, _)| images.get(digest)).map(Carryable::size).sum()
}
