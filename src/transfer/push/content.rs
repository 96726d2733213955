//! Reads image content: from the verified file, which is read again, or from the store.

use std::collections::BTreeSet;

use crate::bundle::content::BlobVisitor;
use crate::bundle::fault::Fault;
use crate::bundle::open::Bundle;
use crate::failure::Failure;
use crate::images::layout;
use crate::images::list::ImageList;
use crate::media::images_at::{ImagesAt, fetch_line};
use crate::media::named_bundle::NamedBundle;
use crate::model::digest::Digest;
use crate::store::StoreLock;
use crate::store::blobs::{BlobVisitError, Blobs};
use crate::trust::verify::Verified;

/// Manifests, configs and layers of a verified bundle.
pub struct PushContent<'a> {
    pub(super) images: &'a ImageList,
    /// The blobs that the source has.
    pub(super) there: BTreeSet<Digest>,
    medium: PushMedium<'a>,
}

enum PushMedium<'a> {
    File {
        bundle: &'a NamedBundle,
        id: Digest,
    },
    Store {
        blobs: Blobs,
        /// The command that fetches missing or altered blobs.
        fetch: String,
        /// Keeps `gc` from removing blobs while they are read.
        _lock: StoreLock,
    },
}

/// Why a visit ended early.
pub(super) enum VisitFailure {
    /// The visitor ended it.
    Stopped,
    Content(Failure),
}

impl<'a> PushContent<'a> {
    /// Locates the images of the verified bundle.
    ///
    /// # Errors
    ///
    /// When a folder outside a store was verified, or the store cannot be read.
    pub fn of(
        bundle: &'a NamedBundle,
        verified: &Verified<Bundle>,
        images: &'a ImageList,
    ) -> Result<Self, Failure> {
        let found = match bundle.images_at()? {
            ImagesAt::Archive => {
                let medium = PushMedium::File { bundle, id: verified.content_id };
                return Ok(Self { images, there: verified.carried().digests().collect(), medium });
            }
            ImagesAt::Store(store) => store,
            ImagesAt::Nowhere => {
                return Err(Failure::input(format!(
                    "the folder `{}` has no images",
                    bundle.argument
                ))
                .hint("name the archive, or the entry of the store: @ENTRY"));
            }
        };
        let fetch = fetch_line(found.root(), &bundle.argument);
        let blobs = found.blobs();
        let lock = blobs.share()?;
        let missing = blobs.missing(images)?;
        let there = images.carryable().map(|(digest, _)| digest);
        let there = there.filter(|digest| !missing.contains_key(digest)).collect();
        Ok(Self { images, there, medium: PushMedium::Store { blobs, fetch, _lock: lock } })
    }

    /// Returns the size of a config or layer of a bundle's image.
    pub(super) fn size_of(&self, digest: Digest) -> u64 {
        self.images.get(&digest).expect("the blobs of an image are listed").size()
    }

    /// Returns hints on how to get blobs that neither the source nor the registry has.
    pub(super) fn remedies(&self) -> Vec<String> {
        match &self.medium {
            PushMedium::Store { fetch, .. } => vec![format!("fetch the images first: {fetch}")],
            PushMedium::File { .. } => vec![
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
        visit: &mut BlobVisitor<'_>,
    ) -> Result<(), VisitFailure> {
        match &self.medium {
            PushMedium::File { bundle, id } => {
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
            PushMedium::Store { blobs, fetch, .. } => {
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
