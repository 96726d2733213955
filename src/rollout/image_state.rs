//! Whether the registries have the images of a bundle.

use std::fmt;

use serde::Serialize;

use crate::images::reference::ImageReference;

/// An image of a bundle, and whether its registry has it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageState {
    /// The reference that was looked up.
    pub reference: String,
    pub state: ImageFinding,
    /// Why the image was not checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The remedy for that.
    #[serde(skip)]
    pub remedy: Option<String>,
}

/// The answer of a registry about an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ImageFinding {
    There,
    Absent,
    NotChecked,
    Skipped,
}

impl ImageState {
    /// Makes the state of an image.
    pub fn new(image: &ImageReference, state: ImageFinding) -> Self {
        Self { reference: image.to_string(), state, why: None, remedy: None }
    }

    /// Makes the state of an image that could not be checked.
    pub fn not_checked(image: &ImageReference, why: String, remedy: Option<String>) -> Self {
        Self { why: Some(why), remedy, ..Self::new(image, ImageFinding::NotChecked) }
    }
}

impl fmt::Display for ImageState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = self.why.as_deref().unwrap_or("no answer");
        write!(f, "`{}`: ", self.reference)?;
        match self.state {
            ImageFinding::There => write!(f, "there"),
            ImageFinding::Absent => write!(f, "not in the registry"),
            ImageFinding::NotChecked => write!(f, "not checked: {why}"),
            ImageFinding::Skipped => write!(f, "not checked (--images skip)"),
        }
    }
}
