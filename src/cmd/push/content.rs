//! Where the bytes come from: the file that was verified, read once more, or the store.

use std::collections::BTreeSet;
use std::io::{self, Read};

use crate::bundle::carried::{Entry, Visitor};
use crate::bundle::open::Bundle;
use crate::bundle::read::Fault;
use crate::cmd::ctx::{Ctx, StoreArgs};
use crate::cmd::failure::Failure;
use crate::cmd::gate::BundleArgs;
use crate::cmd::refused;
use crate::images::layout;
use crate::images::list::{Carryable, ImageList};
use crate::model::digest::{Digest, Hasher};
use crate::store::Lock;
use crate::store::blobs::Blobs;
use crate::trust::verify::Verified;

/// Manifests, configs and layers of a verified bundle.
pub(super) struct Content<'a> {
    images: &'a ImageList,
    /// What there is.
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
        /// Nothing is removed from the store while it is read.
        _lock: Lock,
    },
}

/// Why not everything was shown to a visitor.
pub(super) enum VisitFailure {
    /// The visitor itself ended it.
    Stopped,
    Content(Failure),
}

impl<'a> Content<'a> {
    /// Finds the images of the bundle that was verified.
    pub(super) fn of(
        ctx: &Ctx,
        (bundle, store): (&'a BundleArgs, &StoreArgs),
        verified: &Verified<Bundle>,
        images: &'a ImageList,
    ) -> Result<Self, Failure> {
        if !bundle.is_entry() {
            let medium = Medium::File { bundle, id: verified.content_id };
            return Ok(Self { images, there: verified.carried().digests().collect(), medium });
        }
        let blobs = ctx.store(store).blobs();
        let lock = blobs.share()?;
        let missing = blobs.missing(images)?;
        let there = images.carryable().map(|(digest, _)| digest);
        let there = there.filter(|digest| !missing.contains_key(digest)).collect();
        Ok(Self { images, there, medium: Medium::Store { blobs, _lock: lock } })
    }

    /// Shows what is wanted to `visit`, in the order of the digests; the last bytes of each only if all are the right ones.
    pub(super) fn visit(
        &self,
        wanted: &BTreeSet<Digest>,
        visit: &mut Visitor<'_>,
    ) -> Result<(), VisitFailure> {
        match &self.medium {
            Medium::File { bundle, id } => {
                let (place, tail) = bundle.reopen(*id).map_err(VisitFailure::Content)?;
                let checked = tail.check_some(Some(self.images), wanted, visit);
                checked.map(drop).map_err(|error| match error.fault {
                    Fault::Sink { .. } => VisitFailure::Stopped,
                    _ => VisitFailure::Content(place.failure(error)),
                })
            }
            Medium::Store { blobs, .. } => {
                let wanted = self.images.carryable().filter(|(digest, _)| wanted.contains(digest));
                wanted.into_iter().try_for_each(|one| visit_stored(blobs, one, visit))
            }
        }
    }
}

fn visit_stored(
    blobs: &Blobs,
    (digest, one): (Digest, Carryable),
    visit: &mut Visitor<'_>,
) -> Result<(), VisitFailure> {
    let opened = blobs.open(&digest, one.size()).map_err(|error| VisitFailure::Content(error.into()))?;
    let gone = || Failure::world(format!("sha256:{digest} is no longer in the store"));
    let file =
        opened.ok_or_else(|| VisitFailure::Content(gone().hint("fetch it again: relay-bundle fetch")))?;
    let path = layout::path_of(&digest);
    let mut stored =
        Stored { file, left: one.size(), wanted: digest, hasher: Hasher::default(), altered: None };
    let visited = visit(Entry { path: &path, bytes: one.size(), digest }, &mut stored);
    if let Some(found) = stored.altered {
        let path = blobs.path_of(&digest);
        let why = format!("`{path}` was altered: its bytes have sha256:{found}");
        let failure = refused::untrusted("TAMPERED", why);
        return Err(VisitFailure::Content(failure.hint(format!("remove `{path}`, and fetch it again"))));
    }
    visited.map_err(|_| VisitFailure::Stopped)
}

/// A blob of the store; its last bytes are handed out only if all are the right ones.
struct Stored<R> {
    file: R,
    left: u64,
    wanted: Digest,
    hasher: Hasher,
    altered: Option<Digest>,
}

impl<R: Read> Read for Stored<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.file.read(&mut buffer[..wanted])?;
        self.hasher.update(&buffer[..read]);
        self.left -= read as u64;
        let is_end = self.left == 0 || (read == 0 && wanted > 0);
        if is_end && wanted > 0 {
            let found = self.hasher.clone().finish();
            if found != self.wanted {
                self.altered = Some(found);
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        Ok(read)
    }
}
