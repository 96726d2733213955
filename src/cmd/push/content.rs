//! Reads image content: from the verified file, which is read again, or from the store.

use std::collections::BTreeSet;

use crate::bundle::carried::Visitor;
use crate::bundle::open::Bundle;
use crate::bundle::read::Fault;
use crate::cmd::ctx::StoreArgs;
use crate::cmd::gate::BundleArgs;
use crate::cmd::images_at::ImagesAt;
use crate::failure::Failure;
use crate::images::layout;
use crate::images::list::ImageList;
use crate::model::digest::Digest;
use crate::store::Lock;
use crate::store::blobs::{BlobVisitError, Blobs};
use crate::trust::verify::Verified;

/// Manifests, configs and layers of a verified bundle.
pub(super) struct Content<'a> {
    images: &'a ImageList,
    /// The blobs that the source has.
    pub(super) there: BTreeSet<Digest>,
    medium: Medium<'a>,
}

enum Medium<'a> {
    File {
        bundle: &'a BundleArgs,
        id: Digest,
    },
    Store {
        blobs: Blobs,
        /// The command that fetches missing or altered blobs.
        fetch: String,
        /// Keeps `gc` from removing blobs while they are read.
        _lock: Lock,
    },
}

/// Why a visit ended early.
pub(super) enum VisitFailure {
    /// The visitor ended it.
    Stopped,
    Content(Failure),
}

impl<'a> Content<'a> {
    /// Locates the images of the verified bundle.
    pub(super) fn of(
        (bundle, store): (&'a BundleArgs, &StoreArgs),
        verified: &Verified<Bundle>,
        images: &'a ImageList,
    ) -> Result<Self, Failure> {
        let found = match bundle.images_at(store)? {
            ImagesAt::Archive => {
                let medium = Medium::File { bundle, id: verified.content_id };
                return Ok(Self { images, there: verified.carried().digests().collect(), medium });
            }
            ImagesAt::Store(store) => store,
            ImagesAt::Nowhere => {
                return Err(Failure::input(format!(
                    "the folder `{}` has no images",
                    bundle.name()
                ))
                .hint("name the archive, or the entry of the store: @ENTRY"));
            }
        };
        let fetch = StoreArgs::of(&found).fetch_line(bundle.name());
        let blobs = found.blobs();
        let lock = blobs.share()?;
        let missing = blobs.missing(images)?;
        let there = images.carryable().map(|(digest, _)| digest);
        let there = there.filter(|digest| !missing.contains_key(digest)).collect();
        Ok(Self { images, there, medium: Medium::Store { blobs, fetch, _lock: lock } })
    }

    /// Returns hints on how to get blobs that neither the source nor the registry has.
    pub(super) fn remedies(&self) -> Vec<String> {
        match &self.medium {
            Medium::Store { fetch, .. } => vec![format!("fetch the images first: {fetch}")],
            Medium::File { .. } => vec![
                "push the base of this delta first: the archive that `--images since:` named".to_owned(),
                "or bring an archive with all images: relay-bundle pack BUNDLE FILE --images all, where it was built"
                    .to_owned(),
            ],
        }
    }

    /// Passes the wanted blobs to `visit`, in the order of their digests. Withholds the last bytes
    /// of each until its digest matches.
    pub(super) fn visit(
        &self,
        wanted: &BTreeSet<Digest>,
        visit: &mut Visitor<'_>,
    ) -> Result<(), VisitFailure> {
        match &self.medium {
            Medium::File { bundle, id } => {
                let (place, tail) = bundle.reopen(*id).map_err(VisitFailure::Content)?;
                let checked = tail.check_some(Some(self.images), wanted, visit);
                let carried = checked.map_err(|error| match error.fault {
                    Fault::Sink { .. } => VisitFailure::Stopped,
                    _ => VisitFailure::Content(place.failure(error)),
                })?;
                // The same bundle, packed again, may carry fewer blobs.
                match wanted.iter().find(|digest| !carried.contains(digest)) {
                    None => Ok(()),
                    Some(gone) => {
                        let gone = Fault::Missing { path: layout::path_of(gone).to_string() };
                        Err(VisitFailure::Content(place.failure(gone.into())))
                    }
                }
            }
            Medium::Store { blobs, fetch, .. } => {
                let mut wanted =
                    self.images.carryable().filter(|(digest, _)| wanted.contains(digest));
                wanted.try_for_each(|(digest, one)| {
                    blobs.visit(digest, one.size(), visit).map_err(|error| match error {
                        BlobVisitError::Stopped(_) => VisitFailure::Stopped,
                        BlobVisitError::Bad(bad) => VisitFailure::Content(
                            Failure::world(bad).hint(format!("fetch it again: {fetch}")),
                        ),
                        BlobVisitError::Read(error) => VisitFailure::Content(error.into()),
                    })
                })
            }
        }
    }
}
