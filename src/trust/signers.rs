//! Checks the signatures of an attestation and decides which of them count.

use std::collections::BTreeMap;

use super::envelope::Envelope;
use super::key::{KeyId, PublicKey};
use super::policy::{Grant, KeyStatus, Policy, TrustedKey};
use super::refusal::{ExpectedKey, FoundKey, Reason, Refusal, SignatureResult};
use super::statement::Predicate;
use super::terms::{Authority, Purpose, VerifyTerms};
use crate::model::timestamp::Timestamp;

/// The signatures of an envelope, each verified with the key that it names if that key is trusted.
pub(super) struct Signers<'a> {
    terms: VerifyTerms<'a>,
    /// The trusted keys with a good signature. A map, so a key that signed twice counts once.
    good: BTreeMap<KeyId, Option<&'a TrustedKey>>,
    /// The key id that each signature names, and whether that key is trusted and made the
    /// signature.
    found: Vec<(KeyId, bool)>,
    /// The applicable grants: all of them until the statement can be trusted, then only those that
    /// match the bundle.
    grants: Vec<(usize, &'a Grant)>,
    /// The time of issue, once the statement can be trusted.
    issued: Option<Timestamp>,
}

impl<'a> Signers<'a> {
    pub(super) fn of(envelope: &Envelope, terms: VerifyTerms<'a>) -> Self {
        let message = envelope.signed_bytes();
        let trusted: BTreeMap<KeyId, (&PublicKey, Option<&'a TrustedKey>)> = match terms.authority {
            Authority::Policy(policy, _) => {
                policy.keys().iter().map(|(id, key)| (*id, (&key.public, Some(key)))).collect()
            }
            Authority::Key(key) => BTreeMap::from([(key.id(), (key, None))]),
        };
        let mut signers = Self::none(terms);
        for (claimed, signature) in envelope.signatures() {
            // The key id is not signed, so it proves nothing; even so, a wrong one is rejected.
            let made_by = trusted
                .get_key_value(claimed)
                .filter(|(_, (public, _))| public.verifies(&message, signature))
                .map(|(id, (_, key))| (*id, *key));
            signers.good.extend(made_by);
            signers.found.push((*claimed, made_by.is_some()));
        }
        signers
    }

    /// Returns no signers: the bundle has no signatures, or they cannot be read.
    pub(super) fn none(terms: VerifyTerms<'a>) -> Self {
        let grants = match terms.authority {
            Authority::Policy(policy, _) => policy.grants().iter().enumerate().collect(),
            Authority::Key(_) => Vec::new(),
        };
        Self { terms, good: BTreeMap::new(), found: Vec::new(), grants, issued: None }
    }

