//! A store for a test.

use camino::Utf8PathBuf;
use relay_bundle::store::Store;

/// A store and its folder.
pub(crate) struct Home {
    pub(crate) _folder: tempfile::TempDir,
    pub(crate) root: Utf8PathBuf,
    pub(crate) store: Store,
}

pub(crate) fn home() -> Home {
    let folder = tempfile::tempdir().unwrap();
    let root =
        Utf8PathBuf::from_path_buf(folder.path().canonicalize().unwrap()).unwrap().join("bundles");
    Home { _folder: folder, store: Store::at(&root), root }
}
