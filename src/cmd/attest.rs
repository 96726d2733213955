//! Writes an attestation, for `sign` and `build --key`.

use super::ctx::Ctx;
use crate::failure::Failure;
use crate::fsio::Locked;
use crate::signing::draft::{Draft, Signed};
use crate::signing::target::SigningTarget;
use crate::trust::key::PublicKey;

/// Writes the attestation with the signature of `key`. Warns if no lock keeps other signers away.
pub(super) fn write(
    ctx: &Ctx,
    draft: Draft,
    place: &SigningTarget,
    key: &PublicKey,
) -> Result<Signed, Failure> {
    let lock = place.lock()?;
    if let Locked::Unsupported(why) = &lock {
        ctx.printer.warn(&format!(
            "cannot lock `{}` ({why}): do not sign it elsewhere at the same time",
            place.path()
        ));
    }
    draft.write(place, lock, key)
}
