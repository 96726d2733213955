//! Shows the statement about a bundle, before and after it is signed.

use std::io::{self, Write};

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use super::escape::safe;
use super::printer::Report;
use crate::model::words::count;
use crate::trust::key::KeyId;
use crate::trust::statement::{Predicate, Statement};

/// The signed statement and its signers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SignReport {
    pub path: Utf8PathBuf,
    pub content_id: String,
    #[serde(flatten)]
    pub predicate: Predicate,
    /// All key ids in the attestation. Only the added signature has been verified.
    pub signers: Vec<KeyId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signer: Option<KeyId>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub discarded: Vec<KeyId>,
    /// The file with the bytes to sign elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<Utf8PathBuf>,
}

impl SignReport {
    /// Describes the statement of the bundle at `path`, and its signatures.
    pub fn of(path: &Utf8Path, statement: Statement, signers: Vec<KeyId>) -> Self {
        let Statement { content_id, predicate } = statement;
        Self {
            path: path.to_owned(),
            content_id: content_id.prefixed(),
            predicate,
            signers,
            signer: None,
            discarded: Vec::new(),
            payload: None,
        }
    }
}

impl Report for SignReport {
    const SCHEMA: &'static str = "sign/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.payload.as_ref().unwrap_or(&self.path))
    }
}

/// Describes the statement of a bundle before it is signed, in lines.
pub fn describe(bundle: &str, statement: &Statement, signatures: usize) -> String {
    let Statement { content_id, predicate } = statement;
    let kind = match signatures {
        0 => "a new statement".to_owned(),
        number => format!("the statement that has {}", count(number, "signature")),
    };
    let expires = predicate
        .expires
        .map_or_else(|| "when the trust policy says".to_owned(), |t| t.to_string());

    let Predicate { bundle: name, profile, namespace, environment, .. } = predicate;
    format!(
        "signing {}: {kind}
  content      sha256:{content_id}
  bundle       {name}, profile {profile}
  namespace    {namespace}, environment {environment}
  files        {}, {} bytes
  serial       {}
  issued       {}
  expires      {expires}
  for          {}",
        safe(bundle),
        predicate.files,
        predicate.bytes,
        predicate.serial,
        predicate.issued,
        predicate.sites_text(),
    )
}
