//! A bundle whose signatures are not verified, for commands that show or compare bundles.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use super::images_at::{Counting, ImagesAt};
use super::medium::FoundBundle;
use crate::bundle::carried::Carried;
use crate::bundle::open::Bundle;
use crate::bundle::read::Files;
use crate::failure::{Failure, refused};
use crate::images::summary::ImagesSummary;
use crate::store::Store;

/// A bundle, and its origin.
pub struct UnverifiedBundle {
    pub bundle: Bundle,
    /// The images that came with the bundle; not hashed.
    carried: Carried,
    images_at: ImagesAt,
    /// The origin, for messages.
    pub origin: String,
    /// Whether the bundle has an attestation, which is not verified here; `None` for a profile.
    pub attested: Option<bool>,
}

impl UnverifiedBundle {
    /// Reads a bundle without hashing its images. The bundle is complete and consistent.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or is not a consistent bundle.
    pub fn read(FoundBundle { sums, place }: FoundBundle) -> Result<Self, Failure> {
        let attested = sums.attestation().is_some();
        let read = sums.into_files().and_then(Files::read);
        let (contents, tail) = read.map_err(|error| place.failure(error))?;
        let bundle =
            Bundle::open(contents).map_err(|error| refused::contradiction(&place.path, &error))?;
        let carried = tail.skim(bundle.images.as_ref()).map_err(|error| place.failure(error))?;
        let images_at = ImagesAt::path(&place.path)?;
        Ok(Self {
            bundle,
            carried,
            images_at,
            origin: place.path.into_string(),
            attested: Some(attested),
        })
    }

    /// Returns the bundle that was built in memory from the profile at `path`. Its images are in the
    /// store.
    pub fn of_profile(bundle: Bundle, path: &Utf8Path, store: impl Into<Utf8PathBuf>) -> Self {
        Self {
            bundle,
            carried: Carried::default(),
            images_at: ImagesAt::Store(Store::at(store)),
            origin: format!("profile {path}"),
            attested: None,
        }
    }

    /// Counts the available images without hashing them.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub fn images(&self) -> io::Result<Option<ImagesSummary>> {
        let Some(images) = &self.bundle.images else { return Ok(None) };
        self.images_at.count(images, &self.carried, Counting::BySize).map(Some)
    }

    /// Like [`UnverifiedBundle::images`], but only for an archive that carries images.
    ///
    /// # Errors
    ///
    /// As [`UnverifiedBundle::images`].
    pub fn carried_images(&self) -> io::Result<Option<ImagesSummary>> {
        Ok(self.images()?.filter(|_| !self.carried.is_empty()))
    }
}
