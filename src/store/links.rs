//! The links of the store: one for each profile, and pins.

use std::collections::BTreeSet;
use std::io;

use camino::Utf8Path;
use fs_err as fs;

use crate::store::{EntryName, PINS, read_folder};

/// Returns the entry of the store `root` that `link` leads to, or into; none if it leads nowhere or elsewhere.
pub(super) fn target(root: &Utf8Path, link: &Utf8Path) -> io::Result<Option<EntryName>> {
    target_from(&fs::canonicalize(root)?, link.as_std_path())
}

/// Returns every entry that a link in the store, or a pin, leads to.
pub(super) fn reachable(root: &Utf8Path) -> io::Result<BTreeSet<EntryName>> {
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
    let target = match fs::canonicalize(link) {
        Ok(target) => target,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let inside = target.strip_prefix(root).ok().and_then(|path| path.iter().next());
    Ok(inside.and_then(|name| name.to_str()).and_then(EntryName::parse))
}
