//! An attested bundle and a trust policy to a [`Verified`] bundle, or a refusal: the gate.
//!
//! The order is part of the contract. Signatures are checked over the very bytes that are parsed
//! afterwards; nothing of the bundle is parsed before enough holders have signed it, and no file is
//! read before the statement is accepted.

use std::ops::Deref;
use std::sync::Arc;

use super::envelope::{Envelope, PAYLOAD_TYPE};
use super::key::PublicKey;
use super::policy::{Grant, Policy};
use super::refusal::{FoundKey, Reason, Refusal};
use super::sign::{Difference, FILES, difference};
use super::signers::Signers;
use super::state::State;
use super::statement::{Predicate, Statement};
use crate::bundle::carried::{Carried, hash_only};
use crate::bundle::open::{Bundle, InvalidBundle};
use crate::bundle::read::{Fault, Files, Opening, ReadError, SealedMedium};
use crate::bundle::sealed::check_sealed;
use crate::model::timestamp::{DAY_SECONDS, Timestamp};

/// Something that has passed [`verify`], and what vouches for it. Nothing else makes one:
///
/// ```compile_fail
/// # use relay_bundle::{bundle::open::Bundle, trust::verify::{Verified, Voucher}};
/// # fn forge(bundle: Bundle, voucher: Voucher) -> Verified<Bundle> {
/// Verified { value: bundle, voucher }
/// # }
/// ```
///
/// What there is may be looked at, and not exchanged:
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
    /// Returns what vouches for it.
    pub fn voucher(&self) -> &Voucher {
        &self.voucher
    }

    /// Returns which manifests, configs and layers of its images came with it, each with the bytes
    /// that were signed.
    pub fn carried(&self) -> &Carried {
        &self.carried
    }
}

/// Who vouches for a bundle, for what, and by which right.
#[derive(Clone, Debug)]
pub struct Voucher {
    pub statement: Statement,
    /// The signatures of the attestation, in its order.
    pub signatures: Vec<FoundKey>,
    /// The position of the grant in the policy, from 0, and the grant; none when a single key was
    /// trusted.
    pub grant: Option<(usize, Grant)>,
    /// Until when the bundle is accepted: its own expiry, or its greatest age.
    pub expires: Option<Timestamp>,
    /// The bytes of the attestation.
    pub attestation: Vec<u8>,
    /// The refusal of everything but deployed content; only verifying for [`Purpose::Apply`] sets
    /// it, and the caller has to heed it.
    pub only_if_deployed: Option<Arc<Refusal>>,
}

/// What is trusted.
#[derive(Clone, Copy, Debug)]
pub enum Authority<'a> {
    /// A policy, and what was accepted under it before.
    Policy(&'a Policy, &'a State),
    /// One key, for any bundle. Neither target nor replay is checked.
    Key(&'a PublicKey),
}

/// What a bundle is verified for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To be brought in.
    Install,
    /// To be brought in; or, where its content is deployed already, to be applied again under the
    /// terms of [`Purpose::Deployed`]. The verifier knows no cluster: [`Voucher::only_if_deployed`]
    /// says which of the two it is.
    Apply,
    /// To be gone back to, since it was deployed here: neither its age nor what came after it
    /// counts.
    Deployed,
}

/// Under which circumstances a bundle is verified.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    pub authority: Authority<'a>,
    pub purpose: Purpose,
    /// What the clock says.
    pub now: Timestamp,
}

/// Why there is no verified bundle.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The bundle is not trusted.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The bundle could not be read to its end, or not be copied: nothing is known of it.
    #[error(transparent)]
    Unread(ReadError),
}

/// Verifies a bundle: its signatures, its statement, every byte of it, and that its content is what
/// was signed.
///
/// # Errors
///
/// When the bundle is not trusted, or cannot be read.
pub fn verify<M: SealedMedium>(
    opening: Opening<M>,
    terms: &Terms<'_>,
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
            signers = Signers::of(&envelope, Terms { purpose: Purpose::Deployed, ..*terms });
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

/// Decides, by the attestation alone, whether its statement is accepted.
fn accept(
    envelope: &Envelope,
    signers: &mut Signers<'_>,
) -> Result<(Statement, Option<(usize, Grant)>), Reason> {
    // Before the payload is known, some grant must be met; which one is asked again when it is.
    signers.check_some_grant()?;
    if envelope.payload_type() != PAYLOAD_TYPE {
        return Err(Reason::WrongPayloadType { found: envelope.payload_type().to_owned() });
    }
    let statement = Statement::parse(envelope.payload()).map_err(Reason::BadStatement)?;
    let grant = signers.check_grants(&statement.predicate)?;
    check_circumstances(&statement, signers.terms())?;
    Ok((statement, grant))
}

/// Checks what is neither signature nor content: revocation, place, time, and what came before.
fn check_circumstances(statement: &Statement, terms: &Terms<'_>) -> Result<(), Reason> {
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

/// Returns until when a bundle is accepted: its own expiry or its greatest age, whichever comes
/// first.
fn expiry(predicate: &Predicate, terms: &Terms<'_>) -> Option<Timestamp> {
    let too_old = match terms.authority {
        Authority::Policy(policy, _) => policy.too_old_after(predicate.issued),
        Authority::Key(_) => None,
    };
    predicate.expires.into_iter().chain(too_old).min()
}

/// Reads everything that was signed, and checks that it is what the statement says.
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
        // Before they are read.
        let (found, stated) = (number.to_string(), statement.predicate.files.to_string());
        let difference = Difference { what: FILES, stated, found };
        return Err(Reason::ContentMismatch(difference.into()).into());
    }
    let (contents, tail) = files.read().map_err(refused)?;
    let bundle = Bundle::open(contents).map_err(|error| Reason::ContentMismatch(error.into()))?;
    check_sealed(&bundle)
        .map_err(|error| Reason::ContentMismatch(InvalidBundle::from(error).into()))?;
    if let Some(difference) = difference(statement, &bundle) {
        return Err(Reason::ContentMismatch(difference.into()).into());
    }
    let carried = tail.check(bundle.images.as_ref(), &mut hash_only).map_err(refused)?;
    Ok((bundle, carried))
}

/// Tells what is wrong with the bundle from what is wrong with the disk.
fn refused(error: ReadError) -> VerifyError {
    match error.fault {
        Fault::Io(_) | Fault::Sink { .. } => VerifyError::Unread(error),
        _ => Reason::Unreadable(error).into(),
    }
}
