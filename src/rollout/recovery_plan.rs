//! The encrypted copy of generated values, before it is written.

use camino::Utf8PathBuf;
use serde::Serialize;

/// Where generated values are saved, and for which recipients.
#[derive(Clone, Debug, Serialize)]
pub struct RecoveryPlan {
    /// Public keys. If empty, the values cannot be recovered.
    pub recipients: Vec<String>,
    /// The path of the encrypted copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<Utf8PathBuf>,
}
