//! The verification gate: from an attested bundle and a trust policy to a [`Verified`] bundle or a
//! rejection.
//!
//! The order is part of the contract. Signatures are checked over the very bytes that are parsed
//! afterwards. Apart from the envelope, nothing is parsed before enough holders have signed, and no
//! file is read before the statement is accepted.

use std::ops::Deref;
use std::sync::Arc;

use super::envelope::{Envelope, PAYLOAD_TYPE};
use super::policy::Grant;
use super::refusal::{FoundKey, Reason, Refusal};
use super::sign::{Difference, FILES, difference};
use super::signers::Signers;
use super::statement::{Predicate, Statement};
use super::terms::{Authority, Purpose, VerifyTerms};
use crate::bundle::carried::Carried;
use crate::bundle::content::hash_only;
use crate::bundle::fault::{Fault, ReadError};
use crate::bundle::medium::SealedMedium;
use crate::bundle::open::{Bundle, InvalidBundle};
use crate::bundle::read::{Files, Opening};
use crate::bundle::sealed::check_sealed;
use crate::model::timestamp::{DAY_SECONDS, Timestamp};

/// A value that has passed [`verify`], with the evidence. Only `verify` can construct one:
///
/// ```compile_fail
/// # use relay_bundle::{bundle::open::Bundle, trust::verify::{Verified, Voucher}};
/// # fn forge(bundle: Bundle, voucher: Voucher) -> Verified<Bundle> {
/// Verified { value: bundle, voucher }
/// # }
/// ```
///
/// The value can be read but not replaced:
///
/// ```compile_fail
/// # use relay_bundle::{bundle::open::Bundle, trust::verify::Verified};
/// # fn swap(verified: &mut Verified<Bundle>, other: Bundle) {
/// **verified = other;
/// # }
/// ```
#[derive(Debug)]
pub struct Verified<T> {
    value: T,
    voucher: Voucher,
    carried: Carried,
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> Verified<T> {
    /// Returns the evidence from the verification.
    pub fn voucher(&self) -> &Voucher {
        &self.voucher
    }

    /// Returns the manifests, configs and layers that came with the bundle, all with verified
    /// bytes.
    pub fn carried(&self) -> &Carried {
        &self.carried
    }
}

/// The evidence for a verified bundle: its statement, its signers, and the grant that allowed it.
#[derive(Clone, Debug)]
pub struct Voucher {
    pub statement: Statement,
    /// The signatures in the order of the attestation.
    pub signatures: Vec<FoundKey>,
    /// The grant and its index in the policy; `None` if a single key was trusted.
    pub grant: Option<(usize, Grant)>,
    /// The end of acceptance: the bundle's own expiry, or its maximum age.
    pub expires: Option<Timestamp>,
    /// The bytes of the attestation.
    pub attestation: Vec<u8>,
    /// The reason why this bundle may only be applied if its content is already deployed. Only set
    /// for [`Purpose::Apply`]; the caller must enforce it.
    pub only_if_deployed: Option<Arc<Refusal>>,
}

/// Why a bundle could not be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The bundle is rejected.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The bundle could not be read or copied completely, so nothing is known about it.
    #[error(transparent)]
    Unread(ReadError),
}

/// Verifies a bundle: its signatures, its statement, every byte, and that its content is the
/// content that was signed.
///
/// # Errors
///
/// Returns an error if the bundle is rejected or cannot be read.
pub fn verify<M: SealedMedium>(
    opening: Opening<M>,
    terms: &VerifyTerms<'_>,
) -> Result<Verified<Bundle>, VerifyError> {
    let nobody = |reason| Signers::none(*terms).refusal(reason);
    let attestation = opening.attestation().ok_or_else(|| nobody(Reason::Unsigned))?.to_vec();
    let envelope =
        Envelope::parse(&attestation).map_err(|error| nobody(Reason::BadAttestation(error)))?;

    let mut signers = Signers::of(&envelope, *terms);
    let accepted = accept(&envelope, &mut signers).map_err(|reason| signers.refusal(reason));
    let mut only_if_deployed = None;
    let (statement, grant) = match accepted {
        Ok(accepted) => accepted,
        Err(refusal) if terms.purpose == Purpose::Apply => {
            signers = Signers::of(&envelope, VerifyTerms { purpose: Purpose::Deployed, ..*terms });
            match accept(&envelope, &mut signers) {
                Ok(accepted) => {
                    only_if_deployed = Some(Arc::new(refusal));
                    accepted
                }
                Err(_) => return Err(refusal.into()),
            }
        }
        Err(refusal) => return Err(refusal.into()),
    };

    let (bundle, carried) = read_content(opening, &statement).map_err(|error| match error {
        VerifyError::Refused(refusal) => signers.refusal(*refusal.reason).into(),
        unread @ VerifyError::Unread(_) => unread,
    })?;

    let expires = expiry(&statement.predicate, terms);
    Ok(Verified {
        value: bundle,
        carried,
        voucher: Voucher {
            statement,
            signatures: signers.found(),
            grant,
            expires,
            attestation,
            only_if_deployed,
        },
    })
}

