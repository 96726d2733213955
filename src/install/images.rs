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

use super::checked_bundle::CheckedBundle;
use crate::bundle::open::Bundle;
use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::model::command_line::command_line;
use crate::rollout::image_state::{ImageFinding, ImageState};
use crate::rollout::obstacle::Obstacle;
use crate::rollout::plan::Observed;

/// Looks for each distinct image of a bundle.
type ImageQuery<'a> = dyn Fn(&Bundle, &Cluster) -> Result<Vec<ImageState>, Failure> + 'a;

/// How to ask registries for images: the engine itself knows none.
pub struct ImageLookup<'a> {
    pub look: Box<ImageQuery<'a>>,
    /// Whether the operator requires every image to be there.
    pub requires_all: bool,
    /// The arguments of a command line that selects the same registry.
    pub registry_words: Vec<String>,
}

/// The effect of an image on a plan.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    None,
    Warning,
    Obstacle,
}

impl Meaning {
    fn of(finding: ImageFinding, is_locked: bool, is_required: bool) -> Self {
        match finding {
            ImageFinding::Absent if is_locked || is_required => Self::Obstacle,
            ImageFinding::Absent => Self::Warning,
            ImageFinding::NotChecked if is_required => Self::Obstacle,
            ImageFinding::NotChecked | ImageFinding::There | ImageFinding::Skipped => Self::None,
        }
    }
}

/// Looks for the images of a bundle, and adds obstacles and warnings to the observed state.
///
/// # Errors
///
/// When a reference cannot be mapped to a registry, or an option cannot be used.
pub(super) fn look(
    lookup: &ImageLookup<'_>,
    checked: &CheckedBundle,
    cluster: &Cluster,
    observed: &mut Observed,
) -> Result<Vec<ImageState>, Failure> {
    let images = (lookup.look)(checked.bundle(), cluster)?;
    for image in &images {
        match Meaning::of(image.state, are_locked(checked), lookup.requires_all) {
            Meaning::None => {}
            Meaning::Warning => observed.warnings.push(format!("image {image}").into()),
            Meaning::Obstacle => {
                let remedy = remedy(lookup, checked, image);
                observed.obstacles.push(Obstacle::Image { image: image.to_string(), remedy });
            }
        }
    }
    Ok(images)
}

/// Returns the remedy for an image that blocks the plan.
fn remedy(lookup: &ImageLookup<'_>, checked: &CheckedBundle, image: &ImageState) -> String {
    if image.state == ImageFinding::Absent && are_locked(checked) {
        let own = ["push", "FILE", "--trust", checked.trust.as_str()];
        let push =
            command_line(own.into_iter().chain(lookup.registry_words.iter().map(String::as_str)));
        let id = checked.bundle().content_id.short(16);
        return format!(
            "push the archive of {id} with `{push}`, or pass --images skip if the nodes import \
             archives"
        );
    }
    let remedy = image.remedy.as_deref().unwrap_or("make it available");
    format!("{remedy}; or pass --images skip if the nodes have the image")
}

/// Returns warnings about locked images that were not checked, for runs that do not show the plan.
pub fn unchecked(checked: &CheckedBundle, images: &[ImageState]) -> Vec<String> {
    if !are_locked(checked) {
        return Vec::new();
    }
    let is_unchecked = |image: &&ImageState| image.state == ImageFinding::NotChecked;
    let warning = |image: &ImageState| match &image.remedy {
        Some(remedy) => format!("image {image}; {remedy}"),
        None => format!("image {image}"),
    };
    images.iter().filter(is_unchecked).map(warning).collect()
}

/// Returns whether the bundle lists its images. Unlisted images need not be in a registry that this
/// machine can reach.
fn are_locked(checked: &CheckedBundle) -> bool {
    checked.bundle().images.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_image_blocks_locked_bundle_and_warns_of_another() {
        assert!(Meaning::of(ImageFinding::Absent, true, false) == Meaning::Obstacle);
        assert!(Meaning::of(ImageFinding::Absent, false, false) == Meaning::Warning);
        assert!(Meaning::of(ImageFinding::Absent, false, true) == Meaning::Obstacle);
    }

    #[test]
    fn unchecked_image_blocks_only_if_required() {
        assert!(Meaning::of(ImageFinding::NotChecked, true, false) == Meaning::None);
        assert!(Meaning::of(ImageFinding::NotChecked, false, true) == Meaning::Obstacle);
        assert!(Meaning::of(ImageFinding::Skipped, true, true) == Meaning::None);
        assert!(Meaning::of(ImageFinding::There, true, true) == Meaning::None);
    }
}
