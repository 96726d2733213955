//! The steps of signing: choose the statement, describe it, sign it, write the attestation, and
//! read it back.

use super::error::{DraftError, InvalidAttestation, WrittenFault};
use super::releases::{NewTerms, Releases};
use super::seen::SeenAttestation;
use super::target::SigningTarget;
use super::terms::{ChosenTerms, serial_warning};
use crate::bundle::layout::ATTESTATION;
use crate::bundle::limits::{ATTESTATION_BYTES_MAX, check_size};
use crate::bundle::open::Bundle;
use crate::failure::Failure;
use crate::failure::refused::untrusted;
use crate::fsio::Locked;
use crate::model::digest::Digest;
use crate::trust::envelope::Envelope;
use crate::trust::key::{KeyId, PrivateKey, PublicKey, SignatureBytes};
use crate::trust::sign::{SignTerms, envelope_of_signed_bytes, existing, statement};
use crate::trust::statement::{Predicate, Statement};
use crate::trust::terms::{self, Authority, Purpose};
use crate::trust::verify::{Voucher, verify};

/// A statement about a bundle, before it is signed.
pub struct Draft {
    pub statement: Statement,
    envelope: Envelope,
    /// The attestation that was read. Only this one is replaced.
    seen: Option<SeenAttestation>,
}

/// The result of signing.
pub struct Signed {
    pub statement: Statement,
    pub signers: Vec<KeyId>,
}

/// The signatures that a new statement discards, and warnings about its other terms.
#[derive(Default)]
pub struct Discarded {
    /// The keys of the discarded signatures.
    pub signers: Vec<KeyId>,
    pub warnings: Vec<String>,
}

impl Draft {
    /// Keeps the existing statement, or makes a new one with the given terms.
    pub fn of(
        bundle: &Bundle,
        seen: Option<SeenAttestation>,
        terms: &NewTerms<'_>,
    ) -> Result<Self, Failure> {
        let Some(seen) = seen else { return Self::new(bundle, seen, terms) };
        let kept = Self::keeping(bundle, seen)?;
        agrees(terms.chosen, &kept.statement.predicate)?;
        Ok(kept)
    }

    fn new(
        bundle: &Bundle,
        seen: Option<SeenAttestation>,
        terms: &NewTerms<'_>,
    ) -> Result<Self, Failure> {
        let statement = statement(bundle, &terms.terms()?);
        Ok(Self { envelope: Envelope::unsigned(statement.to_bytes()), statement, seen })
    }

    /// Keeps the existing statement if it is the newest release, and makes a new one otherwise.
    pub fn of_build(
        bundle: &Bundle,
        seen: Option<SeenAttestation>,
        terms: &NewTerms<'_>,
    ) -> Result<Self, Failure> {
        let Some(seen) = seen else { return Self::new(bundle, seen, terms) };
        let kept = Self::keeping(bundle, seen)?;
        let stated = &kept.statement.predicate;
        // `--serial` with the serial of the existing release selects that release.
        let is_meant = terms.chosen.serial == Some(stated.serial);
        if is_meant || terms.releases.is_newest(bundle.content_id) {
            agrees(terms.chosen, stated)?;
            Ok(kept)
        } else {
            Self::new(bundle, kept.seen, terms)
        }
    }

    /// Keeps the existing statement, which must be about this bundle.
    fn keeping(bundle: &Bundle, seen: SeenAttestation) -> Result<Self, Failure> {
        let discard = |failure: Failure| {
            failure.hint("to discard it and make a new one, use `sign --reseal`")
        };
        let envelope = match seen.envelope {
            Ok(ref envelope) => envelope.clone(),
            Err(error) => return Err(discard(untrusted("BAD_ATTESTATION", error))),
        };
        let statement = existing(&envelope, bundle).map_err(|error| discard(error.into()))?;
        Ok(Self { statement, envelope, seen: Some(seen) })
    }

    /// Returns warnings about a replaced statement and its other signers; none if it is kept.
    pub fn superseded(&self, place: &SigningTarget, own: KeyId) -> Vec<String> {
        let seen = self.seen.as_ref().filter(|_| !self.keeps_statement());
        let Some(SeenAttestation { envelope: Ok(old), statement: Some(stated), .. }) = seen else {
            return Vec::new();
        };
        let predicate = &stated.predicate;
        let mut warnings = changes_for_the_worse(predicate, &self.statement.predicate);
        let others: Vec<String> = signers_of(old)
            .iter()
            .filter(|signer| **signer != own)
            .map(ToString::to_string)
            .collect();
        if !others.is_empty() {
            warnings.push(format!(
                "the old statement (serial {}) had the {} of {}: they must sign the new one with \
                 `relay-bundle sign {} --key PEM`",
                predicate.serial,
                if others.len() == 1 { "signature" } else { "signatures" },
                others.join(", "),
                place.path()
            ));
        }
        warnings
    }

