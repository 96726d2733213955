//! The attestation: a DSSE envelope in its canonical encoding.
//!
//! Signatures cover [`Envelope::signed_bytes`], the pre-authentication encoding of payload and
//! payload type, and not the file itself. This module never parses the payload.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::key::{KeyId, PrivateKey, PublicKey, SIGNATURE_BYTES, SignatureBytes};
use crate::bundle::layout::ATTESTATION;
use crate::bundle::limits::{ATTESTATION_BYTES_MAX, LimitExceeded, check_size};
use crate::canonical::Canonical;

/// The payload type of every bundle attestation.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// The maximum number of signatures in an attestation.
pub const SIGNATURES_MAX: usize = 16;

/// A payload with its unverified signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    payload_type: String,
    payload: Vec<u8>,
    signatures: BTreeMap<KeyId, SignatureBytes>,
}

/// The envelope as serialised.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct EnvelopeText {
    payload: String,
    payload_type: String,
    signatures: Vec<WrittenSignature>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct WrittenSignature {
    keyid: KeyId,
    sig: String,
}

/// Why bytes are not an attestation.
#[derive(Debug, thiserror::Error)]
pub enum InvalidEnvelope {
    #[error(transparent)]
    Limit(#[from] LimitExceeded),
    #[error("`{ATTESTATION}` is not a DSSE envelope: {0}")]
    Json(#[from] serde_json::Error),
    #[error("`{ATTESTATION}`: the field `{field}` is not canonical base64")]
    Base64 { field: &'static str },
    #[error("`{ATTESTATION}`: a signature has {bytes} bytes; Ed25519 has {SIGNATURE_BYTES}")]
    SignatureBytes { bytes: usize },
    #[error("`{ATTESTATION}` has {signatures} signatures; expected 1 to {SIGNATURES_MAX}")]
    Signatures { signatures: usize },
    #[error(
        "`{ATTESTATION}` is not in canonical form: canonical JSON, signatures sorted by unique \
         keyid"
    )]
    NotCanonical,
}

/// The attestation already has the maximum number of signatures.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the attestation already has {SIGNATURES_MAX} signatures, which is the limit")]
pub struct Full;

impl Envelope {
    /// Wraps the bytes of a statement in an envelope without signatures.
    pub fn unsigned(payload: Vec<u8>) -> Self {
        Self { payload_type: PAYLOAD_TYPE.to_owned(), payload, signatures: BTreeMap::new() }
    }

    /// Decodes an attestation.
    ///
    /// # Errors
    ///
    /// Returns an error if the bytes are too large, are not an envelope, have no signature or too
    /// many, or are not exactly what [`Envelope::to_bytes`] writes.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidEnvelope> {
        check_size(ATTESTATION, bytes.len() as u64, ATTESTATION_BYTES_MAX)?;
        let written: EnvelopeText = serde_json::from_slice(bytes)?;
        let number = written.signatures.len();
        if !(1..=SIGNATURES_MAX).contains(&number) {
            return Err(InvalidEnvelope::Signatures { signatures: number });
        }
        let payload = decode(&written.payload, "payload")?;
        let mut signatures = BTreeMap::new();
        for WrittenSignature { keyid, sig } in written.signatures {
            let bytes = decode(&sig, "sig")?;
            let wrong = InvalidEnvelope::SignatureBytes { bytes: bytes.len() };
            signatures.insert(keyid, bytes.try_into().map_err(|_| wrong)?);
        }
        let envelope = Self { payload_type: written.payload_type, payload, signatures };
        if envelope.to_bytes() == bytes { Ok(envelope) } else { Err(InvalidEnvelope::NotCanonical) }
    }

    /// Returns the bytes of the file `attestation.dsse.json`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let signature = |(keyid, sig): (&KeyId, &SignatureBytes)| WrittenSignature {
            keyid: *keyid,
            sig: STANDARD.encode(sig),
        };
        let written = EnvelopeText {
            payload: STANDARD.encode(&self.payload),
            payload_type: self.payload_type.clone(),
            signatures: self.signatures.iter().map(signature).collect(),
        };
        Canonical::of(&written).expect("strings and lists have a canonical form").into_bytes()
    }

    /// Returns the declared payload type.
    pub fn payload_type(&self) -> &str {
        &self.payload_type
    }

    /// Returns the payload.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Returns the signatures by the key id that each names. The key id is not authenticated.
    pub fn signatures(&self) -> &BTreeMap<KeyId, SignatureBytes> {
        &self.signatures
    }

    /// Returns the bytes that are signed: the DSSE v1 pre-authentication encoding.
    pub fn signed_bytes(&self) -> Vec<u8> {
        let (kind, payload) = (&self.payload_type, &self.payload);
        let mut bytes = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
        bytes.extend_from_slice(payload);
        bytes
    }

    /// Signs the payload. Signing again with the same `key` changes nothing: Ed25519 is
    /// deterministic.
    ///
    /// # Errors
    ///
    /// Returns an error if the attestation already has the maximum number of signatures.
    pub fn sign(&mut self, key: &PrivateKey) -> Result<(), Full> {
        self.insert(key.public().id(), key.sign(&self.signed_bytes()))
    }

    /// Adds a signature made elsewhere if it verifies for this payload and `key`; otherwise returns
    /// false and adds nothing.
    ///
    /// # Errors
    ///
    /// Returns an error if the attestation already has the maximum number of signatures.
    pub fn attach(&mut self, key: &PublicKey, signature: SignatureBytes) -> Result<bool, Full> {
        let is_good = key.verifies(&self.signed_bytes(), &signature);
        if is_good {
            self.insert(key.id(), signature)?;
        }
        Ok(is_good)
    }

    fn insert(&mut self, id: KeyId, signature: SignatureBytes) -> Result<(), Full> {
        if self.signatures.len() == SIGNATURES_MAX && !self.signatures.contains_key(&id) {
            return Err(Full);
        }
        self.signatures.insert(id, signature);
        Ok(())
    }
}

