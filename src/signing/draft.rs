//! The steps of signing: choose the statement, describe it, sign it, write the attestation, and
//! read it back.

use super::releases::{NewTerms, Releases};
use super::target::SigningTarget;
use super::terms::{ChosenTerms, serial_warning, sites_in_words};
use crate::bundle::layout::ATTESTATION;
use crate::bundle::limits::{ATTESTATION_BYTES_MAX, check_size};
use crate::bundle::open::Bundle;
use crate::failure::Failure;
use crate::failure::refused::untrusted;
use crate::fsio::Locked;
use crate::model::digest::Digest;
use crate::trust::envelope::Envelope;
use crate::trust::key::{KeyId, PrivateKey, PublicKey, SignatureBytes};
use crate::trust::sign::{Terms, Unfit, envelope_of_signed_bytes, existing, statement};
use crate::trust::statement::{Predicate, Statement};
use crate::trust::verify::{self, Authority, Purpose, Voucher, verify};

/// A statement about a bundle, before it is signed.
pub struct Draft {
    pub statement: Statement,
    envelope: Envelope,
    /// The attestation that was read. Only this one is replaced.
    seen: Option<Vec<u8>>,
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
        seen: Option<Vec<u8>>,
        terms: &NewTerms<'_>,
    ) -> Result<Self, Failure> {
        let Some(bytes) = &seen else { return Self::new(bundle, seen, terms) };
        let (envelope, statement) = attested(bundle, bytes)?;
        agrees(terms.chosen, &statement.predicate)?;
        Ok(Self { statement, envelope, seen })
    }

    fn new(bundle: &Bundle, seen: Option<Vec<u8>>, terms: &NewTerms<'_>) -> Result<Self, Failure> {
        let statement = statement(bundle, &terms.terms()?);
        Ok(Self { envelope: Envelope::unsigned(statement.to_bytes()), statement, seen })
    }

    /// Keeps the existing statement if it is the newest release, and makes a new one otherwise.
    pub fn of_build(
        bundle: &Bundle,
        seen: Option<Vec<u8>>,
        terms: &NewTerms<'_>,
    ) -> Result<Self, Failure> {
        let Some((_, stated)) = seen.as_deref().map(|bytes| attested(bundle, bytes)).transpose()?
        else {
            return Self::new(bundle, seen, terms);
        };
        // `--serial` with the serial of the existing release selects that release.
        let is_meant = terms.chosen.serial == Some(stated.predicate.serial);
        if is_meant || terms.releases.is_newest(bundle.content_id) {
            Self::of(bundle, seen, terms)
        } else {
            Self::new(bundle, seen, terms)
        }
    }

    /// Returns warnings about a replaced statement and its other signers; none if it is kept.
    pub fn superseded(&self, place: &SigningTarget, own: KeyId) -> Vec<String> {
        let old = self.seen.as_deref().and_then(|bytes| Envelope::parse(bytes).ok());
        let Some(old) = old.filter(|_| !self.keeps_statement()) else { return Vec::new() };
        let Ok(Statement { predicate, .. }) = Statement::parse(old.payload()) else {
            return Vec::new();
        };
        let mut warnings = changes_for_the_worse(&predicate, &self.statement.predicate);
        let others: Vec<String> = signers_of(&old)
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
        let seen = self.seen.as_deref().and_then(|bytes| Envelope::parse(bytes).ok());
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
        seen: Option<Vec<u8>>,
        terms: &NewTerms<'_>,
    ) -> Result<(Self, Discarded), Failure> {
        let draft = Self::new(bundle, seen, terms)?;
        let discarded = draft.discards(terms.chosen)?;
        Ok((draft, discarded))
    }

    /// Uses the statement that was exported for a signer on another machine.
    pub fn of_payload(
        bundle: &Bundle,
        seen: Option<Vec<u8>>,
        payload: &[u8],
        terms: &NewTerms<'_>,
    ) -> Result<Self, Failure> {
        let envelope = envelope_of_signed_bytes(payload).ok_or_else(|| {
            Failure::input("the payload was not written by `sign --payload`")
                .hint("pass the exported file unchanged: --payload FILE")
        })?;
        let statement = existing(&envelope, bundle).map_err(unfit)?;
        agrees(terms.chosen, &statement.predicate)?;
        Terms::of(&statement.predicate).check(terms.now).map_err(Failure::input)?;
        Ok(Self { statement, envelope, seen })
    }

    /// Returns the signatures that a new statement discards.
    ///
    /// # Errors
    ///
    /// When the serial would go down by accident.
    pub fn discards(&self, terms: &ChosenTerms) -> Result<Discarded, Failure> {
        let Some(bytes) = &self.seen else { return Ok(Discarded::default()) };
        let Ok(old) = Envelope::parse(bytes) else {
            let warning = format!("a new statement discards an unreadable `{ATTESTATION}`");
            return Ok(Discarded { signers: Vec::new(), warnings: vec![warning] });
        };
        let signers = signers_of(&old);
        let warning = |signer| format!("a new statement discards the signature of {signer}");
        let mut warnings: Vec<String> = signers.iter().map(warning).collect();
        if let Ok(Statement { predicate: old, .. }) = Statement::parse(old.payload()) {
            let new = &self.statement.predicate;
            if new.serial <= old.serial && terms.serial.is_none() {
                return Err(Failure::input(format!(
                    "the new serial {} is not above the existing one, {}",
                    new.serial, old.serial
                ))
                .hint(format!("choose a higher serial: --serial {}", old.serial + 1)));
            }
            warnings.extend(changes_for_the_worse(&old, new));
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
    pub fn sign(&mut self, key: &PrivateKey) -> Result<bool, Failure> {
        let before = self.envelope.clone();
        self.envelope.sign(key).map_err(full)?;
        Ok(self.envelope != before)
    }

    /// Adds a signature that was made elsewhere. Returns whether it is new.
    pub fn attach(&mut self, key: &PublicKey, signature: SignatureBytes) -> Result<bool, Failure> {
        let before = self.envelope.clone();
        if self.envelope.attach(key, signature).map_err(full)? {
            return Ok(self.envelope != before);
        }
        let why = format!("the signature is not valid for this statement and key {}", key.id());
        Err(untrusted("BAD_SIGNATURE", why)
            .hint(
                "sign exactly the bytes that `sign --payload` writes: openssl pkeyutl -sign -rawin \
                 -in FILE",
            )
            .hint("and pass the public half of the signing key"))
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
        let bytes = if current == self.seen.as_deref() {
            self.envelope.to_bytes()
        } else {
            self.joined(current, key)?
        };
        check_size(ATTESTATION, bytes.len() as u64, ATTESTATION_BYTES_MAX)
            .map_err(Failure::input)?;
        Ok((current != Some(&bytes)).then_some(bytes))
    }

    fn joined(&self, current: Option<&[u8]>, key: &PublicKey) -> Result<Vec<u8>, Failure> {
        let theirs = current.and_then(|bytes| Envelope::parse(bytes).ok());
        let Some(mut joined) = theirs.filter(|theirs| theirs.signed_bytes() == self.signed_bytes())
        else {
            return Err(Failure::world(format!("`{ATTESTATION}` was replaced concurrently"))
                .hint("nothing was written: inspect the bundle, and run the command again"));
        };
        let signature = self.envelope.signatures()[&key.id()];
        joined.attach(key, signature).map_err(full)?;
        Ok(joined.to_bytes())
    }

    /// Verifies the written attestation with this key alone.
    fn confirm(self, place: &SigningTarget, key: &PublicKey) -> Result<Signed, Failure> {
        let authority = Authority::Key(key);
        // At the time of issue: an expired release may be signed again, with the same bytes.
        let terms = verify::Terms {
            authority,
            purpose: Purpose::Deployed,
            now: self.statement.predicate.issued,
        };
        let verified = verify(place.open()?, &terms);
        let lost = |why: String| {
            Failure::world(format!(
                "`{}` was signed, but its attestation is not valid: {why}",
                place.path()
            ))
            .hint("it was replaced concurrently, or the disk failed: inspect the bundle")
        };
        let Voucher { attestation, statement, .. } =
            verified.map_err(|error| lost(error.to_string()))?.voucher().clone();
        if statement != self.statement {
            return Err(lost("it has a different statement".to_owned()));
        }
        let envelope = Envelope::parse(&attestation).map_err(|error| lost(error.to_string()))?;
        Ok(Signed { statement, signers: signers_of(&envelope) })
    }
}

/// Returns the terms of a statement on one line.
pub fn terms_in_words(predicate: &Predicate) -> String {
    let expires = predicate.expires.map_or_else(String::new, |time| format!(", expires {time}"));
    let Predicate { serial, issued, .. } = predicate;
    format!("serial {serial}, issued {issued}{expires}, for {}", sites_in_words(predicate))
}

/// Returns the key ids in the attestation of the content `content_id`, or why it is not an
/// attestation of this content.
///
/// The signatures are not verified.
pub fn signers(attestation: &[u8], content_id: Digest) -> Result<Vec<KeyId>, String> {
    let envelope = Envelope::parse(attestation).map_err(|error| error.to_string())?;
    let statement = Statement::parse(envelope.payload()).map_err(|error| error.to_string())?;
    if statement.content_id == content_id {
        return Ok(signers_of(&envelope));
    }
    Err(format!("`{ATTESTATION}` is for another bundle: sha256:{}", statement.content_id))
}

fn attested(bundle: &Bundle, attestation: &[u8]) -> Result<(Envelope, Statement), Failure> {
    let discard =
        |failure: Failure| failure.hint("to discard it and make a new one, use `sign --reseal`");
    let unreadable = |error| untrusted("BAD_ATTESTATION", error);
    let envelope = Envelope::parse(attestation).map_err(|error| discard(unreadable(error)))?;
    let statement = existing(&envelope, bundle).map_err(|error| discard(unfit(error)))?;
    Ok((envelope, statement))
}

/// Rejects terms that differ from the existing statement.
fn agrees(terms: &ChosenTerms, stated: &Predicate) -> Result<(), Failure> {
    match terms.contradiction(stated) {
        None => Ok(()),
        Some(what) => Err(Failure::input(format!(
            "the bundle's statement {what}; adding a signature does not change it"
        ))
        .hint("omit the terms to sign it as it is")
        .hint("to make a new statement and discard the old signatures, use `sign --reseal`")),
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
        let (old, new) = (sites_in_words(old), sites_in_words(new));
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

fn unfit(error: Unfit) -> Failure {
    untrusted(error.code(), error)
}

fn full(error: crate::trust::envelope::Full) -> Failure {
    Failure::input(error)
        .hint("to make a new statement and discard the signatures, use `sign --reseal`")
}
