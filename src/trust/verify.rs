//! An attested bundle and a trust policy to a [`Verified`] bundle, or a refusal: the gate.
//!
//! The order is part of the contract. Signatures are checked over the very bytes that are parsed afterwards; nothing of
//! the bundle is parsed before enough holders have signed it, and no file is read before the statement is accepted.

use std::collections::BTreeMap;
use std::ops::Deref;

use super::envelope::{Envelope, PAYLOAD_TYPE};
use super::key::{KeyId, PublicKey};
use super::policy::{Grant, Policy, Status, TrustedKey};
use super::refusal::{ExpectedKey, FoundKey, Mismatch, Reason, Refusal, Standing};
use super::state::State;
use super::statement::{Predicate, Statement};
use crate::bundle::open::Bundle;
use crate::bundle::read::{Fault, Files, Opening, ReadError, SealedMedium, Visitor};
use crate::model::text::Label;
use crate::model::timestamp::{DAY_SECONDS, Timestamp};

/// Something that has passed [`verify`], and what vouches for it. Nothing else makes one:
///
/// ```compile_fail
/// # fn forge(bundle: relay_bundle::bundle::open::Bundle) {
/// let verified = relay_bundle::trust::verify::Verified { value: bundle, voucher: todo!() };
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
}

/// Who vouches for a bundle, for what, and by which right.
#[derive(Clone, Debug)]
pub struct Voucher {
    pub statement: Statement,
    /// The signatures of the attestation, in its order.
    pub signatures: Vec<FoundKey>,
    /// The position of the grant in the policy, from 0, and the grant; none when a single key was trusted.
    pub grant: Option<(usize, Grant)>,
    /// Until when the bundle is accepted: its own expiry, or its greatest age.
    pub expires: Option<Timestamp>,
    /// The bytes of the attestation.
    pub attestation: Vec<u8>,
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
    /// To be gone back to, since it was deployed here: neither its age nor what came after it counts.
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

/// Verifies a bundle: its signatures, its statement, every byte of it, and that its content is what was signed.
///
/// Blobs are shown to `blob` as in [`Files::each`]; whoever copies them discards them unless this function succeeds.
///
/// # Errors
///
/// When the bundle is not trusted, or cannot be read.
pub fn verify<M: SealedMedium>(
    opening: Opening<M>,
    terms: &Terms<'_>,
    blob: &mut Visitor<'_>,
) -> Result<Verified<Bundle>, VerifyError> {
    let attestation = opening.attestation().ok_or(Reason::Unsigned)?.to_vec();
    let envelope = Envelope::parse(&attestation).map_err(Reason::BadAttestation)?;
    let signers = Signers::of(&envelope, terms);
    let accepted = accept(&envelope, &signers, terms);
    let (statement, grant) = accepted.map_err(|reason| signers.refusal(reason, terms))?;
    let bundle = read_content(opening, &statement, blob).map_err(|error| match error {
        VerifyError::Refused(refusal) => signers.refusal(*refusal.reason, terms).into(),
        unread @ VerifyError::Unread(_) => unread,
    })?;
    let expires = expiry(&statement.predicate, terms);
    let signatures = signers.found_at(Some(statement.predicate.issued), terms);
    Ok(Verified { value: bundle, voucher: Voucher { statement, signatures, grant, expires, attestation } })
}

impl From<Reason> for VerifyError {
    fn from(reason: Reason) -> Self {
        Self::Refused(reason.into())
    }
}

/// Decides, by the attestation alone, whether its statement is accepted.
fn accept(
    envelope: &Envelope,
    signers: &Signers<'_>,
    terms: &Terms<'_>,
) -> Result<(Statement, Option<(usize, Grant)>), Reason> {
    // Before the payload is known, some grant must be met; which one is asked again when it is.
    signers.check_some_grant(terms)?;
    if envelope.payload_type() != PAYLOAD_TYPE {
        return Err(Reason::WrongPayloadType { found: envelope.payload_type().to_owned() });
    }
    let statement = Statement::parse(envelope.payload()).map_err(Reason::BadStatement)?;
    let grant = signers.check_grants(&statement.predicate, terms)?;
    check_circumstances(&statement, terms)?;
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
        state.check(statement, policy.target.site.as_ref(), now).map_err(Reason::Replay)?;
    }
    match expiry(&statement.predicate, terms) {
        Some(expires) if expires < now => Err(Reason::Expired { expires, now }),
        _ => Ok(()),
    }
}

/// Returns until when a bundle is accepted: its own expiry or its greatest age, whichever comes first.
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
    blob: &mut Visitor<'_>,
) -> Result<Bundle, VerifyError> {
    let sums = opening.read_sums().map_err(refused)?;
    let (wanted, found) = (statement.content_id, sums.content_id());
    if wanted != found {
        return Err(Reason::OtherContent { wanted, found }.into());
    }
    let files: Files<M> = sums.into_files().map_err(refused)?;
    let predicate = &statement.predicate;
    check_size("files", files.sums().len() as u64, predicate.files)?;
    let contents = files.read(blob).map_err(refused)?;
    check_size("bytes", contents.bytes, predicate.bytes)?;
    let bundle = Bundle::open(contents).map_err(|error| Reason::ContentMismatch(error.into()))?;
    check_index(&bundle, predicate).map_err(Reason::ContentMismatch)?;
    Ok(bundle)
}

