//! `status`: shows an installation and its health.

mod health;

use std::process::ExitCode;

use camino::Utf8PathBuf;
use serde_json::Value;

use super::args::installation::InstallationArgs;
use super::clock;
use super::ctx::Ctx;
use super::exit_code::{DIFFERS, Outcome};
use super::image_presence::PresenceArgs;
use crate::bundle::open::Bundle;
use crate::cluster::Cluster;
use crate::diff::running::running_images;
use crate::failure::Failure;
use crate::install::generations::known_secrets;
use crate::install::preflight::identify;
use crate::install::problems::{list_pods, problems};
use crate::install::verified_record;
use crate::keyring::policy_file::load_policy;
use crate::rollout::record::{GenerationEntry, GenerationProgress};
use crate::ui::history_view::GenerationReport;
use crate::ui::status_view::{ImageReport, ObjectReport, SecretReport, StatusReport};
use health::{look, look_at_secrets};

#[derive(Debug, clap::Args)]
#[command(
    mut_arg("registry", |argument| argument.requires("images")),
    mut_arg("registry_config", |argument| argument.requires("images")),
    mut_arg("ca", |argument| argument.requires("images")),
    mut_arg("plain_http", |argument| argument.requires("images")),
    after_long_help = "Exit code 0 if a generation is deployed, none is pending, no Helm release is partly taken over, and \
all its objects are ready, including the Secrets that `apply` created for it; otherwise 1.

By default, this reports the record without verification. --trust verifies the bundle that is \
recorded as deployed: its signatures, and that no key or content is revoked. It also compares the \
images of pods with the pinned ones: exit code 1 if one differs. To compare objects with a bundle \
field by field, use `verify --live`.

--images asks the registries for each image of the bundle, as `apply` does: exit code 1 if one is \
missing, because new pods could not start.

Examples:
  relay-bundle status -n claude-relay
  relay-bundle status -n claude-relay --trust trust.toml --json
  relay-bundle status -n claude-relay --trust trust.toml --images --ca ca.crt"
)]
pub struct Args {
    #[command(flatten)]
    installation: InstallationArgs,
    /// Verify the deployed bundle of the record with this policy
    #[arg(long, value_name = "TOML", help_heading = "Verification")]
    trust: Option<Utf8PathBuf>,
    /// Look for the images of the deployed bundle in their registries
    #[arg(long, requires = "trust", help_heading = "Images")]
    images: bool,
    #[command(flatten)]
    presence: PresenceArgs,
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        let policy = self.trust.as_deref().map(load_policy).transpose()?;
        let cluster = self.installation.connect(&ctx.printer)?;
        if let Some(policy) = &policy {
            identify(&cluster, policy)?;
        }

        let journal = self.installation.open(&cluster)?;
        let recorded = journal.recorded(|entry| {
            matches!(entry.state, GenerationProgress::Deployed | GenerationProgress::Pending)
        })?;
        let deployed =
            recorded.iter().find(|recorded| recorded.entry.state == GenerationProgress::Deployed);
        let verified = match (&policy, deployed) {
            (Some(policy), Some(deployed)) => {
                Some(verified_record::verified(&journal, &deployed.entry, policy, clock::now()?)?)
            }
            _ => None,
        };

        let shown = recorded.last();
        let objects =
            shown.map_or_else(|| Ok(Vec::new()), |shown| look(&cluster, &journal, shown))?;
        let known = known_secrets(&journal.head, &recorded);
        let secrets = shown.map_or_else(
            || Ok(Vec::new()),
            |shown| look_at_secrets(&cluster, &journal, shown, &known),
        )?;

        let keys = objects.iter().map(|object| &object.key);
        let place = (journal.name(), journal.namespace());
        let pods = list_pods(&cluster, place)?;
        let troubles = problems(&cluster, place, &pods, keys)?;
        let troubles = troubles.iter().map(ToString::to_string).collect();
        let images =
            verified.as_ref().map(|bundle| self.look_at_images(ctx, &cluster, bundle, &pods));
        let images = images.transpose()?.unwrap_or_default();

        let is_ready =
            objects.iter().all(ObjectReport::is_well) && secrets.iter().all(SecretReport::is_well);
        let is_whole = journal.head.pending().is_none() && journal.head.adopting.is_none();
        let report = StatusReport {
            name: journal.name().to_string(),
            namespace: journal.namespace().to_owned(),
            context: cluster.context.clone(),
            ok: deployed.is_some() && is_whole && is_ready && images.is_well(),
            verified: verified.is_some(),
            generations: current(&journal.head.generations),
            lock: journal.head.lock.clone(),
            adopting: journal.head.adopting.clone(),
            objects_of: shown.map(|shown| shown.entry.generation),
            objects,
            secrets,
            troubles,
            images,
        };

        ctx.printer.report(&report)?;
        if let Some(unfinished) = journal.adoption_obstacle() {
            ctx.printer.say(&unfinished.to_string());
        }
        if !report.verified {
            ctx.printer.say("nothing was verified: this is what the record states; see --trust");
        }
        Ok(if report.ok { ExitCode::SUCCESS } else { DIFFERS.into() })
    }

    fn look_at_images(
        &self,
        ctx: &Ctx,
        cluster: &Cluster,
        bundle: &Bundle,
        pods: &[Value],
    ) -> Result<ImageReport, Failure> {
        let looked = self.images.then(|| self.presence.look(ctx, bundle, cluster));
        let listed = bundle.images.as_ref();
        let running = listed.map(|listed| running_images(pods, &bundle.index.images, listed));
        Ok(ImageReport { running, images: looked.transpose()? })
    }
}

/// Returns the deployed generation and all later ones, newest first.
fn current(generations: &[GenerationEntry]) -> Vec<GenerationReport> {
    let deployed = generations.iter().rposition(|entry| entry.state.has_run());
    generations.iter().skip(deployed.unwrap_or(0)).rev().map(GenerationReport::of).collect()
}
