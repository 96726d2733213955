//! Resolves the links in the store: one for each profile, and pins.

use std::collections::BTreeSet;
use std::io;

use camino::Utf8Path;
use fs_err as fs;

use super::entry::EntryName;
use super::error::StoreError;
use super::layout::{PINS, check_own_folder, read_folder};

/// The OS error number for a symlink loop: std has no stable `ErrorKind` for it.
const ELOOP: i32 = if cfg!(target_os = "linux") { 40 } else { 62 };

/// Returns the store entry that `link` points to or into, or `None` if the link dangles or points
/// elsewhere.
pub(super) fn target(root: &Utf8Path, link: &Utf8Path) -> io::Result<Option<EntryName>> {
    target_from(&fs::canonicalize(root)?, link.as_std_path())
}

/// Returns every entry that a link in the store or a pin references.
pub(super) fn reachable(root: &Utf8Path) -> Result<BTreeSet<EntryName>, StoreError> {
    check_own_folder(&root.join(PINS))?;
    let mut entries = BTreeSet::new();
    for folder in [root.to_owned(), root.join(PINS)] {
        for item in read_folder(&folder)? {
            if item.file_type()?.is_symlink() {
                entries.extend(target_from(&fs::canonicalize(root)?, &item.path())?);
            }
        }
    }
    Ok(entries)
}

fn target_from(root: &std::path::Path, link: &std::path::Path) -> io::Result<Option<EntryName>> {
    // Use std first: fs-err does not preserve the error number.
    let target = match link.canonicalize() {
        Ok(target) => target,
        Err(error)
            if error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(ELOOP) =>
        {
            return Ok(None);
        }
        Err(_) => fs::canonicalize(link)?,
    };
    let inside = target.strip_prefix(root).ok().and_then(|path| path.iter().next());
    Ok(inside.and_then(|name| name.to_str()).and_then(EntryName::parse))
}