    /// Returns whether the existing statement is kept.
    pub fn keeps_statement(&self) -> bool {
        let seen = self.seen.as_ref().and_then(|seen| seen.envelope.as_ref().ok());
        seen.is_some_and(|seen| seen.signed_bytes() == self.signed_bytes())
    }

    /// Returns warnings about the serial. Refuses a new statement with another release's serial.
    pub fn check_serial(&self, releases: &Releases) -> Result<Vec<String>, Failure> {
        let below = if self.keeps_statement() { None } else { releases.check(&self.statement)? };
        Ok(below.into_iter().chain(serial_warning(&self.statement.predicate)).collect())
    }

    /// Replaces the existing statement.
    ///
    /// # Errors
    ///
    /// As [`Self::discards`], and when the terms are not valid.
    pub fn replacing(
        bundle: &Bundle,
        seen: Option<SeenAttestation>,
        terms: &NewTerms<'_>,
    ) -> Result<(Self, Discarded), Failure> {
        let draft = Self::new(bundle, seen, terms)?;
        let discarded = draft.discards(terms.chosen)?;
        Ok((draft, discarded))
    }

    /// Uses the statement that was exported for a signer on another machine.
    pub fn of_payload(
        bundle: &Bundle,
        seen: Option<SeenAttestation>,
        payload: &[u8],
        terms: &NewTerms<'_>,
    ) -> Result<Self, Failure> {
        let envelope = envelope_of_signed_bytes(payload).ok_or(DraftError::NotAPayload)?;
        let statement = existing(&envelope, bundle)?;
        agrees(terms.chosen, &statement.predicate)?;
        SignTerms::of(&statement.predicate).check(terms.now).map_err(Failure::input)?;
        Ok(Self { statement, envelope, seen })
    }

    /// Returns the signatures that a new statement discards.
    ///
    /// # Errors
    ///
    /// When the serial would go down by accident.
    pub fn discards(&self, terms: &ChosenTerms) -> Result<Discarded, DraftError> {
        let Some(seen) = &self.seen else { return Ok(Discarded::default()) };
        let Ok(old) = &seen.envelope else {
            let warning = format!("a new statement discards an unreadable `{ATTESTATION}`");
            return Ok(Discarded { signers: Vec::new(), warnings: vec![warning] });
        };
        let signers = signers_of(old);
        let warning = |signer| format!("a new statement discards the signature of {signer}");
        let mut warnings: Vec<String> = signers.iter().map(warning).collect();
        if let Some(Statement { predicate: old, .. }) = &seen.statement {
            let new = &self.statement.predicate;
            if new.serial <= old.serial && terms.serial.is_none() {
                let (new, existing) = (new.serial, old.serial);
                return Err(DraftError::SerialNotAbove { new, existing });
            }
            warnings.extend(changes_for_the_worse(old, new));
        }
        Ok(Discarded { signers, warnings })
    }

    /// Returns the key ids of the signatures.
    pub fn signers(&self) -> Vec<KeyId> {
        signers_of(&self.envelope)
    }

    /// Returns the signed bytes.
    pub fn signed_bytes(&self) -> Vec<u8> {
        self.envelope.signed_bytes()
    }

    /// Signs. Returns whether the signature is new.
    pub fn sign(&mut self, key: &PrivateKey) -> Result<bool, DraftError> {
        let before = self.envelope.clone();
        self.envelope.sign(key)?;
        Ok(self.envelope != before)
    }

    /// Adds a signature that was made elsewhere. Returns whether it is new.
    pub fn attach(
        &mut self,
        key: &PublicKey,
        signature: SignatureBytes,
    ) -> Result<bool, DraftError> {
        let before = self.envelope.clone();
        if self.envelope.attach(key, signature)? {
            return Ok(self.envelope != before);
        }
        Err(DraftError::BadSignature(key.id()))
    }

    /// Writes the attestation with the signature of `key`, and reads it back.
    ///
    /// # Errors
    ///
    /// When the bundle or its statement was replaced, or the disk fails.
    pub fn write(
        self,
        place: &SigningTarget,
        lock: Locked,
        key: &PublicKey,
    ) -> Result<Signed, Failure> {
        let content_id = self.statement.content_id;
        let update = |current: Option<&[u8]>| self.update(current, key);
        place.replace(&lock, content_id, Box::new(update))?;
        // Reading it back takes long for large archives, and other signers may go on.
        drop(lock);
        self.confirm(place, key)
    }

