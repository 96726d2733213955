//! Finds a bundle and verifies it before any of its content is used. Every command that trusts a
//! bundle comes through here.

use std::io::{self, BufReader};

use camino::{Utf8Path, Utf8PathBuf};

use super::ctx::StoreArgs;
use super::images_at::{Counting, ImagesAt};
use super::source::{Reference, STDIN, no_stdin, not_built};
use crate::bundle::carried::Tail;
use crate::bundle::open::Bundle;
use crate::bundle::read::{AnyMedium, Fault, Files, Opening, ReadError, SealedMedium};
use crate::failure::Failure;
use crate::media::archive;
use crate::media::medium::{self, Place as MediumPlace};
use crate::model::digest::Digest;
use crate::store::{Store, folder};
use crate::trust::refusal::Reason;
use crate::trust::verify::{Terms, Verified, VerifyError, verify};
use crate::ui::images_view::ImagesSummary;

/// A bundle that is verified before anything of it is used.
#[derive(Debug, clap::Args)]
pub(super) struct BundleArgs {
    /// The bundle: an archive (FILE.tar, ./FILE, or - for stdin), its parts (FILE.tar.parts), a
    /// folder (DIR/), or an entry of the store (@ENTRY)
    bundle: String,
    /// A part that was copied again to another folder, with its original name; repeatable
    #[arg(long, value_name = "FILE")]
    part: Vec<Utf8PathBuf>,
}

impl BundleArgs {
    /// Returns the arguments for a bundle that is not in parts.
    pub(super) fn of(bundle: String) -> Self {
        Self { bundle, part: Vec::new() }
    }

    /// Verifies the bundle, and also returns where it was found.
    pub(super) fn verify(
        &self,
        store: &StoreArgs,
        terms: &Terms<'_>,
    ) -> Result<(String, Verified<Bundle>), Failure> {
        if self.bundle == STDIN {
            let opened = archive::open(BufReader::new(io::stdin().lock()));
            return Ok(("stdin".to_owned(), gate(opened, terms)?));
        }
        match Reference::of(&self.bundle) {
            Reference::Path(path) => Ok((path.to_string(), verify_path(path, &self.part, terms)?)),
            Reference::Entry(reference) => verify_entry(reference, store, terms),
            Reference::Profile(name) => Err(not_built(name, "verified")),
        }
    }

    /// Counts the images of the verified bundle that are available.
    pub(super) fn images(
        &self,
        store: &StoreArgs,
        bundle: &Verified<Bundle>,
        counting: Counting,
    ) -> Result<Option<ImagesSummary>, Failure> {
        let Some(images) = &bundle.images else { return Ok(None) };
        let (place, counting) = match self.images_at(store)? {
            // Verifying an archive has hashed its images.
            ImagesAt::Archive => (ImagesAt::Archive, Counting::ByDigest),
            place => (place, counting),
        };
        Ok(Some(place.count(images, bundle.carried(), counting)?))
    }

    /// Returns where the images of the bundle are.
    pub(super) fn images_at(&self, store: &StoreArgs) -> io::Result<ImagesAt> {
        match Reference::of(&self.bundle) {
            Reference::Entry(_) => Ok(ImagesAt::Store(Store::at(&store.store))),
            _ if self.bundle == STDIN => Ok(ImagesAt::Archive),
            _ => ImagesAt::path(self.bundle.as_str().into()),
        }
    }

    /// Returns how to get the images that are missing.
    pub(super) fn remedy_of_missing(
        &self,
        store: &StoreArgs,
        bundle: &Bundle,
    ) -> io::Result<String> {
        Ok(match self.images_at(store)? {
            ImagesAt::Store(store) => {
                format!("fetch them: {}", StoreArgs::of(&store).fetch_line(&self.bundle))
            }
            ImagesAt::Archive | ImagesAt::Nowhere => {
                let id = bundle.content_id.short(16);
                format!("where it was built: relay-bundle pack @{id} FILE --images all")
            }
        })
    }

    /// Returns the bundle argument.
    pub(super) fn name(&self) -> &str {
        &self.bundle
    }

    /// Rejects a bundle that can be read only once.
    pub(super) fn check_twice(&self) -> Result<(), Failure> {
        if self.bundle == STDIN {
            return Err(no_stdin("is not read"));
        }
        match Reference::of(&self.bundle) {
            Reference::Path(path) => medium::check_rereadable(path),
            _ => Ok(()),
        }
    }

    /// Opens the images of the bundle again. Its content id must still be `id`.
    ///
    /// # Errors
    ///
    /// When the content has changed, or cannot be read.
    pub(super) fn reopen(&self, id: Digest) -> Result<(MediumPlace, Tail<AnyMedium>), Failure> {
        let (place, opening) = medium::open(self.bundle.as_str().into(), &self.part)?;
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

    /// Rejects `--part` for a bundle that is not in parts.
    pub(super) fn check(&self) -> Result<(), Failure> {
        if self.part.is_empty() || medium::is_parts_index(self.bundle.as_str().into()) {
            return Ok(());
        }
        Err(medium::no_index(&self.bundle))
    }
}

fn verify_entry(
    reference: &str,
    store: &StoreArgs,
    terms: &Terms<'_>,
) -> Result<(String, Verified<Bundle>), Failure> {
    let store = Store::at(&store.store);
    let entry = store.find(reference)?;
    let path = store.path_of(&entry);
    let bundle = gate(folder::open(&path), terms)?;
    // The name of the entry has a prefix of the content id. A reference may have a longer one.
    let digits = reference.strip_prefix("sha256:").unwrap_or(reference);
    let asked =
        if digits.starts_with(entry.id()) && !digits.contains('-') { digits } else { entry.id() };
    let found = bundle.content_id;
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
    terms: &Terms<'_>,
) -> Result<Verified<Bundle>, Failure> {
    let (place, opened) = medium::open(path, elsewhere)?;
    gate(opened, terms)
        .map_err(|error| place.bad_parts().map_or_else(|| error.into(), Failure::from))
}

fn gate<M: SealedMedium>(
    opened: Result<Opening<M>, ReadError>,
    terms: &Terms<'_>,
) -> Result<Verified<Bundle>, VerifyError> {
    verify(opened?, terms)
}
