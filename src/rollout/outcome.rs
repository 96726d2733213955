//! The result of a rollout.

use camino::Utf8PathBuf;
use serde::Serialize;

use super::prune::Candidate;

/// The result of a rollout.
#[derive(Debug, Serialize)]
pub struct Done {
    /// The deployed generation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// Whether a generation was recorded or completed, even if no object had to be written.
    #[serde(skip)]
    pub is_new: bool,
    /// The number of written objects.
    pub written: usize,
    pub pruned: Vec<Candidate>,
    /// The encrypted copies of the generated values.
    #[serde(skip_serializing_if = "Vec::is_empty", rename = "recoveryFiles")]
    pub recovery_files: Vec<Utf8PathBuf>,
}

impl Done {
    /// Returns the result of a rollout that had nothing to do.
    pub fn unchanged(generation: Option<u64>) -> Self {
        Self {
            generation,
            is_new: false,
            written: 0,
            pruned: Vec::new(),
            recovery_files: Vec::new(),
        }
    }
}
