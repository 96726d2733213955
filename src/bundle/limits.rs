//! Size limits of bundles. The same limits apply to building and to reading.

use crate::canonical::values_at_most;

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