impl From<ReadError> for VerifyError {
    fn from(error: ReadError) -> Self {
        refused(error)
    }
}

impl From<Reason> for VerifyError {
    fn from(reason: Reason) -> Self {
        Self::Refused(reason.into())
    }
}

/// Decides from the attestation alone whether its statement is accepted.
fn accept(
    envelope: &Envelope,
    signers: &mut Signers<'_>,
) -> Result<(Statement, Option<(usize, Grant)>), Reason> {
    // Some grant must be satisfied before the payload is parsed; the exact grant is checked
    // afterwards.
    signers.check_some_grant()?;
    if envelope.payload_type() != PAYLOAD_TYPE {
        return Err(Reason::WrongPayloadType { found: envelope.payload_type().to_owned() });
    }
    let statement = Statement::parse(envelope.payload()).map_err(Reason::BadStatement)?;
    let grant = signers.check_grants(&statement.predicate)?;
    check_circumstances(&statement, signers.terms())?;
    Ok((statement, grant))
}

/// Checks everything apart from signatures and content: revocation, site, time and replay.
fn check_circumstances(statement: &Statement, terms: &VerifyTerms<'_>) -> Result<(), Reason> {
    let Predicate { issued, sites, .. } = &statement.predicate;
    let (now, issued) = (terms.now, *issued);
    if let Authority::Policy(policy, _) = terms.authority {
        if policy.revoked_content().contains(&statement.content_id) {
            return Err(Reason::RevokedContent(statement.content_id));
        }
        if let Some(site) =
            policy.target.site.as_ref().filter(|site| !sites.is_empty() && !sites.contains(site))
        {
            let sites = sites.iter().map(ToString::to_string).collect();
            return Err(Reason::WrongTarget { site: site.to_string(), sites });
        }
    }

    if terms.purpose == Purpose::Deployed {
        return Ok(());
    }
    if issued.seconds_since(now) > DAY_SECONDS {
        return Err(Reason::IssuedInFuture { issued, now });
    }

    if let Authority::Policy(policy, state) = terms.authority {
        state.check(statement, &policy.target, now).map_err(Reason::Replay)?;
    }
    match expiry(&statement.predicate, terms) {
        Some(expires) if expires < now => Err(Reason::Expired { expires, now }),
        _ => Ok(()),
    }
}

/// Returns the end of acceptance: the bundle's own expiry or its maximum age, whichever is earlier.
fn expiry(predicate: &Predicate, terms: &VerifyTerms<'_>) -> Option<Timestamp> {
    let too_old = match terms.authority {
        Authority::Policy(policy, _) => policy.too_old_after(predicate.issued),
        Authority::Key(_) => None,
    };
    predicate.expires.into_iter().chain(too_old).min()
}

/// Reads all signed content and checks it against the statement.
fn read_content<M: SealedMedium>(
    opening: Opening<M>,
    statement: &Statement,
) -> Result<(Bundle, Carried), VerifyError> {
    let sums = opening.read_sums().map_err(refused)?;
    let (wanted, found) = (statement.content_id, sums.content_id());
    if wanted != found {
        return Err(Reason::OtherContent { wanted, found }.into());
    }
    let files: Files<M> = sums.into_files().map_err(refused)?;
    let number = files.sums().len() as u64;
    if number != statement.predicate.files {
        // Fail before reading the files.
        let (found, stated) = (number.to_string(), statement.predicate.files.to_string());
        let difference = Difference { what: FILES, stated, found };
        return Err(Reason::ContentMismatch(difference.into()).into());
    }
    let (contents, tail) = files.read().map_err(refused)?;
    let bundle = Bundle::open(contents).map_err(|error| Reason::ContentMismatch(error.into()))?;
    check_sealed(&bundle.index, &bundle.files)
        .map_err(|error| Reason::ContentMismatch(InvalidBundle::from(error).into()))?;
    if let Some(difference) = difference(statement, &bundle) {
        return Err(Reason::ContentMismatch(difference.into()).into());
    }
    let carried = tail.check(bundle.images.as_ref(), &mut hash_only).map_err(refused)?;
    Ok((bundle, carried))
}

/// Separates invalid bundles from I/O errors.
fn refused(error: ReadError) -> VerifyError {
    match error.fault {
        Fault::Io(_) | Fault::Sink { .. } => VerifyError::Unread(error),
        _ => Reason::Unreadable(error).into(),
    }
}