/// Tells what is wrong with the bundle from what is wrong with the disk.
fn refused(error: ReadError) -> VerifyError {
    match error.fault {
        Fault::Io(_) | Fault::Sink { .. } => VerifyError::Unread(error),
        _ => Reason::Unreadable(error).into(),
    }
}

fn check_size(what: &'static str, found: u64, wanted: u64) -> Result<(), Reason> {
    let mismatch = Mismatch::Size { what, found, wanted };
    if found == wanted { Ok(()) } else { Err(Reason::ContentMismatch(mismatch)) }
}

fn check_index(bundle: &Bundle, predicate: &Predicate) -> Result<(), Mismatch> {
    let index = &bundle.index;
    let pairs = [
        ("name", index.name.as_str(), predicate.bundle.as_str()),
        ("profile", index.profile.as_str(), predicate.profile.as_str()),
        ("namespace", index.namespace.as_str(), predicate.namespace.as_str()),
        ("environment", index.environment.as_str(), predicate.environment.as_str()),
    ];
    match pairs.into_iter().find(|(_, found, wanted)| found != wanted) {
        Some((what, found, wanted)) => {
            Err(Mismatch::Index { what, found: found.to_owned(), wanted: wanted.to_owned() })
        }
        None => Ok(()),
    }
}

/// The signatures of an envelope, each tried with the key that it claims, if that is trusted.
struct Signers<'a> {
    /// The trusted keys that have signed. A set by construction: a key that signed twice is there once.
    good: BTreeMap<KeyId, Option<&'a TrustedKey>>,
    /// The keyid that a signature claims, and the trusted key that made it, if one did.
    found: Vec<(KeyId, Option<KeyId>)>,
}

impl<'a> Signers<'a> {
    fn of(envelope: &Envelope, terms: &Terms<'a>) -> Self {
        let message = envelope.signed_bytes();
        let trusted: BTreeMap<KeyId, (&PublicKey, Option<&'a TrustedKey>)> = match terms.authority {
            Authority::Policy(policy, _) => {
                policy.keys().iter().map(|(id, key)| (*id, (&key.public, Some(key)))).collect()
            }
            Authority::Key(key) => BTreeMap::from([(key.id(), (key, None))]),
        };
        let mut signers = Self { good: BTreeMap::new(), found: Vec::new() };
        for (claimed, signature) in envelope.signatures() {
            // A wrong claim is refused, though the claim proves nothing: it is the one part of an attestation that
            // no signature covers.
            let made_by = trusted
                .get_key_value(claimed)
                .filter(|(_, (public, _))| public.verifies(&message, signature))
                .map(|(id, (_, key))| (*id, *key));
            signers.good.extend(made_by);
            signers.found.push((*claimed, made_by.map(|(id, _)| id)));
        }
        signers
    }

