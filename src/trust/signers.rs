//! Who has signed an attestation, and what that counts for.

use std::collections::BTreeMap;

use super::envelope::Envelope;
use super::key::{KeyId, PublicKey};
use super::policy::{Grant, Policy, Status, TrustedKey};
use super::refusal::{ExpectedKey, FoundKey, Reason, Refusal, Standing};
use super::statement::Predicate;
use super::verify::{Authority, Purpose, Terms};
use crate::model::timestamp::Timestamp;

/// The signatures of an envelope, each tried with the key that it claims, if that is trusted.
pub(super) struct Signers<'a> {
    terms: Terms<'a>,
    /// The trusted keys that have signed. A set by construction: a key that signed twice is there once.
    good: BTreeMap<KeyId, Option<&'a TrustedKey>>,
    /// The keyid that each signature claims, and whether that key is trusted and has made it.
    found: Vec<(KeyId, bool)>,
    /// When the bundle was issued, once its statement may be believed.
    issued: Option<Timestamp>,
}

impl<'a> Signers<'a> {
    pub(super) fn of(envelope: &Envelope, terms: Terms<'a>) -> Self {
        let message = envelope.signed_bytes();
        let trusted: BTreeMap<KeyId, (&PublicKey, Option<&'a TrustedKey>)> = match terms.authority {
            Authority::Policy(policy, _) => {
                policy.keys().iter().map(|(id, key)| (*id, (&key.public, Some(key)))).collect()
            }
            Authority::Key(key) => BTreeMap::from([(key.id(), (key, None))]),
        };
        let mut signers = Self::none(terms);
        for (claimed, signature) in envelope.signatures() {
            // The claim proves nothing, and yet a wrong one is not forgiven: no signature covers it.
            let made_by = trusted
                .get_key_value(claimed)
                .filter(|(_, (public, _))| public.verifies(&message, signature))
                .map(|(id, (_, key))| (*id, *key));
            signers.good.extend(made_by);
            signers.found.push((*claimed, made_by.is_some()));
        }
        signers
    }

    /// Of a bundle whose signatures are not known: there are none, or they cannot be read.
    pub(super) fn none(terms: Terms<'a>) -> Self {
        Self { terms, good: BTreeMap::new(), found: Vec::new(), issued: None }
    }

