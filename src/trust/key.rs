//! Ed25519 keys and the verification of their signatures.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::pkcs8::DecodePublicKey as _;
use ed25519_dalek::pkcs8::spki::EncodePublicKey as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use super::pem::rewrapped;
use crate::model::digest::Digest;

/// The length of a signature.
pub const SIGNATURE_BYTES: usize = 64;

/// An unverified signature; only [`PublicKey::verifies`] shows that a key made it.
pub type SignatureBytes = [u8; SIGNATURE_BYTES];

/// The `SubjectPublicKeyInfo` prefix before the 32 bytes of a key (RFC 8410). DER has no other
/// encoding.
const SPKI_HEAD: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// The id of a public key: the SHA-256 of its `SubjectPublicKeyInfo` in DER.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize, serde::Serialize)]
pub struct KeyId(Digest);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl FromStr for KeyId {
    type Err = crate::model::digest::InvalidDigest;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// A public key that is neither weak nor ambiguous.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    key: VerifyingKey,
    id: KeyId,
}

/// Why bytes are not an acceptable public key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPublicKey {
    #[error("it is not a PEM file with `BEGIN PUBLIC KEY`")]
    NotPem,
    #[error("it is not base64")]
    NotBase64,
    #[error("it is not an Ed25519 key in SPKI DER")]
    NotEd25519,
    #[error("its bytes are not a point of the curve")]
    NotOnCurve,
    #[error("its bytes are not the canonical encoding of the point")]
    NotCanonical,
    #[error("it is weak: anyone can forge its signatures")]
    Weak,
    #[error("it has a component of small order: two verifiers may disagree about its signatures")]
    MixedOrder,
}

impl PublicKey {
    /// Reads the 32 bytes of a key.
    ///
    /// # Errors
    ///
    /// Returns an error if the bytes are not a point of the curve, not its canonical encoding, or a
    /// point of small or mixed order.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, InvalidPublicKey> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| InvalidPublicKey::NotOnCurve)?;
        Self::checked(key)
    }

    /// Reads a `SubjectPublicKeyInfo` in DER.
    ///
    /// # Errors
    ///
    /// Returns an error if the DER does not hold an Ed25519 key, and where
    /// [`PublicKey::from_bytes`] does.
    pub fn from_spki(der: &[u8]) -> Result<Self, InvalidPublicKey> {
        let bytes = der.strip_prefix(&SPKI_HEAD).and_then(|key| key.try_into().ok());
        Self::from_bytes(bytes.ok_or(InvalidPublicKey::NotEd25519)?)
    }

    /// Reads a base64-encoded `SubjectPublicKeyInfo`, the form in a trust policy.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not base64, and where [`PublicKey::from_spki`] does.
    pub fn from_base64(text: &str) -> Result<Self, InvalidPublicKey> {
        Self::from_spki(&STANDARD.decode(text).map_err(|_| InvalidPublicKey::NotBase64)?)
    }

    /// Reads a PEM file as written by OpenSSL.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not such a file, and where [`PublicKey::from_bytes`] does.
    pub fn from_pem(text: &str) -> Result<Self, InvalidPublicKey> {
        use ed25519_dalek::pkcs8::spki::Error;
        let read = VerifyingKey::from_public_key_pem(text).or_else(|error| {
            rewrapped(text).map_or(Err(error), |text| VerifyingKey::from_public_key_pem(&text))
        });
        let key = read.map_err(|error| match error {
            Error::OidUnknown { .. } | Error::AlgorithmParametersMissing => {
                InvalidPublicKey::NotEd25519
            }
            Error::KeyMalformed => InvalidPublicKey::NotOnCurve,
            _ => InvalidPublicKey::NotPem,
        })?;
        Self::checked(key)
    }

    fn checked(key: VerifyingKey) -> Result<Self, InvalidPublicKey> {
        let point = key.to_edwards();
        if point.compress().as_bytes() != key.as_bytes() {
            return Err(InvalidPublicKey::NotCanonical);
        }
        if key.is_weak() {
            return Err(InvalidPublicKey::Weak);
        }
        if !point.is_torsion_free() {
            return Err(InvalidPublicKey::MixedOrder);
        }
        let id = KeyId(Digest::of(&spki(&key)));
        Ok(Self { key, id })
    }

    /// Returns the key id.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Returns the `SubjectPublicKeyInfo` in DER.
    pub fn to_spki(&self) -> [u8; 44] {
        spki(&self.key)
    }

    /// Returns the base64-encoded `SubjectPublicKeyInfo`, the form in a trust policy.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.to_spki())
    }

    /// Returns the PEM encoding, which OpenSSL reads.
    pub fn to_pem(&self) -> String {
        self.key.to_public_key_pem(LineEnding::LF).expect("44 bytes of DER always fit a PEM file")
    }

    /// Returns whether `signature` is this key's signature of `message`: pure Ed25519, under the
    /// strictest rules.
    pub fn verifies(&self, message: &[u8], signature: &SignatureBytes) -> bool {
        self.key.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id)
    }
}

