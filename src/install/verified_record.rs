//! Reads bundles from the record and verifies them again: any user with write permission for
//! ConfigMaps may have changed them.

use super::record::Journal;
use crate::bundle::open::Bundle;
use crate::failure::Failure;
use crate::failure::refused::untrusted;
use crate::media::archive;
use crate::model::timestamp::Timestamp;
use crate::rollout::packed::unpack;
use crate::rollout::record::Entry;
use crate::trust::policy::Policy;
use crate::trust::state::State;
use crate::trust::verify::{Authority, Purpose, Terms, Verified, VerifyError, verify};

/// Verifies the bundle of a generation, and checks that the head names this bundle.
///
/// # Errors
///
/// When the record was changed, or the policy does not trust the bundle.
pub fn verified(
    journal: &Journal<'_>,
    entry: &Entry,
    policy: &Policy,
    now: Timestamp,
) -> Result<Verified<Bundle>, Failure> {
    let generation = entry.generation;
    let packed = journal.packed_bundle(generation)?;
    let bytes = unpack(&packed).map_err(|why| journal.damaged(generation, &why))?;
    let nothing = State::default();
    let terms =
        Terms { authority: Authority::Policy(policy, &nothing), purpose: Purpose::Deployed, now };
    let bundle = archive::open(bytes.as_slice())
        .map_err(VerifyError::from)
        .and_then(|opening| verify(opening, &terms))?;
    let serial = bundle.voucher().statement.predicate.serial;
    if (bundle.content_id, serial) != (entry.content_id, entry.serial) {
        let (found, wanted) = (bundle.content_id, entry.content_id);
        let why = format!(
            "generation {generation} of the record has sha256:{found} with serial {serial}, but \
             its head has sha256:{wanted} with serial {}",
            entry.serial
        );
        return Err(untrusted("TAMPERED", why).hint(
            "the record was changed by another client: find out which clients can write it",
        ));
    }
    let place = (&bundle.index.name, bundle.index.namespace.as_str());
    if place != (journal.name(), journal.namespace()) {
        let why = format!(
            "generation {generation} of the record has a bundle for {} in {}",
            place.0, place.1
        );
        return Err(untrusted("WRONG_TARGET", why).hint(
            "the record was changed by another client: find out which clients can write it",
        ));
    }
    Ok(bundle)
}
