//! The files of a bundle that `SHA256SUMS` lists. They are kept in memory, unlike the images.

use std::collections::BTreeMap;

use super::budget::Budget;
use super::layout::FileKind;
use super::limits::LimitExceeded;
use super::sums::Sums;
use crate::model::digest::Digest;
use crate::model::safe_path::SafePath;

/// The files of a bundle: paths, bytes and digests, ordered by path, within the limits.
#[derive(Clone, Debug, Default)]
pub struct BundleFiles {
    files: BTreeMap<SafePath, BundleFile>,
    budget: Budget,
}

/// One file in memory.
#[derive(Clone, Debug)]
pub struct BundleFile {
    bytes: Vec<u8>,
    digest: Digest,
}

/// Why a file cannot be added to a bundle.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddError {
    #[error(transparent)]
    Limit(#[from] LimitExceeded),
    #[error("`{0}` is not a file of a bundle")]
    Misplaced(SafePath),
    #[error("`{0}` already exists")]
    Duplicate(SafePath),
}

impl BundleFile {
    /// Returns the content.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the SHA-256 of the content.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

impl BundleFiles {
    /// Adds a file and returns its digest.
    ///
    /// # Errors
    ///
    /// Returns an error if a limit is exceeded, the path is not allowed in a bundle, or it is
    /// taken.
    pub fn add(&mut self, path: SafePath, bytes: Vec<u8>) -> Result<Digest, AddError> {
        let digest = Digest::of(&bytes);
        self.add_hashed(path, bytes, digest)?;
        Ok(digest)
    }

    /// Adds a file with a known digest; the caller must ensure that it matches.
    pub(super) fn add_hashed(
        &mut self,
        path: SafePath,
        bytes: Vec<u8>,
        digest: Digest,
    ) -> Result<(), AddError> {
        let Some(kind) = FileKind::of(&path) else { return Err(AddError::Misplaced(path)) };
        if self.files.contains_key(&path) {
            return Err(AddError::Duplicate(path));
        }
        self.budget.admit(&path, kind, bytes.len() as u64)?;
        self.files.insert(path, BundleFile { bytes, digest });
        Ok(())
    }

    /// Returns the file at `path`.
    pub fn get(&self, path: &str) -> Option<&BundleFile> {
        self.files.get(path)
    }

    /// Yields the files, sorted by the bytes of their paths.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&SafePath, &BundleFile)> {
        self.files.iter()
    }

    /// Returns the list of the files; its digest is the bundle's content id.
    pub fn sums(&self) -> Sums {
        let entries = self.files.iter().map(|(path, file)| (path.clone(), file.digest)).collect();
        // `add` accepts only paths that can be listed, and no folder among them is also a file.
        Sums::of_checked(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::limits::MANIFEST_BYTES_MAX;

    fn path(text: &str) -> SafePath {
        SafePath::parse(text).unwrap()
    }

    #[test]
    fn files_come_back_in_byte_order_with_their_digests() {
        let mut files = BundleFiles::default();
        files.add(path("recipe.json"), b"{}".to_vec()).unwrap();
        let digest = files.add(path("manifests/a.yaml"), b"a: 1\n".to_vec()).unwrap();

        assert_eq!(digest, Digest::of(b"a: 1\n"));
        assert_eq!(files.get("manifests/a.yaml").unwrap().bytes(), b"a: 1\n");
        assert_eq!(
            files.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(),
            ["manifests/a.yaml", "recipe.json"]
        );
        assert_eq!(
            files.sums().encode(),
            format!("{digest}  manifests/a.yaml\n{}  recipe.json\n", Digest::of(b"{}"))
        );
    }

    #[test]
    fn duplicate_misplaced_or_oversized_file_is_not_added() {
        let mut files = BundleFiles::default();
        files.add(path("bundle.json"), Vec::new()).unwrap();

        assert_eq!(
            files.add(path("bundle.json"), Vec::new()),
            Err(AddError::Duplicate(path("bundle.json")))
        );
        for wrong in ["images/a", "readme.md", "attestation.dsse.json"] {
            assert_eq!(files.add(path(wrong), Vec::new()), Err(AddError::Misplaced(path(wrong))));
        }
        let large = vec![b' '; usize::try_from(MANIFEST_BYTES_MAX).unwrap() + 1];
        assert!(matches!(files.add(path("manifests/a.yaml"), large), Err(AddError::Limit(_))));
        assert_eq!(files.iter().len(), 1);
    }
}