fn spki(key: &VerifyingKey) -> [u8; 44] {
    let mut der = [0; 44];
    der[..SPKI_HEAD.len()].copy_from_slice(&SPKI_HEAD);
    der[SPKI_HEAD.len()..].copy_from_slice(key.as_bytes());
    der
}

/// A private key. It cannot be printed, copied or serialised, and is wiped from memory on drop.
pub struct PrivateKey(SigningKey);

impl PrivateKey {
    /// Derives the key from a seed of 32 random bytes.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    pub(super) fn from_signing_key(key: SigningKey) -> Self {
        Self(key)
    }

    pub(super) fn signing_key(&self) -> &SigningKey {
        &self.0
    }

    /// Returns the public half.
    pub fn public(&self) -> PublicKey {
        PublicKey::checked(self.0.verifying_key())
            .expect("a key made of a seed is a multiple of the base point")
    }

    /// Signs `message`: pure Ed25519.
    pub fn sign(&self, message: &[u8]) -> SignatureBytes {
        self.0.sign(message).to_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The base point of the curve.
    const BASE: [u8; 32] = {
        let mut bytes = [0x66; 32];
        bytes[0] = 0x58;
        bytes
    };

    fn key() -> PrivateKey {
        PrivateKey::from_seed(&[7; 32])
    }

    #[test]
    fn key_round_trips_in_each_form_with_same_id() {
        let public = key().public();

        assert_eq!(PublicKey::from_spki(&public.to_spki()).unwrap(), public);
        assert_eq!(PublicKey::from_base64(&public.to_base64()).unwrap(), public);
        assert_eq!(PublicKey::from_pem(&public.to_pem()).unwrap(), public);
        assert_eq!(public.id().to_string(), Digest::of(&public.to_spki()).to_string());
        assert_eq!(public.id().to_string().parse(), Ok(public.id()));
    }

    #[test]
    fn signature_verifies_only_for_its_message_and_key() {
        let signature = key().sign(b"message");

        assert!(key().public().verifies(b"message", &signature));
        assert!(!key().public().verifies(b"massage", &signature));
        assert!(!PrivateKey::from_seed(&[8; 32]).public().verifies(b"message", &signature));
    }

    #[test]
    fn other_encodings_and_algorithms_are_refused_as_key() {
        let spki = key().public().to_spki();
        let mut x25519 = spki;
        x25519[8] = 0x6e;
        let longer = [&spki[..], &[0]].concat();
        for der in [&spki[..43], &x25519, &longer, &spki[12..], b""] {
            assert_eq!(PublicKey::from_spki(der), Err(InvalidPublicKey::NotEd25519));
        }
        let text = key().public().to_base64();
        for bad in [text.trim_end_matches('='), &format!(" {text}"), &format!("{text}\n"), "%"] {
            assert_eq!(PublicKey::from_base64(bad), Err(InvalidPublicKey::NotBase64), "{bad}");
        }
        for bad in ["", "MCow", "-----BEGIN CERTIFICATE-----\nMCow\n-----END CERTIFICATE-----\n"] {
            assert_eq!(PublicKey::from_pem(bad), Err(InvalidPublicKey::NotPem), "{bad}");
        }
    }

    #[test]
    fn weak_ambiguous_and_impossible_points_are_refused() {
        let mut neutral = [0; 32];
        neutral[0] = 1;
        assert_eq!(PublicKey::from_bytes(&neutral), Err(InvalidPublicKey::Weak));
        // y = p + 1 is a second encoding of the neutral element.
        let mut beyond = [0xff; 32];
        (beyond[0], beyond[31]) = (0xee, 0x7f);
        assert_eq!(PublicKey::from_bytes(&beyond), Err(InvalidPublicKey::NotCanonical));
        let mut off = [0; 32];
        off[0] = 2;
        assert_eq!(PublicKey::from_bytes(&off), Err(InvalidPublicKey::NotOnCurve));
        assert!(PublicKey::from_bytes(&BASE).is_ok());
    }
}
