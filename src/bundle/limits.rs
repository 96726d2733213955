//! Size limits of bundles. The same limits apply to building and to reading.

use serde_json::Value;

use super::layout::FileKind;
use crate::canonical::values_at_most;
use crate::model::safe_path::SafePath;

/// The attestation: a statement with many site names and sixteen signatures needs a quarter of it.
/// It is read before anything is trusted, so it stays small.
pub const ATTESTATION_BYTES_MAX: u64 = 64 << 10;

/// `SHA256SUMS`: 20,000 lines with the longest path (167 bytes) take 3.4 MB.
pub const SUMS_BYTES_MAX: u64 = 4 << 20;

/// Files that `SHA256SUMS` lists: far more than any real bundle has, and few enough to keep the
/// list in memory.
pub const FILES_MAX: usize = 20_000;

/// One manifest or sealed secret: etcd limits an object to about 1.5 MiB, and the API server
/// rejects a ConfigMap or Secret with more than 1 MiB of data.
pub const MANIFEST_BYTES_MAX: u64 = 1 << 20;

/// All manifests and sealed secrets together: they stay in memory from verification to apply.
pub const MANIFESTS_BYTES_MAX: u64 = 8 << 20;

/// `bundle.json` and `recipe.json`, each: they only describe the manifests, and stay in memory.
pub const DOCUMENT_BYTES_MAX: u64 = 4 << 20;

/// Values in `bundle.json` and in `recipe.json`, each: a value can take two bytes in the file, and
/// hundreds of times that in memory. The profiles in this repository have about 300.
pub const DOCUMENT_VALUES_MAX: usize = 50_000;

/// Values in all manifests together, for the same reason.
pub const MANIFESTS_VALUES_MAX: usize = 50_000;

/// A bundle, or one of its files, exceeds a limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitExceeded {
    #[error("`{path}` has {bytes} bytes; the limit is {limit}")]
    File { path: String, bytes: u64, limit: u64 },
    #[error("all manifests and sealed secrets exceed {MANIFESTS_BYTES_MAX} bytes with `{path}`")]
    Manifests { path: String },
    #[error("there are more than {FILES_MAX} files")]
    Files,
    #[error("`{path}` has more than {limit} values")]
    Values { path: String, limit: usize },
    #[error("all manifests have more than {MANIFESTS_VALUES_MAX} values")]
    ManifestsValues,
}

/// Counts the files of a bundle and enforces the limits.
#[derive(Clone, Debug, Default)]
pub struct Budget {
    files: usize,
    manifests_bytes: u64,
}

impl Budget {
    /// Counts a file of `bytes` bytes.
    ///
    /// # Errors
    ///
    /// Returns an error if this file is too large, or if there are now too many files or bytes.
    pub fn admit(
        &mut self,
        path: &SafePath,
        kind: FileKind,
        bytes: u64,
    ) -> Result<(), LimitExceeded> {
        check_size(path.as_str(), bytes, kind.bytes_max())?;
        if self.files == FILES_MAX {
            return Err(LimitExceeded::Files);
        }
        self.files += 1;
        if matches!(kind, FileKind::Manifest | FileKind::SealedSecret) {
            self.manifests_bytes += bytes;
            if self.manifests_bytes > MANIFESTS_BYTES_MAX {
                return Err(LimitExceeded::Manifests { path: path.to_string() });
            }
        }
        Ok(())
    }
}

/// Rejects a file of more than `limit` bytes.
pub fn check_size(path: &str, bytes: u64, limit: u64) -> Result<(), LimitExceeded> {
    if bytes > limit {
        Err(LimitExceeded::File { path: path.to_owned(), bytes, limit })
    } else {
        Ok(())
    }
}

/// Rejects a document with too many values, before it is parsed.
pub fn check_document(path: &str, json: &[u8]) -> Result<(), LimitExceeded> {
    let limit = DOCUMENT_VALUES_MAX;
    if values_at_most(json) > limit {
        return Err(LimitExceeded::Values { path: path.to_owned(), limit });
    }
    Ok(())
}

/// Counts the values in all manifests and enforces the limit.
#[derive(Clone, Debug, Default)]
pub struct Values(usize);

impl Values {
    /// Counts a manifest.
    ///
    /// # Errors
    ///
    /// Returns an error if there are now too many values.
    pub fn admit(&mut self, manifest: &Value) -> Result<(), LimitExceeded> {
        self.0 += values_of_tree(manifest);
        if self.0 > MANIFESTS_VALUES_MAX { Err(LimitExceeded::ManifestsValues) } else { Ok(()) }
    }
}

fn values_of_tree(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(values_of_tree).sum(),
        Value::Object(fields) => fields.values().map(values_of_tree).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::list::IMAGES_BYTES_MAX;

    fn path(text: &str) -> SafePath {
        SafePath::parse(text).unwrap()
    }

    #[test]
    fn a_file_may_have_exactly_the_limit_of_its_kind() {
        let table = [
            ("manifests/a.yaml", FileKind::Manifest, MANIFEST_BYTES_MAX),
            ("secrets/a.age", FileKind::SealedSecret, MANIFEST_BYTES_MAX),
            ("bundle.json", FileKind::Document, DOCUMENT_BYTES_MAX),
            ("images.json", FileKind::ImageList, IMAGES_BYTES_MAX),
        ];
        for (file, kind, limit) in table {
            assert_eq!(Budget::default().admit(&path(file), kind, limit), Ok(()));
            assert_eq!(
                Budget::default().admit(&path(file), kind, limit + 1),
                Err(LimitExceeded::File { path: file.to_owned(), bytes: limit + 1, limit })
            );
        }
    }

    #[test]
    fn manifests_and_sealed_secrets_share_one_budget() {
        let mut budget = Budget::default();
        for number in 0..4 {
            budget
                .admit(&path(&format!("manifests/{number}.yaml")), FileKind::Manifest, 1 << 20)
                .unwrap();
            budget
                .admit(&path(&format!("secrets/{number}.age")), FileKind::SealedSecret, 1 << 20)
                .unwrap();
        }
        budget.admit(&path("bundle.json"), FileKind::Document, DOCUMENT_BYTES_MAX).unwrap();

        let refused = budget.admit(&path("manifests/z.yaml"), FileKind::Manifest, 1).unwrap_err();

        assert_eq!(refused, LimitExceeded::Manifests { path: "manifests/z.yaml".to_owned() });
    }

    #[test]
    fn the_longest_list_of_files_fits_its_own_limit() {
        let line_bytes = 64 + 2 + SafePath::BYTES_MAX + 1;
        assert!((FILES_MAX * line_bytes) as u64 <= SUMS_BYTES_MAX);

        let mut budget = Budget::default();
        for number in 0..FILES_MAX {
            budget
                .admit(&path(&format!("manifests/{number}.yaml")), FileKind::Manifest, 0)
                .unwrap();
        }
        assert_eq!(
            budget.admit(&path("manifests/x.yaml"), FileKind::Manifest, 0),
            Err(LimitExceeded::Files)
        );
    }
}
