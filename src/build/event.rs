//! The steps of a build, as data: the command line prints them while it works.

use std::fmt;
use std::io;

use camino::Utf8Path;

use crate::bundle::fault::ReadError;
use crate::transfer::event::TransferEvent;

/// Receives each event when it happens.
pub type BuildObserver<'a> = dyn Fn(&BuildEvent<'_>) + 'a;

/// A step of a build.
#[derive(Clone, Copy, Debug)]
pub enum BuildEvent<'a> {
    /// Builds in other processes gave identical bytes.
    Reproduced {
        profile: &'a str,
        builds: usize,
    },
    /// Nodes ask a registry for the images of these containers even if they have them.
    AlwaysPulled {
        containers: &'a [&'a str],
    },
    /// The images are pinned, but the archive has none.
    ArchiveWithoutImages,
    /// The entry of the store was altered, and was rebuilt.
    EntryReplaced {
        reason: &'a ReadError,
    },
    /// A warning about the statement or its serial.
    Statement {
        warning: &'a str,
    },
    /// The file system has no locks.
    FolderUnlocked {
        folder: &'a Utf8Path,
        why: io::ErrorKind,
    },
    /// A manifest of an earlier run was removed from a folder.
    StaleRemoved {
        file: &'a str,
    },
    Transfer(TransferEvent<'a>),
}

impl BuildEvent<'_> {
    /// Returns whether the operator should act on the event.
    pub fn is_warning(&self) -> bool {
        match self {
            Self::AlwaysPulled { .. }
            | Self::EntryReplaced { .. }
            | Self::Statement { .. }
            | Self::FolderUnlocked { .. } => true,
            Self::Reproduced { .. } | Self::ArchiveWithoutImages | Self::StaleRemoved { .. } => {
                false
            }
            Self::Transfer(event) => event.is_warning(),
        }
    }
}

impl fmt::Display for BuildEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reproduced { profile, builds } => write!(
                f,
                "checked {profile}: {builds} builds in other processes gave identical bytes"
            ),
            Self::AlwaysPulled { containers } => write!(
                f,
                "the pull policy of {} is Always: nodes pull from a registry although the archive \
                 has the image",
                containers.join(", ")
            ),
            Self::ArchiveWithoutImages => {
                write!(f, "the archive has no images; pass `--images all` to add them")
            }
            Self::EntryReplaced { reason } => {
                write!(f, "the store entry was altered and has been rebuilt: {reason}")
            }
            Self::Statement { warning } => f.write_str(warning),
            Self::FolderUnlocked { folder, why } => write!(
                f,
                "cannot lock `{folder}` ({why}): do not run another render into it at the same time"
            ),
            Self::StaleRemoved { file } => write!(f, "removed {file}"),
            Self::Transfer(event) => event.fmt(f),
        }
    }
}
