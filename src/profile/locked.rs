//! Finds the lock of the images, and whether it lists a profile.

use super::diagnostic::{Diagnostic, Diagnostics};
use super::overlay::ProfileFiles;
use crate::images::lock::{LOCK_FILE, Lock};
use crate::model::text::Label;

/// Returns the lock if it lists `profile`. A lock that cannot be read is an error for every profile: it may list this one.
pub(super) fn read(profile: &Label, files: &dyn ProfileFiles, diagnostics: &mut Diagnostics) -> Option<Lock> {
    let lock = match files.images_lock() {
        Ok(text) => Lock::parse(&text?).map_err(|error| match error.line {
            Some(line) => format!("`{LOCK_FILE}`, line {line}: {error}"),
            None => format!("`{LOCK_FILE}`: {error}"),
        }),
        Err(error) => Err(error),
    };
    match lock {
        Ok(lock) => Some(lock).filter(|lock| lock.profiles.contains(profile)),
        Err(message) => {
            let help = "restore the file, or remove it and write it again with `relay-bundle lock`";
            diagnostics.push(Diagnostic::error("RB0360", message).help(help));
            None
        }
    }
}