    pub(super) fn terms(&self) -> &VerifyTerms<'a> {
        &self.terms
    }

    /// Checks that the signatures satisfy some grant before the payload is parsed.
    ///
    /// A bad signature by a trusted key is rejected even if enough others are good: only a modified
    /// attestation contains one.
    pub(super) fn check_some_grant(&self) -> Result<(), Reason> {
        if self.found().iter().any(|found| found.standing == SignatureResult::Bad) {
            return Err(Reason::BadSignature);
        }
        match self.terms.authority {
            Authority::Key(_) if self.good.is_empty() => Err(self.why_none_counts()),
            Authority::Key(_) => Ok(()),
            Authority::Policy(..) if self.grants.is_empty() => Err(Reason::NothingGranted),
            Authority::Policy(..) if self.met().next().is_some() => Ok(()),
            Authority::Policy(..) => Err(self.too_few()),
        }
    }

    /// Returns the first grant that matches the bundle, is satisfied and allows its serial. One
    /// such grant is enough.
    pub(super) fn check_grants(
        &mut self,
        predicate: &Predicate,
    ) -> Result<Option<(usize, Grant)>, Reason> {
        self.issued = Some(predicate.issued);
        if matches!(self.terms.authority, Authority::Key(_)) {
            return Ok(None);
        }
        self.grants.retain(|(_, grant)| grant.is_about(predicate));
        if self.grants.is_empty() {
            return Err(Reason::NoGrant(Box::new(predicate.clone())));
        }
        let serial = predicate.serial;
        let Some(min) = self.met().map(|(_, grant)| grant.min_serial).min() else {
            return Err(self.too_few());
        };
        match self.met().find(|(_, grant)| grant.min_serial <= serial) {
            Some((at, grant)) => Ok(Some((at, grant.clone()))),
            None => Err(Reason::BelowMinSerial { serial, min }),
        }
    }

    /// Returns the applicable grants that are satisfied.
    fn met(&self) -> impl Iterator<Item = (usize, &'a Grant)> {
        self.grants.iter().copied().filter(|(_, grant)| grant.is_met_by(self.counting()))
    }

    /// Returns the trusted keys whose signatures count.
    fn counting(&self) -> impl Iterator<Item = (&KeyId, &'a TrustedKey)> {
        self.good
            .iter()
            .filter_map(|(id, key)| Some((id, (*key)?)))
            .filter(|(id, key)| self.standing(id, key) == SignatureResult::Counts)
    }

    /// Explains why no grant is satisfied, by the grant that lacks the fewest signers.
    fn too_few(&self) -> Reason {
        let has_worth = |found: &FoundKey| {
            matches!(found.standing, SignatureResult::Counts | SignatureResult::NotGranted)
        };
        if !self.found().iter().any(has_worth) {
            return self.why_none_counts();
        }
        let missing =
            |(signed, wanted): &(usize, u32)| u64::from(*wanted).saturating_sub(*signed as u64);
        let (signed, wanted) = self
            .grants
            .iter()
            .map(|(_, grant)| (grant.holders(self.counting()).len(), grant.threshold.get()))
            .min_by_key(missing)
            .expect("there are grants, and none of them is met");
        Reason::BelowThreshold { signed, wanted }
    }

    /// Explains why no signature counts, by the key that comes closest to counting.
    fn why_none_counts(&self) -> Reason {
        let standings: Vec<SignatureResult> =
            self.found().iter().map(|found| found.standing).collect();
        let any =
            |wanted: &[SignatureResult]| wanted.iter().any(|standing| standings.contains(standing));
        if any(&[
            SignatureResult::Expired,
            SignatureResult::NotYetValid,
            SignatureResult::OutsideValidity,
        ]) {
            Reason::KeyNotValid
        } else if any(&[SignatureResult::Retired]) {
            Reason::RetiredKey
        } else if any(&[SignatureResult::Revoked]) {
            Reason::RevokedKey
        } else {
            Reason::UntrustedKey
        }
    }

    /// Returns the signatures of the attestation, each with its standing.
    pub(super) fn found(&self) -> Vec<FoundKey> {
        let found = |&(keyid, is_good): &(KeyId, bool)| {
            let (is_trusted, key) = match self.terms.authority {
                Authority::Key(key) => (key.id() == keyid, None),
                Authority::Policy(policy, _) => {
                    (policy.keys().contains_key(&keyid), policy.keys().get(&keyid))
                }
            };
            let standing = match key {
                _ if !is_trusted => SignatureResult::Unknown,
                _ if !is_good => SignatureResult::Bad,
                Some(key) => self.standing(&keyid, key),
                None => SignatureResult::Counts,
            };
            FoundKey { keyid, holder: key.map(|key| key.holder.clone()), standing }
        };
        self.found.iter().map(found).collect()
    }

    /// Returns the keys whose signatures would count.
    fn expected(&self) -> Vec<ExpectedKey> {
        let policy: &Policy = match self.terms.authority {
            Authority::Key(key) => return vec![ExpectedKey { keyid: key.id(), holder: None }],
            Authority::Policy(policy, _) => policy,
        };
        let counts =
            |(id, key): &(&KeyId, &TrustedKey)| self.standing(id, key) == SignatureResult::Counts;
        let expected = |(id, key): (&KeyId, &TrustedKey)| ExpectedKey {
            keyid: *id,
            holder: Some(key.holder.clone()),
        };
        policy.keys().iter().filter(counts).map(expected).collect()
    }

    pub(super) fn refusal(&self, reason: Reason) -> Refusal {
        Refusal { reason: Box::new(reason), found: self.found(), expected: self.expected() }
    }

    /// Returns the standing of a good signature by `key`.
    fn standing(&self, id: &KeyId, key: &TrustedKey) -> SignatureResult {
        let now = self.terms.now;
        // Deployed content is judged only by its time of issue.
        let is_new = self.terms.purpose != Purpose::Deployed;
        match key.status {
            KeyStatus::Revoked => SignatureResult::Revoked,
            KeyStatus::Retired if is_new => SignatureResult::Retired,
            // The holder of an expired key could backdate a signature.
            _ if is_new && key.not_after.is_some_and(|end| end < now) => SignatureResult::Expired,
            _ if is_new && key.not_before.is_some_and(|start| now < start) => {
                SignatureResult::NotYetValid
            }
            _ if self.issued.is_some_and(|issued| !key.is_valid_at(issued)) => {
                SignatureResult::OutsideValidity
            }
            _ if !self.grants.iter().any(|(_, grant)| grant.keys.contains(id)) => {
                SignatureResult::NotGranted
            }
            _ => SignatureResult::Counts,
        }
    }
}
