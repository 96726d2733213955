//! The report of `build`.

use std::io::{self, Write};

use camino::Utf8PathBuf;
use serde::Serialize;
use serde_json::Value;

use crate::build::BuiltEntry;
use crate::cmd::profile::InvalidProfile;
use crate::failure::Failure;
use crate::store;
use crate::trust::key::KeyId;
use crate::ui::printer::Report;

/// The report of a build.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BuildReport {
    pub(super) bundles: Vec<Built>,
    /// Profiles that failed to build. The others were built all the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) failed: Vec<Failed>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Failed {
    profile: String,
    error: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    diagnostics: Option<Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Built {
    profile: String,
    path: Utf8PathBuf,
    content_id: String,
    objects: usize,
    /// `new`, `existed` or `replaced`.
    entry: &'static str,
    signed: bool,
    /// The key ids in the attestation. Only the signature of `--key` has been verified.
    signers: Vec<KeyId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    archive: Option<Utf8PathBuf>,
}

impl Report for BuildReport {
    const SCHEMA: &'static str = "build/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        self.bundles.iter().try_for_each(|built| writeln!(out, "{}", built.path))
    }
}

impl Failed {
    pub(super) fn of(profile: &str, failure: &Failure) -> Self {
        let diagnostics = failure.source.downcast_ref().map(InvalidProfile::diagnostics);
        Self {
            profile: profile.to_owned(),
            error: failure.message(),
            diagnostics: diagnostics.cloned(),
        }
    }
}

impl Built {
    pub(super) fn of(profile: &str, built: BuiltEntry, archive: Option<Utf8PathBuf>) -> Self {
        let signers = built.signatures.signers;
        Self {
            profile: profile.to_owned(),
            path: built.path,
            content_id: built.content_id.prefixed(),
            objects: built.index.objects.len(),
            entry: match built.outcome {
                store::EntryOutcome::New => "new",
                store::EntryOutcome::Existed => "existed",
                store::EntryOutcome::Replaced { .. } => "replaced",
            },
            signed: !signers.is_empty(),
            signers,
            archive,
        }
    }
}
