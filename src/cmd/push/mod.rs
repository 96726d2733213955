//! `push`: sends the images of a verified bundle, from a file or the store, to a site's registry.

mod image_report;
mod report;

use std::process::ExitCode;

use self::report::{PushReport, PushSubject};
use super::args::bundle::BundleArgs;
use super::args::registry::RegistryArgs;
use super::args::state::StateArgs;
use super::args::trust::TrustArgs;
use super::clock;
use super::ctx::{Ctx, StoreArgs};
use super::exit_code::Outcome;
use crate::bundle::open::Bundle;
use crate::failure::Failure;
use crate::media::named_bundle::NamedBundle;
use crate::registry::RegistryPrefix;
use crate::transfer::push::{
    Destinations, PushContent, PushDepth, PushMode, PushOptions, PushPlan, TagOrder, pinned_images,
};
use crate::trust::terms::{Purpose, VerifyTerms};
use crate::trust::verify::Verified;
use crate::ui::progress::Progress;

/// Replaces the common help: other kinds of bundles have no images, or cannot be read twice.
const BUNDLE_HELP: &str = "The bundle: an archive (FILE.tar or ./FILE), its parts (FILE.tar.parts), or an entry of the store (@ENTRY)";

#[derive(Debug, clap::Args)]
#[command(
    mut_arg("state", |argument| argument.conflicts_with("key")),
    mut_arg("bundle", |argument| argument.help(BUNDLE_HELP)),
    after_long_help = "The bundle is verified on the terms of `rollback`: an old archive may restore a lost image. Nothing \
is uploaded before the registry was asked for every image; only what is absent is sent. Run an \
interrupted push again to continue it. Exit code 3: the bundle is not trusted; 4: the registry \
failed or refused, or it lacks something that the bundle does not carry.

A tag that names another image stays, because garbage collection could remove that image. The new \
image then gets the tag TAG-<12 digits of its digest>.

Examples:
  relay-bundle push prod.tar --trust trust.toml --dry-run
  relay-bundle push prod.tar --trust trust.toml --ca ca.crt
  relay-bundle push prod.tar --trust trust.toml \\
      --registry registry.example.internal:5000/relay
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

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        let bundle = self.bundle.named(&self.store);
        bundle.check_parts()?;
        bundle.check_rereadable()?;
        let (origin, verified) = self.verify(ctx, &bundle)?;

        let images = pinned_images(&verified)?;
        let destinations = Destinations::choose(&verified, images, self.registry.as_ref())?;
        for image in &destinations.left_out {
            ctx.printer.say(&format!("left out: `{image}` comes from there"));
        }

        let content = PushContent::of(&bundle, &verified, images)?;
        let (registry, options) = (self.reach.client(ctx)?, self.options());
        let plan = PushPlan::make(&registry, &destinations, &content, options)?;
        let outcomes = match options.mode {
            PushMode::DryRun => plan.forecast(),
            PushMode::Push => {
                let total = Some(plan.bytes_to_send());
                plan.carry_out(&registry, &mut Progress::new(&ctx.printer, "pushed", total))?
            }
        };

        let left_out = &destinations.left_out;
        let subject = PushSubject { origin, content_id: verified.content_id, left_out };
        let report = PushReport::new(subject, options.mode, &plan, outcomes);
        report.warnings().for_each(|warning| ctx.printer.warn(warning));
        ctx.printer.report(&report)?;
        ctx.printer.say(&report.summary());
        Ok(ExitCode::SUCCESS)
    }

    fn options(&self) -> PushOptions {
        PushOptions {
            mode: if self.dry_run { PushMode::DryRun } else { PushMode::Push },
            depth: if self.deep { PushDepth::Blobs } else { PushDepth::Manifests },
            tags: if self.move_tags { TagOrder::Move } else { TagOrder::Leave },
        }
    }

    /// Verifies the bundle as one that ran here, and records nothing. If `apply` would refuse the
    /// bundle as a new release, prints the reason.
    fn verify(
        &self,
        ctx: &Ctx,
        bundle: &NamedBundle,
    ) -> Result<(String, Verified<Bundle>), Failure> {
        let trust = self.trust.load()?;
        let now = clock::now()?;
        let (_, state) = self.state.read(ctx, &trust)?;
        let terms =
            VerifyTerms { authority: trust.authority(&state), purpose: Purpose::Apply, now };
        let (origin, verified) = bundle.verify(&terms)?;
        if let Some(refusal) = &verified.voucher().only_if_deployed {
            ctx.printer.say(&format!(
                "note: `apply` takes this bundle only where it runs already: {refusal}"
            ));
        }
        Ok((origin, verified))
    }
}
