//! Encrypted copies of whole Secrets, to restore them after a loss.
//!
//! The plaintext is a line with the format, a line of JSON with all Secrets, and zero bytes as
//! padding. Anyone with the public key can create such a file, so it proves nothing: a verified
//! bundle decides which Secrets it may restore.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::cipher::{OpenError, decrypt, encrypt};
use super::identity::Identities;
use super::recipient::Recipients;
use crate::age_file::Form;
use crate::model::secret_value::SecretValue;

/// The first line of the plaintext.
const MAGIC: &str = "relay-bundle/recovery/v1";

/// The plaintext is padded to a multiple of this, which hides the length of common secret values.
const PADDING: usize = 2048;

/// The maximum size of a recovery file: the Secrets of an installation may contain certificates.
pub const RECOVERY_BYTES_MAX: usize = 4 << 20;

/// The Secrets of an installation. Without `Debug`, because it contains secret values.
pub struct Recovery {
    /// The bundle name.
    pub bundle: String,
    pub namespace: String,
    pub secrets: Vec<Saved>,
}

/// One Secret.
#[derive(PartialEq, Eq)]
pub struct Saved {
    pub name: String,
    pub type_: String,
    pub immutable: bool,
    /// The annotations that this program set.
    pub annotations: BTreeMap<String, String>,
    pub data: BTreeMap<String, SecretValue>,
}

/// Why a file cannot be restored. Reveals nothing of its content.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("its content is not a copy of Secrets")]
    NotRecovery,
    #[error("its content is not in the form that this program writes")]
    Malformed,
    #[error("the Secrets are too large: the file would exceed {RECOVERY_BYTES_MAX} bytes")]
    TooLarge,
}

/// The JSON document; strings borrow from the decrypted bytes where possible, so that no copy is
/// left behind.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<'a> {
    bundle: String,
    namespace: String,
    #[serde(borrow)]
    secrets: Vec<SecretEntry<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretEntry<'a> {
    annotations: BTreeMap<String, String>,
    #[serde(borrow)]
    data: BTreeMap<String, &'a str>,
    immutable: bool,
    name: String,
    #[serde(rename = "type")]
    type_: String,
}

impl Recovery {
    /// Encrypts the Secrets, in armour.
    ///
    /// # Errors
    ///
    /// When the file would be too large.
    pub fn seal(&self, recipients: &Recipients) -> Result<Vec<u8>, RecoveryError> {
        let file = encrypt(&self.content(), recipients, None);
        if file.len() > RECOVERY_BYTES_MAX { Err(RecoveryError::TooLarge) } else { Ok(file) }
    }

    /// Decrypts a recovery file.
    ///
    /// # Errors
    ///
    /// When it is not a recovery file, no identity decrypts it, or it was altered.
    pub fn open(file: &[u8], identities: &Identities) -> Result<Self, RecoveryError> {
        let form = Form::outside(file, RECOVERY_BYTES_MAX).map_err(OpenError::from)?;
        let content = decrypt(&form, identities)?;
        let rest = content.strip_prefix(MAGIC.as_bytes()).and_then(|rest| rest.strip_prefix(b"\n"));
        let rest = rest.ok_or(RecoveryError::NotRecovery)?;
        let end = rest.iter().position(|byte| *byte == b'\n').ok_or(RecoveryError::Malformed)?;
        let document: Document =
            serde_json::from_slice(&rest[..end]).map_err(|_| RecoveryError::Malformed)?;
        let secrets = document.secrets.into_iter().map(saved).collect::<Option<_>>();
        let secrets = secrets.ok_or(RecoveryError::Malformed)?;
        let recovery = Self { bundle: document.bundle, namespace: document.namespace, secrets };
        // Only one encoding is valid.
        if *recovery.content() == *content { Ok(recovery) } else { Err(RecoveryError::Malformed) }
    }

    /// Returns the plaintext, which has exactly one valid encoding.
    fn content(&self) -> Zeroizing<Vec<u8>> {
        let mut text = Zeroizing::new(String::with_capacity(self.bytes_max()));
        text.push_str(MAGIC);
        text.push_str("\n{\"bundle\":");
        push(&mut text, &self.bundle);
        text.push_str(",\"namespace\":");
        push(&mut text, &self.namespace);
        text.push_str(",\"secrets\":[");
        for (index, secret) in self.secrets.iter().enumerate() {
            text.push_str(if index == 0 { "" } else { "," });
            secret.push_to(&mut text);
        }
        text.push_str("]}\n");
        let mut bytes = std::mem::take(&mut *text).into_bytes();
        bytes.resize(bytes.len().next_multiple_of(PADDING), 0);
        Zeroizing::new(bytes)
    }

    /// Returns an upper bound for the length: a text that grows leaves copies of secrets behind.
    /// JSON escapes one byte as six at most.
    fn bytes_max(&self) -> usize {
        let names = |map: &BTreeMap<String, String>| -> usize {
            map.iter().map(|(key, value)| (key.len() + value.len()) * 6 + 8).sum()
        };
        let values = |map: &BTreeMap<String, SecretValue>| -> usize {
            map.iter()
                .map(|(key, value)| key.len() * 6 + value.expose().len().div_ceil(3) * 4 + 8)
                .sum()
        };
        let secret = |secret: &Saved| {
            (secret.name.len() + secret.type_.len()) * 6
                + names(&secret.annotations)
                + values(&secret.data)
                + 128
        };
        let secrets: usize = self.secrets.iter().map(secret).sum();
        (self.bundle.len() + self.namespace.len()) * 6 + secrets + 128 + PADDING
    }
}

