//! Counts the files and values of a bundle against its limits.

use serde_json::Value;

use super::layout::FileKind;
use super::limits::{
    FILES_MAX, LimitExceeded, MANIFESTS_BYTES_MAX, MANIFESTS_VALUES_MAX, check_size,
};
use crate::model::safe_path::SafePath;

/// Counts the files of a bundle and enforces the limits.
#[derive(Clone, Debug, Default)]
pub(super) struct Budget {
    files: usize,
    manifests_bytes: u64,
}

impl Budget {
    /// Counts a file of `bytes` bytes.
    ///
    /// # Errors
    ///
    /// Returns an error if this file is too large, or if there are now too many files or bytes.
    pub(super) fn admit(
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

/// Counts the values in all manifests and enforces the limit.
#[derive(Clone, Debug, Default)]
pub(super) struct ValueCounter(usize);

impl ValueCounter {
    /// Counts a manifest.
    ///
    /// # Errors
    ///
    /// Returns an error if there are now too many values.
    pub(super) fn admit(&mut self, manifest: &Value) -> Result<(), LimitExceeded> {
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
    use crate::bundle::limits::{DOCUMENT_BYTES_MAX, MANIFEST_BYTES_MAX, SUMS_BYTES_MAX};
    use crate::images::list::IMAGES_BYTES_MAX;

    fn path(text: &str) -> SafePath {
        SafePath::parse(text).unwrap()
    }

    #[test]
    fn file_of_exactly_its_kind_limit_is_admitted() {
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
    fn longest_file_list_fits_its_own_size_limit() {
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
