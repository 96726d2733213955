//! The steps of a transfer, as data: the command line prints them while it works.

use std::fmt;
use std::io;

use camino::Utf8Path;

use crate::images::reference::ImageReference;
use crate::model::digest::Digest;
use crate::model::size::size;
use crate::registry::error::RegistryError;

/// Receives each event when it happens.
pub type TransferObserver<'a> = dyn Fn(&TransferEvent<'_>) + 'a;

/// A step of a transfer.
#[derive(Clone, Copy, Debug)]
pub enum TransferEvent<'a> {
    /// A stored blob was altered, and is fetched again.
    BlobAltered { path: &'a Utf8Path },
    /// The file system has no locks.
    FolderUnlocked { folder: &'a Utf8Path, why: io::ErrorKind },
    /// A registry is asked for an image.
    LookingUp { image: &'a ImageReference },
    /// The tag beside a pinned digest names another image: the pods do not run the one that the tag
    /// names.
    TagMoved { tag: &'a ImageReference, found: Digest, pinned: Digest },
    /// Such a tag could not be compared.
    TagUnknown { tag: &'a ImageReference, error: &'a RegistryError },
    /// Configs and layers that another bundle lists are left out of an archive.
    LeftOut { base: &'a str, blobs: usize, of: usize, bytes: u64 },
}

impl TransferEvent<'_> {
    /// Returns whether the operator should act on the event.
    pub fn is_warning(&self) -> bool {
        match self {
            Self::BlobAltered { .. }
            | Self::FolderUnlocked { .. }
            | Self::TagMoved { .. }
            | Self::TagUnknown { .. } => true,
            Self::LookingUp { .. } | Self::LeftOut { .. } => false,
        }
    }
}

impl fmt::Display for TransferEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BlobAltered { path } => write!(f, "`{path}` was altered: fetching it again"),
            Self::FolderUnlocked { folder, why } => write!(
                f,
                "cannot lock `{folder}` ({why}): do not run another `lock` there at the same time"
            ),
            Self::LookingUp { image } => write!(f, "looking up {image}"),
            Self::TagMoved { tag, found, pinned } => {
                write!(f, "`{tag}` is now sha256:{found}, but the profile pins sha256:{pinned}")
            }
            Self::TagUnknown { tag, error } => {
                write!(f, "cannot check whether `{tag}` moved: {error}")
            }
            Self::LeftOut { base, blobs, of, bytes } => write!(
                f,
                "left out {blobs} of {of} configs and layers ({}) that `{base}` lists: the site \
                 must already have them",
                size(*bytes)
            ),
        }
    }
}
