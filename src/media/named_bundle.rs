//! Finds a bundle and verifies it before any of its content is used. Every command that trusts a
//! bundle comes through here.

use std::io::{self, BufReader};

use camino::{Utf8Path, Utf8PathBuf};

use super::archive;
use super::argument::{BundleArgument, STDIN, check_not_stdin, not_built};
use super::images_at::{Counting, ImagesAt, fetch_line};
use super::medium::{self, BundleLocation};
use crate::bundle::carried::Tail;
use crate::bundle::fault::{Fault, ReadError};
use crate::bundle::medium::{AnyMedium, SealedMedium};
use crate::bundle::open::Bundle;
use crate::bundle::read::{Files, Opening};
use crate::failure::Failure;
use crate::failure::refused::images_missing;
use crate::images::summary::ImagesSummary;
use crate::model::digest::Digest;
use crate::store::{Store, asked_id, folder};
use crate::trust::refusal::Reason;
use crate::trust::terms::VerifyTerms;
use crate::trust::verify::{Verified, VerifyError, verify};

/// A bundle as the operator names it. It is verified before anything of it is used.
#[derive(Debug)]
pub struct NamedBundle {
    pub argument: String,
    /// Parts in other folders than the index, with their original names.
    pub parts: Vec<Utf8PathBuf>,
    /// The folder of the store.
    pub store: Utf8PathBuf,
}

impl NamedBundle {
    /// Rejects parts for a bundle that is not in parts.
    pub fn check_parts(&self) -> Result<(), Failure> {
        if self.parts.is_empty() || medium::is_parts_index(self.path()) {
            return Ok(());
        }
        Err(medium::no_index(&self.argument))
    }

    /// Rejects a bundle that can be read only once.
    pub fn check_rereadable(&self) -> Result<(), Failure> {
        check_not_stdin(&self.argument, "is not read")?;
        match BundleArgument::of(&self.argument) {
            BundleArgument::Path(path) => medium::check_rereadable(path),
            _ => Ok(()),
        }
    }

    /// Verifies the bundle, and also returns where it was found.
    pub fn verify(&self, terms: &VerifyTerms<'_>) -> Result<(String, Verified<Bundle>), Failure> {
        if self.argument == STDIN {
            let opened = archive::open(BufReader::new(io::stdin().lock()));
            return Ok(("stdin".to_owned(), gate(opened, terms)?));
        }
        match BundleArgument::of(&self.argument) {
            BundleArgument::Path(path) => {
                Ok((path.to_string(), verify_path(path, &self.parts, terms)?))
            }
            BundleArgument::Entry(reference) => {
                verify_entry(&Store::at(&self.store), reference, terms)
            }
            BundleArgument::Profile(name) => Err(not_built(name, "verified")),
        }
    }

    /// Opens the images of the bundle again. Its content id must still be `id`.
    ///
    /// # Errors
    ///
    /// When the content has changed, or cannot be read.
    pub fn reopen(&self, id: Digest) -> Result<(BundleLocation, Tail<AnyMedium>), Failure> {
        let (place, opening) = medium::open(self.path(), &self.parts)?;
        let sums = opening.and_then(Opening::read_sums).map_err(|error| place.failure(error))?;
        let found = sums.content_id();
        if found != id {
            let fault = Fault::OtherContent { wanted: id.to_string(), found };
            return Err(place.failure(fault.into()));
        }
        let read = sums.into_files().and_then(Files::read);
        let (_, tail) = read.map_err(|error| place.failure(error))?;
        Ok((place, tail))
    }

    /// Returns where the images of the bundle are.
    pub fn images_at(&self) -> io::Result<ImagesAt> {
        match BundleArgument::of(&self.argument) {
            BundleArgument::Entry(_) => Ok(ImagesAt::Store(Store::at(&self.store))),
            _ if self.argument == STDIN => Ok(ImagesAt::Archive),
            _ => ImagesAt::path(self.path()),
        }
    }

    /// Counts the images of the verified bundle that are available.
    pub fn images(
        &self,
        bundle: &Verified<Bundle>,
        counting: Counting,
    ) -> Result<Option<ImagesSummary>, Failure> {
        let Some(images) = &bundle.images else { return Ok(None) };
        let (place, counting) = match self.images_at()? {
            // Verifying an archive has hashed its images.
            ImagesAt::Archive => (ImagesAt::Archive, Counting::ByDigest),
            place => (place, counting),
        };
        Ok(Some(place.count(images, bundle.carried(), counting)?))
    }

    /// Refuses a verified bundle whose images are not complete. `images` counts them.
    ///
    /// # Errors
    ///
    /// When images are missing or not pinned.
    pub fn check_images(
        &self,
        bundle: &Bundle,
        images: Option<&ImagesSummary>,
    ) -> Result<(), Failure> {
        match images {
            Some(images) if images.is_complete() => Ok(()),
            Some(images) => {
                let missing = format!("IMAGES_MISSING: verified, but {}", images.missing_text());
                Err(images_missing(missing).hint(self.remedy_of_missing(bundle)?))
            }
            None => Err(images_missing("IMAGES_MISSING: verified, but its images are not pinned")
                .hint("where it was built: relay-bundle lock, then build it again")),
        }
    }

    /// Returns how to get the images that are missing.
    fn remedy_of_missing(&self, bundle: &Bundle) -> io::Result<String> {
        Ok(match self.images_at()? {
            ImagesAt::Store(store) => {
                format!("fetch them: {}", fetch_line(store.root(), &self.argument))
            }
            ImagesAt::Archive | ImagesAt::Nowhere => {
                let id = bundle.content_id.short(16);
                format!("where it was built: relay-bundle pack @{id} FILE --images all")
            }
        })
    }

    fn path(&self) -> &Utf8Path {
        self.argument.as_str().into()
    }
}

fn verify_entry(
    store: &Store,
    reference: &str,
    terms: &VerifyTerms<'_>,
) -> Result<(String, Verified<Bundle>), Failure> {
    let entry = store.find(reference)?;
    let path = store.path_of(&entry);
    let bundle = gate(folder::open(&path), terms)?;
    let (asked, found) = (asked_id(reference, &entry), bundle.content_id);
    if !found.to_string().starts_with(asked) {
        let fault = Fault::OtherContent { wanted: asked.to_owned(), found };
        return Err(VerifyError::from(Reason::Unreadable(fault.into())).into());
    }
    Ok((path.into_string(), bundle))
}

/// Verifies the bundle at a path. A damaged part is reported in preference to any other failure.
fn verify_path(
    path: &Utf8Path,
    elsewhere: &[Utf8PathBuf],
    terms: &VerifyTerms<'_>,
) -> Result<Verified<Bundle>, Failure> {
    let (place, opened) = medium::open(path, elsewhere)?;
    gate(opened, terms)
        .map_err(|error| place.bad_parts().map_or_else(|| error.into(), Failure::from))
}

fn gate<M: SealedMedium>(
    opened: Result<Opening<M>, ReadError>,
    terms: &VerifyTerms<'_>,
) -> Result<Verified<Bundle>, VerifyError> {
    verify(opened?, terms)
}