    pub(super) fn terms(&self) -> &Terms<'a> {
        &self.terms
    }

    /// Checks that the signatures meet some grant, whatever they sign: before that, the payload is not parsed.
    ///
    /// A signature that is none by the trusted key that it claims is refused, even if enough others are good: only an
    /// attestation that was altered has one.
    pub(super) fn check_some_grant(&self) -> Result<(), Reason> {
        if self.found().iter().any(|found| found.standing == Standing::Bad) {
            return Err(Reason::BadSignature);
        }
        let policy = match self.terms.authority {
            Authority::Key(_) if self.good.is_empty() => return Err(self.nobody()),
            Authority::Key(_) => return Ok(()),
            Authority::Policy(policy, _) => policy,
        };
        if policy.grants().is_empty() {
            return Err(Reason::NothingGranted);
        }
        if policy.grants().iter().any(|grant| grant.is_met_by(self.counting())) {
            return Ok(());
        }
        Err(self.too_few(policy.grants()))
    }

    /// Returns the first grant that is about such a bundle, is met, and allows its serial. Grants add up: one is enough.
    pub(super) fn check_grants(&mut self, predicate: &Predicate) -> Result<Option<(usize, Grant)>, Reason> {
        self.issued = Some(predicate.issued);
        let Authority::Policy(policy, _) = self.terms.authority else { return Ok(None) };
        let about: Vec<(usize, &Grant)> =
            policy.grants().iter().enumerate().filter(|(_, grant)| grant.is_about(predicate)).collect();
        if about.is_empty() {
            return Err(Reason::NoGrant(Box::new(predicate.clone())));
        }
        let serial = predicate.serial;
        let is_met = |(_, grant): &&(usize, &Grant)| grant.is_met_by(self.counting());
        let met: Vec<&(usize, &Grant)> = about.iter().filter(is_met).collect();
        let Some(min) = met.iter().map(|(_, grant)| grant.min_serial).min() else {
            return Err(self.too_few(about.into_iter().map(|(_, grant)| grant)));
        };
        let allowing = met.into_iter().find(|(_, grant)| grant.min_serial <= serial);
        match allowing {
            Some((at, grant)) => Ok(Some((*at, (*grant).clone()))),
            None => Err(Reason::BelowMinSerial { serial, min }),
        }
    }

    /// The trusted keys that have signed, and count.
    fn counting(&self) -> impl Iterator<Item = (&KeyId, &'a TrustedKey)> {
        self.good
            .iter()
            .filter_map(|(id, key)| Some((id, (*key)?)))
            .filter(|(_, key)| self.standing(key) == Standing::Counts)
    }

    /// Says why no grant is met: by the grant that is nearest to it.
    fn too_few<'g>(&self, grants: impl IntoIterator<Item = &'g Grant>) -> Reason {
        if self.counting().next().is_none() {
            return self.nobody();
        }
        let missing = |(signed, wanted): &(usize, u32)| u64::from(*wanted).saturating_sub(*signed as u64);
        let (signed, wanted) = grants
            .into_iter()
            .map(|grant| (grant.holders(self.counting()).len(), grant.threshold.get()))
            .min_by_key(missing)
            .expect("there are grants, and none of them is met");
        Reason::BelowThreshold { signed, wanted }
    }

    /// Says why nobody's signature counts: by the key that is nearest to it.
    fn nobody(&self) -> Reason {
        let standings: Vec<Standing> = self.found().iter().map(|found| found.standing).collect();
        let any = |wanted: &[Standing]| wanted.iter().any(|standing| standings.contains(standing));
        if any(&[Standing::Expired, Standing::NotYetValid, Standing::OutsideValidity]) {
            Reason::KeyNotValid
        } else if any(&[Standing::Retired]) {
            Reason::RetiredKey
        } else if any(&[Standing::Revoked]) {
            Reason::RevokedKey
        } else {
            Reason::UntrustedKey
        }
    }

    /// Returns the signatures of the attestation, each with what it counts for.
    pub(super) fn found(&self) -> Vec<FoundKey> {
        let found = |&(keyid, is_good): &(KeyId, bool)| {
            let (is_trusted, key) = match self.terms.authority {
                Authority::Key(key) => (key.id() == keyid, None),
                Authority::Policy(policy, _) => {
                    (policy.keys().contains_key(&keyid), policy.keys().get(&keyid))
                }
            };
            let standing = match key {
                _ if !is_trusted => Standing::Unknown,
                _ if !is_good => Standing::Bad,
                Some(key) => self.standing(key),
                None => Standing::Counts,
            };
            FoundKey { keyid, holder: key.map(|key| key.holder.clone()), standing }
        };
        self.found.iter().map(found).collect()
    }

    /// Returns the keys that could count.
    fn expected(&self) -> Vec<ExpectedKey> {
        let policy: &Policy = match self.terms.authority {
            Authority::Key(key) => return vec![ExpectedKey { keyid: key.id(), holder: None }],
            Authority::Policy(policy, _) => policy,
        };
        let counts = |key: &TrustedKey| self.standing(key) == Standing::Counts;
        let expected =
            |(id, key): (&KeyId, &TrustedKey)| ExpectedKey { keyid: *id, holder: Some(key.holder.clone()) };
        policy.keys().iter().filter(|(_, key)| counts(key)).map(expected).collect()
    }

    pub(super) fn refusal(&self, reason: Reason) -> Refusal {
        Refusal { reason: Box::new(reason), found: self.found(), expected: self.expected() }
    }

    /// Returns what a good signature by `key` counts for.
    fn standing(&self, key: &TrustedKey) -> Standing {
        let now = self.terms.now;
        // What was deployed is judged by the time at which it was issued alone.
        let is_new = self.terms.purpose == Purpose::Install;
        match key.status {
            Status::Revoked => Standing::Revoked,
            Status::Retired if is_new => Standing::Retired,
            // A key whose time is over could sign anything and say that it was long ago.
            _ if is_new && key.not_after.is_some_and(|end| end < now) => Standing::Expired,
            _ if is_new && key.not_before.is_some_and(|start| now < start) => Standing::NotYetValid,
            _ if self.issued.is_some_and(|issued| !key.is_valid_at(issued)) => Standing::OutsideValidity,
            _ => Standing::Counts,
        }
    }
}
