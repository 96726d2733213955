//! The images of a bundle, looked for before anything is changed: pods that wait for an image replace pods that ran.
//!
//! | the registry says | the plan, where the image is pinned | where it is not |
//! |---|---|---|
//! | the manifest is there | goes on | goes on |
//! | it is not there | is blocked, with the command that pushes it | warns |
//! | nothing, or no permission | goes on | goes on |
//!
//! With `--images check` it is blocked unless each image is there.
//!
//! Not part of the plan's hash: an image that has come since then is no other plan.

use super::Checked;
use crate::cluster::Cluster;
use crate::cmd::command_line::command_line;
use crate::cmd::ctx::Ctx;
use crate::cmd::failure::Failure;
use crate::cmd::image_presence::{ImageFinding, ImageState, PresenceArgs};
use crate::rollout::plan::Plan;

/// How images are looked for.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Images")]
pub(super) struct ImageArgs {
    /// Require that the registry has each image (check), or do not ask (skip) [default: ask, and go on without an
    /// answer]
    #[arg(long, value_name = "WHAT")]
    images: Option<ImageOrder>,
    #[command(flatten)]
    presence: PresenceArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum ImageOrder {
    Check,
    Skip,
}

/// What an image means for a plan.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    None,
    Warning,
    Obstacle,
}

impl ImageArgs {
    /// Looks for the images of a bundle, and adds to the plan what is in its way.
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
        let is_pinned = bundle.images.is_some();
        for image in &images {
            match self.meaning(image.state, is_pinned) {
                Meaning::None => {}
                Meaning::Warning => plan.changes.warnings.push(format!("image {image}")),
                Meaning::Obstacle if is_pinned && image.state == ImageFinding::Absent => {
                    plan.obstacles.push(format!("image {image}: {}", self.push_line(checked)));
                }
                Meaning::Obstacle => plan.obstacles.push(format!("image {image}")),
            }
        }
        Ok(images)
    }

    fn meaning(&self, state: ImageFinding, is_pinned: bool) -> Meaning {
        let is_required = self.images == Some(ImageOrder::Check);
        match state {
            ImageFinding::Absent if is_pinned || is_required => Meaning::Obstacle,
            ImageFinding::Absent => Meaning::Warning,
            ImageFinding::NotChecked if is_required => Meaning::Obstacle,
            ImageFinding::NotChecked | ImageFinding::There | ImageFinding::Skipped => Meaning::None,
        }
    }

    fn push_line(&self, checked: &Checked) -> String {
        let own = ["push", "FILE", "--trust", checked.trust.as_str()].into_iter().map(str::to_owned);
        let registry = self.presence.registry.iter();
        let registry = registry.flat_map(|registry| ["--registry".to_owned(), registry.to_string()]);
        let words: Vec<String> = own.chain(registry).collect();
        command_line(words.iter().map(String::as_str))
    }
}
