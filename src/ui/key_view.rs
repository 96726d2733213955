//! Shows a signing key.

use std::io::{self, Write};

use camino::Utf8PathBuf;
use serde::Serialize;

use super::printer::Report;
use crate::model::text::Label;
use crate::model::timestamp::{DAY_SECONDS, Timestamp};
use crate::trust::entry::{KeyEntry, VALID_DAYS};
use crate::trust::key::{KeyId, PublicKey};
use crate::trust::policy::KeyStatus;

/// A signing key, and the entry of a trust policy for it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeygenReport {
    keyid: KeyId,
    /// The `SubjectPublicKeyInfo` in base64.
    public: String,
    public_pem: String,
    holder: Label,
    not_after: Timestamp,
    /// The entry to paste into a trust policy.
    trust_entry: String,
    /// The files of a new pair.
    #[serde(skip_serializing_if = "Option::is_none")]
    private_file: Option<Utf8PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_file: Option<Utf8PathBuf>,
}

impl Report for KeygenReport {
    const SCHEMA: &'static str = "keygen/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        write!(out, "{}", self.trust_entry)
    }
}

impl KeygenReport {
    /// Describes a key. Its entry is valid for the usual time from now.
    pub fn new(key: &PublicKey, holder: Label, now: Timestamp) -> Self {
        let not_after = now.plus_seconds(VALID_DAYS * DAY_SECONDS);
        let entry = KeyEntry {
            public: key.clone(),
            holder: holder.clone(),
            // No start date, because `--public` may show a key that has signed before.
            not_before: None,
            not_after: Some(not_after),
            status: KeyStatus::Active,
        };
        Self {
            keyid: key.id(),
            public: key.to_base64(),
            public_pem: key.to_pem(),
            holder,
            not_after,
            trust_entry: entry.to_string(),
            private_file: None,
            public_file: None,
        }
    }

    /// Adds the files of a new pair.
    #[must_use]
    pub fn with_files(self, private: Utf8PathBuf, public: Utf8PathBuf) -> Self {
        Self { private_file: Some(private), public_file: Some(public), ..self }
    }
}
