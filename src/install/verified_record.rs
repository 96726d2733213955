//! Reads bundles from the record and verifies them again: any user with write permission for
//! ConfigMaps may have changed them.

use super::record::Journal;
use crate::bundle::open::Bundle;
use crate::failure::Failure;
use crate::failure::refused::untrusted;
use crate::media::archive;
use crate::model::digest::Digest;
use crate::model::text::{Label, ReleaseName};
use crate::model::timestamp::Timestamp;
use crate::rollout::packed_bundle::unpack;
use crate::rollout::record::GenerationEntry;
use crate::trust::policy::Policy;
use crate::trust::state::State;
use crate::trust::terms::{Authority, Purpose, VerifyTerms};
use crate::trust::verify::{Verified, VerifyError, verify};

/// A recorded bundle that is not the one of its generation: the record was changed.
#[derive(Debug, thiserror::Error)]
enum RecordedBundleError {
    #[error(
        "generation {generation} of the record has sha256:{} with serial {}, but its head has \
         sha256:{} with serial {}",
        .found.0, .found.1, .wanted.0, .wanted.1
    )]
    OtherContent {
        generation: u64,
        /// The content id and the serial.
        found: (Digest, u64),
        wanted: (Digest, u64),
    },
    #[error("generation {generation} of the record has a bundle for {name} in {namespace}")]
    OtherPlace { generation: u64, name: ReleaseName, namespace: Label },
}

impl From<RecordedBundleError> for Failure {
    fn from(error: RecordedBundleError) -> Self {
        let code = match error {
            RecordedBundleError::OtherContent { .. } => "TAMPERED",
            RecordedBundleError::OtherPlace { .. } => "WRONG_TARGET",
        };
        untrusted(code, error)
            .hint("the record was changed by another client: find out which clients can write it")
    }
}

/// Verifies the bundle of a generation, and checks that the head names this bundle.
///
/// # Errors
///
/// When the record was changed, or the policy does not trust the bundle.
pub fn verified(
    journal: &Journal,
    entry: &GenerationEntry,
    policy: &Policy,
    now: Timestamp,
) -> Result<Verified<Bundle>, Failure> {
    let generation = entry.generation;
    let packed = journal.packed_bundle(generation)?;
    let bytes = unpack(&packed).map_err(|why| journal.damaged(generation, &why))?;
    let nothing = State::default();
    let terms = VerifyTerms {
        authority: Authority::Policy(policy, &nothing),
        purpose: Purpose::Deployed,
        now,
    };
    let bundle = archive::open(bytes.as_slice())
        .map_err(VerifyError::from)
        .and_then(|opening| verify(opening, &terms))?;
    let found = (bundle.content_id, bundle.voucher().statement.predicate.serial);
    let wanted = (entry.content_id, entry.serial);
    if found != wanted {
        return Err(RecordedBundleError::OtherContent { generation, found, wanted }.into());
    }
    let (name, namespace) = (&bundle.index.name, &bundle.index.namespace);
    if (name, namespace.as_str()) != (journal.name(), journal.namespace()) {
        let (name, namespace) = (name.clone(), namespace.clone());
        return Err(RecordedBundleError::OtherPlace { generation, name, namespace }.into());
    }
    Ok(bundle)
}
