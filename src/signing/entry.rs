//! Signs an entry of the store that was just built, and describes the signatures of one that was
//! not.

use std::fmt;

use camino::Utf8PathBuf;

use super::draft::{Draft, Signed, signers, terms_in_words};
use super::releases::{NewTerms, Releases};
use super::seen::SeenAttestation;
use super::target::SigningTarget;
use super::terms::ChosenTerms;
use crate::bundle::files::BundleFiles;
use crate::bundle::open::Bundle;
use crate::failure::Failure;
use crate::model::digest::Digest;
use crate::model::timestamp::Timestamp;
use crate::store::Store;
use crate::trust::key::{KeyId, PrivateKey};
use crate::trust::statement::Predicate;

/// The key that signs builds, and the terms of their releases.
pub struct BuildSigner {
    pub key: PrivateKey,
    /// One time for all bundles of a run.
    pub now: Timestamp,
    pub terms: ChosenTerms,
}

/// The signatures of an entry after its build.
pub struct EntrySignatures {
    pub outcome: SigningOutcome,
    /// The key ids in the attestation. Only the signature of [`BuildSigner`] has been verified.
    pub signers: Vec<KeyId>,
    pub warnings: Vec<String>,
}

/// The effect on the signatures of an entry.
#[derive(Debug)]
pub enum SigningOutcome {
    Signed {
        statement: StatementUse,
        by: KeyId,
        predicate: Box<Predicate>,
    },
    /// The entry was not signed now, and kept its signatures.
    Kept {
        signatures: usize,
    },
    /// The attestation is not one of this content.
    Invalid {
        path: Utf8PathBuf,
    },
    Unsigned {
        path: Utf8PathBuf,
    },
}

/// The statement that was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatementUse {
    /// The first one of the entry.
    First,
    /// The existing one, with one more signature.
    Existing,
    /// The existing one, which had the signature already.
    Unchanged,
    /// A new one, because other content was released since the existing one.
    Renewed,
}

/// Signs an entry of the store. The caller holds the lock for serials.
///
/// # Errors
///
/// When the terms or the serial are not valid, or the bundle was replaced.
pub fn sign_entry(
    store: &Store,
    place: &SigningTarget,
    files: BundleFiles,
    signer: &BuildSigner,
) -> Result<EntrySignatures, Failure> {
    let bundle = Bundle::of_files(files).map_err(Failure::bug)?;
    let seen = place.open()?.attestation().map(SeenAttestation::of);
    let was_attested = seen.is_some();
    let releases = Releases::of_store(store, &bundle.index)?;
    let terms = NewTerms { chosen: &signer.terms, now: signer.now, releases: &releases };
    let mut draft = Draft::of_build(&bundle, seen, &terms)?;

    let public = signer.key.public();
    let is_kept = draft.keeps_statement();
    let mut warnings = draft.superseded(place, public.id());
    warnings.extend(draft.check_serial(&releases)?);
    let is_new = draft.sign(&signer.key)?;

    let lock = place.lock()?;
    let unlocked = place.unlocked_warning(&lock);
    let Signed { statement, signers } = draft.write(place, lock, &public)?;

    let predicate = statement.predicate;
    if is_kept {
        warnings.extend(superseded_serial(&releases, predicate.serial));
    }
    let statement = match (was_attested, is_kept, is_new) {
        (true, true, true) => StatementUse::Existing,
        (true, true, false) => StatementUse::Unchanged,
        (true, false, _) => StatementUse::Renewed,
        (false, ..) => StatementUse::First,
    };

    let outcome =
        SigningOutcome::Signed { statement, by: public.id(), predicate: Box::new(predicate) };
    Ok(EntrySignatures {
        outcome,
        signers,
        warnings: unlocked.into_iter().chain(warnings).collect(),
    })
}

/// Returns the warning about a kept statement that is not the newest release.
fn superseded_serial(releases: &Releases, serial: u64) -> Option<String> {
    let newer = releases.newest().filter(|newest| *newest > serial)?;
    Some(format!(
        "the existing statement has serial {serial}, but the store has a release with serial \
         {newer}: a place that has accepted it refuses this one (ROLLBACK). To release this content \
         again, build it without --serial"
    ))
}

/// Returns the signatures of an entry that is not signed now.
///
/// # Errors
///
/// When the entry cannot be read.
pub fn existing_signatures(
    place: &SigningTarget,
    content_id: Digest,
) -> Result<EntrySignatures, Failure> {
    let path = place.path().to_owned();
    let none = |outcome, warnings| EntrySignatures { outcome, signers: Vec::new(), warnings };
    let opened = place.open()?;
    let Some(attestation) = opened.attestation() else {
        return Ok(none(SigningOutcome::Unsigned { path }, Vec::new()));
    };
    Ok(match signers(attestation, content_id) {
        Ok(signers) => {
            let outcome = SigningOutcome::Kept { signatures: signers.len() };
            EntrySignatures { outcome, signers, warnings: Vec::new() }
        }
        Err(why) => {
            let warning = format!("the existing attestation is invalid: {why}");
            none(SigningOutcome::Invalid { path }, vec![warning])
        }
    })
}

impl fmt::Display for SigningOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signed { statement, by, predicate } => {
                write!(f, "{statement} {by}: {}", terms_in_words(predicate))
            }
            Self::Kept { signatures: 1 } => write!(f, "kept its 1 signature (not verified here)"),
            Self::Kept { signatures } => {
                write!(f, "kept its {signatures} signatures (not verified here)")
            }
            Self::Invalid { path } => {
                write!(f, "make a new one: relay-bundle sign {path} --reseal --key signing.pem")
            }
            Self::Unsigned { path } => {
                write!(f, "sign it: relay-bundle sign {path} --key signing.pem")
            }
        }
    }
}

impl fmt::Display for StatementUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::First => "signed by",
            Self::Existing => "kept the existing statement; signed by",
            Self::Unchanged => "kept the existing statement; already signed by",
            Self::Renewed => {
                "made a new statement, because other content was released since; signed by"
            }
        })
    }
}