    /// The trusted keys that have signed and count now; if it is known when the bundle was issued, then as well.
    fn counting<'s>(
        &'s self,
        issued: Option<Timestamp>,
        terms: &'s Terms<'_>,
    ) -> impl Iterator<Item = (&'s KeyId, &'a TrustedKey)> {
        self.good
            .iter()
            .filter_map(|(id, key)| Some((id, (*key)?)))
            .filter(move |(_, key)| standing(key, issued, terms) == Standing::Counts)
    }

    fn check_some_grant(&self, terms: &Terms<'_>) -> Result<(), Reason> {
        let policy = match terms.authority {
            Authority::Key(_) if self.good.is_empty() => return Err(self.nobody(None, terms)),
            Authority::Key(_) => return Ok(()),
            Authority::Policy(policy, _) => policy,
        };
        if policy.grants().iter().any(|grant| grant.is_met_by(self.counting(None, terms))) {
            return Ok(());
        }
        Err(self.too_few(policy.grants().iter(), None, terms))
    }

    /// Returns the first grant that is about such a bundle, is met, and allows its serial.
    fn check_grants(
        &self,
        predicate: &Predicate,
        terms: &Terms<'_>,
    ) -> Result<Option<(usize, Grant)>, Reason> {
        let Authority::Policy(policy, _) = terms.authority else { return Ok(None) };
        let Predicate { bundle, profile, environment, serial, .. } = predicate;
        let is_about =
            |grant: &Grant| grant.is_about(bundle.as_str(), profile.as_str(), environment.as_str());
        let fitting: Vec<(usize, &Grant)> =
            policy.grants().iter().enumerate().filter(|(_, grant)| is_about(grant)).collect();
        if fitting.is_empty() {
            let [bundle, profile, environment] =
                [bundle.to_string(), profile.to_string(), environment.to_string()];
            return Err(Reason::NoGrant { bundle, profile, environment });
        }
        let issued = Some(predicate.issued);
        let met: Vec<(usize, &Grant)> = fitting
            .iter()
            .copied()
            .filter(|(_, grant)| grant.is_met_by(self.counting(issued, terms)))
            .collect();
        if met.is_empty() {
            return Err(self.too_few(fitting.iter().map(|(_, grant)| *grant), issued, terms));
        }
        match met.iter().find(|(_, grant)| grant.min_serial <= *serial) {
            Some((at, grant)) => Ok(Some((*at, (*grant).clone()))),
            None => {
                let min = met.iter().map(|(_, grant)| grant.min_serial).min().unwrap_or(0);
                Err(Reason::BelowMinSerial { serial: *serial, min })
            }
        }
    }

    /// Says why no grant is met: by the grant that is nearest to it.
    fn too_few<'g>(
        &self,
        grants: impl Iterator<Item = &'g Grant>,
        issued: Option<Timestamp>,
        terms: &Terms<'_>,
    ) -> Reason {
        let nearest = grants
            .map(|grant| (grant.holders(self.counting(issued, terms)).len(), grant.threshold.get()))
            .min_by_key(|(signed, wanted)| u64::from(*wanted).saturating_sub(*signed as u64));
        match nearest {
            Some((signed, wanted)) if self.counting(issued, terms).next().is_some() => {
                Reason::BelowThreshold { signed, wanted }
            }
            _ => self.nobody(issued, terms),
        }
    }

    /// Says why nobody's signature counts.
    fn nobody(&self, issued: Option<Timestamp>, terms: &Terms<'_>) -> Reason {
        let standings: Vec<Standing> =
            self.found_at(issued, terms).iter().map(|found| found.standing).collect();
        let any = |wanted: Standing| standings.contains(&wanted);
        if any(Standing::Expired) || any(Standing::NotYetValid) || any(Standing::OutsideValidity) {
            Reason::KeyNotValid
        } else if any(Standing::Retired) {
            Reason::RetiredKey
        } else if any(Standing::Revoked) {
            Reason::RevokedKey
        } else if any(Standing::Bad) {
            Reason::BadSignature
        } else {
            Reason::UntrustedKey
        }
    }

    fn found_at(&self, issued: Option<Timestamp>, terms: &Terms<'_>) -> Vec<FoundKey> {
        let found = |(claimed, made_by): &(KeyId, Option<KeyId>)| {
            let keyid = made_by.unwrap_or(*claimed);
            let (holder, standing) = match (terms.authority, made_by) {
                (Authority::Key(_), Some(_)) => (None, Standing::Counts),
                (Authority::Key(key), None) if key.id() == *claimed => (None, Standing::Bad),
                (Authority::Key(_), None) => (None, Standing::Unknown),
                (Authority::Policy(policy, _), made_by) => match (policy.keys().get(&keyid), made_by) {
                    (Some(key), Some(_)) => (Some(key.holder.clone()), standing(key, issued, terms)),
                    (Some(key), None) => (Some(key.holder.clone()), Standing::Bad),
                    (None, _) => (None, Standing::Unknown),
                },
            };
            FoundKey { keyid, holder, standing }
        };
        self.found.iter().map(found).collect()
    }

    fn refusal(&self, reason: Reason, terms: &Terms<'_>) -> Refusal {
        Refusal { reason: Box::new(reason), found: self.found_at(None, terms), expected: expected(terms) }
    }
}

/// Returns the keys that could count now.
fn expected(terms: &Terms<'_>) -> Vec<ExpectedKey> {
    let policy = match terms.authority {
        Authority::Key(key) => return vec![ExpectedKey { keyid: key.id(), holder: None }],
        Authority::Policy(policy, _) => policy,
    };
    let counts = |key: &TrustedKey| standing(key, None, terms) == Standing::Counts;
    let expected =
        |(id, key): (&KeyId, &TrustedKey)| ExpectedKey { keyid: *id, holder: Some(key.holder.clone()) };
    policy.keys().iter().filter(|(_, key)| counts(key)).map(expected).collect()
}

/// Returns what a good signature by `key` counts for.
fn standing(key: &TrustedKey, issued: Option<Timestamp>, terms: &Terms<'_>) -> Standing {
    let deployed = terms.purpose == Purpose::Deployed;
    match key.status {
        Status::Revoked => Standing::Revoked,
        Status::Retired if !deployed => Standing::Retired,
        // A key whose time is over could sign anything and say that it was long ago.
        _ if !deployed && key.not_after.is_some_and(|end| end < terms.now) => Standing::Expired,
        _ if !deployed && key.not_before.is_some_and(|start| terms.now < start) => Standing::NotYetValid,
        _ if issued.is_some_and(|issued| !key.is_valid_at(issued)) => Standing::OutsideValidity,
        _ => Standing::Counts,
    }
}

/// Returns the site that a policy is for, if it says so.
pub fn site<'a>(authority: &Authority<'a>) -> Option<&'a Label> {
    match authority {
        Authority::Policy(policy, _) => policy.target.site.as_ref(),
        Authority::Key(_) => None,
    }
}
