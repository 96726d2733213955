//! Checks for the images of a bundle before anything is changed: pods that wait for an image would
//! replace running ones.
//!
//! | the registry says | the plan, if the bundle lists its images | if it does not |
//! |---|---|---|
//! | the manifest is there | goes on | goes on |
//! | it is not there | is blocked, with the command that pushes it | warns |
//! | nothing, or no permission | goes on | goes on |
//!
//! With `--images check` the plan is blocked unless every image is there.
//!
//! Not part of the plan hash: an image that arrives later does not change the plan.

use crate::cluster::Cluster;
use crate::cmd::ctx::Ctx;
use crate::cmd::image_presence::{ImageFinding, ImageState, PresenceArgs};
use crate::failure::Failure;
use crate::install::checked::Checked;
use crate::model::command_line::command_line;
use crate::rollout::plan::Plan;

/// How images are looked for.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Images")]
pub(super) struct ImageArgs {
    /// How to look for images in their registries: `check` requires all of them, `skip` does not
    /// ask [default: ask, and go on without an answer]
    #[arg(long, value_name = "MODE")]
    images: Option<ImageOrder>,
    #[command(flatten)]
    presence: PresenceArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum ImageOrder {
    Check,
    Skip,
}

/// The effect of an image on a plan.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    None,
    Warning,
    Obstacle,
}

impl ImageArgs {
    /// Looks for the images of a bundle, and adds obstacles and warnings to the plan.
    pub(super) fn look(
        &self,
        ctx: &Ctx,
        checked: &Checked,
        cluster: &Cluster,
        plan: &mut Plan,
    ) -> Result<Vec<ImageState>, Failure> {
        let bundle = checked.bundle();
        let images = match self.images {
            Some(ImageOrder::Skip) => self.presence.skip(bundle),
            Some(ImageOrder::Check) | None => self.presence.look(ctx, bundle, cluster),
        }?;
        for image in &images {
            match self.meaning(checked, image) {
                Meaning::None => {}
                Meaning::Warning => plan.changes.warnings.push(format!("image {image}").into()),
                Meaning::Obstacle => {
                    plan.obstacles.push(format!("image {image}: {}", self.remedy(checked, image)));
                }
            }
        }
        Ok(images)
    }

    fn meaning(&self, checked: &Checked, image: &ImageState) -> Meaning {
        let is_required = self.images == Some(ImageOrder::Check);
        match image.state {
            ImageFinding::Absent if are_locked(checked) || is_required => Meaning::Obstacle,
            ImageFinding::Absent => Meaning::Warning,
            ImageFinding::NotChecked if is_required => Meaning::Obstacle,
            ImageFinding::NotChecked | ImageFinding::There | ImageFinding::Skipped => Meaning::None,
        }
    }

    /// Returns the remedy for an image that blocks the plan.
    fn remedy(&self, checked: &Checked, image: &ImageState) -> String {
        if image.state == ImageFinding::Absent && are_locked(checked) {
            let (push, id) = (self.push_line(checked), checked.bundle().content_id.short(16));
            return format!(
                "push the archive of {id} with `{push}`, or pass --images skip if the nodes import \
                 archives"
            );
        }
        let remedy = image.remedy.as_deref().unwrap_or("make it available");
        format!("{remedy}; or pass --images skip if the nodes have the image")
    }

    /// Warns of locked images that were not checked, for runs that do not show the plan.
    pub(super) fn tell_unchecked(ctx: &Ctx, checked: &Checked, images: &[ImageState]) {
        let is_unchecked = |image: &&ImageState| image.state == ImageFinding::NotChecked;
        for image in images.iter().filter(is_unchecked).filter(|_| are_locked(checked)) {
            match &image.remedy {
                Some(remedy) => ctx.printer.warn(&format!("image {image}; {remedy}")),
                None => ctx.printer.warn(&format!("image {image}")),
            }
        }
    }

    fn push_line(&self, checked: &Checked) -> String {
        let own =
            ["push", "FILE", "--trust", checked.trust.as_str()].into_iter().map(str::to_owned);
        let registry = self.presence.registry.iter();
        let registry =
            registry.flat_map(|registry| ["--registry".to_owned(), registry.to_string()]);
        let words: Vec<String> = own.chain(registry).collect();
        command_line(words.iter().map(String::as_str))
    }
}

/// Returns whether the bundle lists its images. Unlisted images need not be in a registry that this
/// machine can reach.
pub(super) fn are_locked(checked: &Checked) -> bool {
    checked.bundle().images.is_some()
}
