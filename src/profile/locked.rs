//! Reads the image lock of a profile.

use super::diagnostic::{Diagnostic, Diagnostics};
use super::overlay::ProfileFiles;
use crate::images::lock::{ImagesLock, LOCK_FILE, RESTORE_LOCK};
use crate::model::text::Label;

/// Returns the lock if it lists `profile`.
///
/// An unreadable lock is an error for every profile, because it may list this one.
pub(super) fn read(
    profile: &Label,
    files: &dyn ProfileFiles,
    diagnostics: &mut Diagnostics,
) -> Option<ImagesLock> {
    let lock = match files.images_lock() {
        Ok(text) => ImagesLock::parse(&text?).map_err(|error| error.at(LOCK_FILE)),
        Err(error) => Err(error),
    };
    match lock {
        Ok(lock) => Some(lock).filter(|lock| lock.profiles.contains(profile)),
        Err(message) => {
            diagnostics.push(Diagnostic::error("RB0360", message).help(RESTORE_LOCK));
            None
        }
    }
}