impl Saved {
    fn push_to(&self, text: &mut String) {
        text.push_str("{\"annotations\":{");
        for (index, (key, value)) in self.annotations.iter().enumerate() {
            text.push_str(if index == 0 { "" } else { "," });
            push(text, key);
            text.push(':');
            push(text, value);
        }
        text.push_str("},\"data\":{");
        for (index, (key, value)) in self.data.iter().enumerate() {
            text.push_str(if index == 0 { "" } else { "," });
            push(text, key);
            text.push_str(":\"");
            STANDARD.encode_string(value.expose(), text);
            text.push('"');
        }
        text.push_str(if self.immutable {
            "},\"immutable\":true,\"name\":"
        } else {
            "},\"immutable\":false,\"name\":"
        });
        push(text, &self.name);
        text.push_str(",\"type\":");
        push(text, &self.type_);
        text.push('}');
    }
}

fn push(text: &mut String, name: &str) {
    text.push_str(&serde_json::Value::from(name).to_string());
}

fn saved(entry: SecretEntry<'_>) -> Option<Saved> {
    let mut data = BTreeMap::new();
    for (key, text) in entry.data {
        let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
        STANDARD.decode_vec(text, &mut bytes).ok()?;
        data.insert(key, SecretValue::new(bytes));
    }
    let SecretEntry { annotations, immutable, name, type_, .. } = entry;
    Some(Saved { name, type_, immutable, annotations, data })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::text::AgeRecipient;

    fn key() -> (Identities, Recipients) {
        use age::secrecy::ExposeSecret as _;
        let identity = age::x25519::Identity::generate();
        let public: AgeRecipient = identity.to_public().to_string().parse().unwrap();
        let private =
            Identities::parse(identity.to_string().expose_secret().as_bytes()).ok().unwrap();
        (private, Recipients::new([public]).unwrap())
    }

    fn value(bytes: &[u8]) -> SecretValue {
        SecretValue::new(Zeroizing::new(bytes.to_vec()))
    }

    fn recovery() -> Recovery {
        let saved = |name: &str, immutable, bytes: &[u8]| Saved {
            name: name.to_owned(),
            type_: "Opaque".to_owned(),
            immutable,
            annotations: [("a/b".to_owned(), "{\"k\":1}".to_owned())].into(),
            data: [("k".to_owned(), value(bytes)), ("empty".to_owned(), value(b""))].into(),
        };
        let secrets = vec![saved("one", true, b"s3cret"), saved("two", false, &[0, 255, 10])];
        Recovery { bundle: "relay".to_owned(), namespace: "ns".to_owned(), secrets }
    }

    #[test]
    fn saved_secrets_are_restored_exactly_and_only_by_recipient() {
        let ((identities, recipients), (others, _)) = (key(), key());
        let file = recovery().seal(&recipients).unwrap();

        let back = Recovery::open(&file, &identities).ok().unwrap();

        assert_eq!((back.bundle.as_str(), back.namespace.as_str()), ("relay", "ns"));
        assert!(back.secrets == recovery().secrets);
        assert!(matches!(
            Recovery::open(&file, &others).err().unwrap(),
            RecoveryError::Open(OpenError::NoKeyFits)
        ));
    }

    #[test]
    fn values_of_different_lengths_look_alike() {
        let length = |bytes: usize| {
            let mut recovery = recovery();
            recovery.secrets[0].data.insert("k".to_owned(), value(&vec![b'x'; bytes]));
            recovery.content().len()
        };
        assert_eq!(length(16), length(512));
    }

    #[test]
    fn multi_chunk_recovery_is_restored_and_too_large_refused() {
        let (identities, recipients) = key();
        let mut large = recovery();
        large.secrets[0].data.insert("k".to_owned(), value(&vec![7; 200_000]));
        let file = large.seal(&recipients).unwrap();
        assert!(Recovery::open(&file, &identities).ok().unwrap().secrets == large.secrets);

        large.secrets[0].data.insert("k".to_owned(), value(&vec![7; RECOVERY_BYTES_MAX]));
        assert!(matches!(large.seal(&recipients), Err(RecoveryError::TooLarge)));
    }

    #[test]
    fn other_content_or_encoding_is_refused() {
        let (identities, recipients) = key();
        let right = recovery().content();
        let text = String::from_utf8(right.to_vec()).unwrap();
        assert!(Recovery::open(&encrypt(&right, &recipients, None), &identities).is_ok());
        for wrong in [
            String::new(),
            "s3cret".to_owned(),
            text.replace("recovery/v1", "recovery/v2"),
            text.replace("\"bundle\":", "\"bundle\": "),
            text.replace("\"immutable\":true", "\"immutable\":true,\"more\":1"),
            text.replace("czNjcmV0", "czNjcmV*"),
            text.trim_end_matches('\0').to_owned(),
            text.clone() + "\0",
        ] {
            let refused =
                Recovery::open(&encrypt(wrong.as_bytes(), &recipients, None), &identities).err();
            let why = refused.unwrap_or_else(|| panic!("taken: {wrong}")).to_string();
            assert!(!why.contains("s3cret") && !why.contains("czNj"), "{why}");
        }
    }

    #[test]
    fn any_byte_change_in_file_is_refused() {
        let (identities, recipients) = key();
        let file = recovery().seal(&recipients).unwrap();
        for at in 0..file.len() {
            let mut altered = file.clone();
            altered[at] ^= 1;
            assert!(Recovery::open(&altered, &identities).is_err(), "byte {at}");
        }
    }
}