    /// Returns the attestation that replaces `current`; none if they are equal.
    ///
    /// If another signer has added a signature since ours was read, both signatures are kept. If
    /// the statement differs, nothing is written.
    fn update(&self, current: Option<&[u8]>, key: &PublicKey) -> Result<Option<Vec<u8>>, Failure> {
        let bytes = if current == self.seen.as_ref().map(|seen| &*seen.bytes) {
            self.envelope.to_bytes()
        } else {
            self.joined(current, key)?
        };
        check_size(ATTESTATION, bytes.len() as u64, ATTESTATION_BYTES_MAX)
            .map_err(Failure::input)?;
        Ok((current != Some(&bytes)).then_some(bytes))
    }

    fn joined(&self, current: Option<&[u8]>, key: &PublicKey) -> Result<Vec<u8>, DraftError> {
        let theirs = current.and_then(|bytes| Envelope::parse(bytes).ok());
        let Some(mut joined) = theirs.filter(|theirs| theirs.signed_bytes() == self.signed_bytes())
        else {
            return Err(DraftError::Replaced);
        };
        let signature = self.envelope.signatures()[&key.id()];
        joined.attach(key, signature)?;
        Ok(joined.to_bytes())
    }

    /// Verifies the written attestation with this key alone.
    fn confirm(self, place: &SigningTarget, key: &PublicKey) -> Result<Signed, Failure> {
        let authority = Authority::Key(key);
        // At the time of issue: an expired release may be signed again, with the same bytes.
        let terms = terms::VerifyTerms {
            authority,
            purpose: Purpose::Deployed,
            now: self.statement.predicate.issued,
        };
        let verified = verify(place.open()?, &terms);
        let lost = |why| DraftError::WrittenInvalid { path: place.path().to_owned(), why };
        let Voucher { attestation, statement, .. } =
            verified.map_err(|error| lost(WrittenFault::Refused(error.into())))?.voucher().clone();
        if statement != self.statement {
            return Err(lost(WrittenFault::OtherStatement).into());
        }
        let envelope = Envelope::parse(&attestation).map_err(|error| lost(error.into()))?;
        Ok(Signed { statement, signers: signers_of(&envelope) })
    }
}

/// Returns the terms of a statement on one line.
pub fn terms_in_words(predicate: &Predicate) -> String {
    let expires = predicate.expires.map_or_else(String::new, |time| format!(", expires {time}"));
    let Predicate { serial, issued, .. } = predicate;
    format!("serial {serial}, issued {issued}{expires}, for {}", predicate.sites_text())
}

/// Returns the key ids in the attestation of the content `content_id`, or why it is not an
/// attestation of this content.
///
/// The signatures are not verified.
pub fn signers(attestation: &[u8], content_id: Digest) -> Result<Vec<KeyId>, InvalidAttestation> {
    let envelope = Envelope::parse(attestation)?;
    let statement = Statement::parse(envelope.payload())?;
    if statement.content_id == content_id {
        return Ok(signers_of(&envelope));
    }
    Err(InvalidAttestation::OfAnother(statement.content_id))
}

/// Rejects terms that differ from the existing statement.
fn agrees(terms: &ChosenTerms, stated: &Predicate) -> Result<(), DraftError> {
    match terms.contradiction(stated) {
        None => Ok(()),
        Some(term) => Err(DraftError::Contradicts(term)),
    }
}

fn changes_for_the_worse(old: &Predicate, new: &Predicate) -> Vec<String> {
    let mut warnings = Vec::new();
    if new.serial <= old.serial {
        warnings.push(format!(
            "serial {} is not above the old one, {}: places that accepted the old one refuse the \
             new one",
            new.serial, old.serial
        ));
    }
    if !old.sites.is_empty() && old.sites != new.sites {
        let (old, new) = (old.sites_text(), new.sites_text());
        warnings.push(format!("the discarded statement was for {old}; the new one is for {new}"));
    }
    if let Some(expires) = old.expires.filter(|_| new.expires.is_none()) {
        warnings.push(format!(
            "the discarded statement expired at {expires}; the new one has no expiry of its own"
        ));
    }
    warnings
}

fn signers_of(envelope: &Envelope) -> Vec<KeyId> {
    envelope.signatures().keys().copied().collect()
}