fn decode(text: &str, field: &'static str) -> Result<Vec<u8>, InvalidEnvelope> {
    STANDARD.decode(text).map_err(|_| InvalidEnvelope::Base64 { field })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> PrivateKey {
        PrivateKey::from_seed(&[seed; 32])
    }

    fn signed(seeds: &[u8]) -> Envelope {
        let mut envelope = Envelope::unsigned(b"{\"a\":1}".to_vec());
        for seed in seeds {
            envelope.sign(&key(*seed)).unwrap();
        }
        envelope
    }

    #[test]
    fn signed_bytes_match_dsse_specification() {
        let mut envelope = Envelope::unsigned(b"hello world".to_vec());
        envelope.payload_type = "http://example.com/HelloWorld".to_owned();

        assert_eq!(
            envelope.signed_bytes(),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }

    #[test]
    fn signatures_come_in_any_order_and_are_written_in_one() {
        let envelope = signed(&[1, 2, 3]);

        assert_eq!(envelope, signed(&[3, 1, 2, 1]));
        assert_eq!(Envelope::parse(&envelope.to_bytes()).unwrap(), envelope);
        for seed in [1, 2, 3] {
            let public = key(seed).public();
            assert!(
                public.verifies(&envelope.signed_bytes(), &envelope.signatures()[&public.id()])
            );
        }
    }

    #[test]
    fn external_signature_is_added_only_if_valid() {
        let mut envelope = signed(&[1]);
        let good = key(2).sign(&envelope.signed_bytes());
        let of_the_payload_alone = key(2).sign(envelope.payload());

        assert_eq!(envelope.attach(&key(3).public(), good), Ok(false));
        assert_eq!(envelope.attach(&key(2).public(), of_the_payload_alone), Ok(false));
        assert_eq!(envelope, signed(&[1]));
        assert_eq!(envelope.attach(&key(2).public(), good), Ok(true));
        assert_eq!(envelope, signed(&[1, 2]));
    }

    #[test]
    fn envelope_holds_at_most_sixteen_signatures() {
        let seeds: Vec<u8> = (1..=16).collect();
        let mut envelope = signed(&seeds);

        assert_eq!(envelope.sign(&key(17)), Err(Full));
        assert_eq!(envelope.sign(&key(16)), Ok(()));
        assert!(Envelope::parse(&envelope.to_bytes()).is_ok());
    }

    #[test]
    fn non_canonical_envelope_is_refused() {
        let good = String::from_utf8(signed(&[1, 2]).to_bytes()).unwrap();
        assert!(Envelope::parse(good.as_bytes()).is_ok());
        let (before, list) = good.split_once("\"signatures\":[").unwrap();
        let items = list.trim_end_matches("]}");
        let (first, second) = items.split_once("},").unwrap();
        let first = format!("{first}}}");
        let with = |list: &str| format!("{before}\"signatures\":[{list}]}}");

        let table = [
            ("a newline", format!("{good}\n")),
            ("white space", good.replace(",\"", ", \"")),
            ("another order", with(&format!("{second},{first}"))),
            ("a duplicate", with(&format!("{first},{first}"))),
            ("no signature", with("")),
            ("an unknown field", good.replacen('{', "{\"also\":1,", 1)),
            ("a duplicate field", good.replacen('{', "{\"payload\":\"\",", 1)),
            (
                "an unknown field of a signature",
                good.replacen("{\"keyid\"", "{\"cert\":\"\",\"keyid\"", 1),
            ),
            (
                "a keyid in upper case",
                with(&format!("{},{second}", first.to_uppercase().replace("KEYID", "keyid"))),
            ),
            ("base64 without padding", good.replace("==\"", "\"")),
            ("base64 for URLs", good.replace('+', "-").replace('/', "_")),
            ("an escape", good.replace("in-toto", "in\\u002dtoto")),
            ("another slash", good.replace("application/", "application\\/")),
            ("nothing", String::new()),
            ("a list", "[]".to_owned()),
        ];

        for (what, text) in table {
            assert_ne!(text, good, "{what}");
            assert!(Envelope::parse(text.as_bytes()).is_err(), "{what}: {text}");
        }
        assert!(matches!(
            Envelope::parse(&vec![b' '; usize::try_from(ATTESTATION_BYTES_MAX).unwrap() + 1]),
            Err(InvalidEnvelope::Limit(_))
        ));
    }
}
