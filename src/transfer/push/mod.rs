//! Sends the images of a verified bundle to the registry of a site.
//!
//! | module | decides |
//! |---|---|
//! | `destination` | the registry and repository of each image; asks no registry |
//! | `content` | where the bytes come from: the verified file, which is read again, or the store |
//! | `plan` | what is sent, mounted or there already; all questions come before the first upload |
//! | `tags` | which tags are set or moved, and which stay |
//! | `send` | the order of the uploads |

mod content;
mod destination;
mod plan;
mod send;
mod tags;

pub use content::PushContent;
pub use destination::{Destination, Destinations};
pub use plan::{Delivery, ImagePlan, PushPlan};
pub use send::ImageOutcome;
pub use tags::{TagOrder, TagOutcome, TagWay};

use crate::bundle::open::Bundle;
use crate::failure::Failure;
use crate::images::list::ImageList;

/// The modes of a push.
#[derive(Clone, Copy)]
pub struct PushOptions {
    pub mode: PushMode,
    pub depth: PushDepth,
    pub tags: TagOrder,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushMode {
    DryRun,
    Push,
}

/// How deeply an image is checked whose manifest is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushDepth {
    /// Only the manifest: a registry accepts a manifest only if it has its configs and layers.
    Manifests,
    Blobs,
}

/// Returns the images that a bundle pins.
///
/// # Errors
///
/// When it pins none.
pub fn pinned_images(bundle: &Bundle) -> Result<&ImageList, Failure> {
    bundle.images.as_ref().ok_or_else(|| {
        Failure::input("the images of this bundle are not pinned, so nothing says what to push")
            .hint("where it was built: relay-bundle lock, then build it again")
    })
}
