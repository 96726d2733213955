//! Encrypts frames with age, and decrypts them.

use std::io::{Read as _, Write as _};

use age_core::format::{FileKey, Stanza};
use zeroize::Zeroizing;

use super::frame::{FrameError, frame, unframe};
use super::identity::Identities;
use super::recipient::Recipients;
use super::value::SecretBytes;
use crate::age_file::{ADDRESS_STANZA, Address, Form, FormError, SealedPlace, Stated, armoured};

/// Why a file does not yield the value for a place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Form(#[from] FormError),
    #[error(
        "none of the given keys can open it: it is sealed for other recipients, or was altered"
    )]
    NoKeyFits,
    #[error("it was altered or truncated")]
    Altered,
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(
        "its content is for the right place, but its address states {0}: another program sealed it"
    )]
    Contradiction(SealedPlace),
}

/// Encrypts a value for a place to recipients, in armour. Results are never identical, because age
/// draws new keys each time.
///
/// The place is in the frame, which needs a private key to read, and in the header, which is
/// readable for everyone.
pub fn seal(place: &SealedPlace, value: &SecretBytes, recipients: &Recipients) -> Vec<u8> {
    let address =
        Address { place: place.clone(), recipients: recipients.iter().cloned().collect() };
    encrypt(&frame(place, value), recipients, Some(&address))
}

/// Encrypts bytes to recipients, in armour.
pub(super) fn encrypt(bytes: &[u8], recipients: &Recipients, address: Option<&Address>) -> Vec<u8> {
    let keys = recipients.keys();
    let address = address.map(AddressStanza);
    let keys = keys.iter().map(|key| key as &dyn age::Recipient);
    let address = address.as_ref().map(|address| address as &dyn age::Recipient);
    let encryptor = age::Encryptor::with_recipients(keys.chain(address))
        .expect("there is a recipient, and all are of one kind");
    let write = || {
        let mut writer = encryptor.wrap_output(Vec::new())?;
        writer.write_all(bytes)?;
        writer.finish()
    };
    armoured(&write().expect("memory does not fail"))
}

/// Writes an address into a header.
///
/// age treats it as one more recipient, and protects the stanzas of all recipients with a MAC that
/// only a holder of the file key can compute.
struct AddressStanza<'a>(&'a Address);

impl age::Recipient for AddressStanza<'_> {
    #[expect(
        clippy::disallowed_types,
        reason = "age's trait has a set, and this one is empty: it has no order"
    )]
    fn wrap_file_key(
        &self,
        _: &FileKey,
    ) -> Result<(Vec<Stanza>, std::collections::HashSet<String>), age::EncryptError> {
        let stanza = Stanza {
            tag: ADDRESS_STANZA.to_owned(),
            args: vec![self.0.place.to_string()],
            body: self.0.body(),
        };
        Ok((vec![stanza], std::collections::HashSet::new()))
    }
}

/// Decrypts a sealed file, and returns its value if it was sealed for `place`.
///
/// # Errors
///
/// When it is not a sealed secret, no identity decrypts it, any bit was altered, or it was sealed
/// for another place.
pub fn open(
    file: &[u8],
    identities: &Identities,
    place: &SealedPlace,
) -> Result<SecretBytes, OpenError> {
    let form = Form::of(file)?;
    let value = unframe(place, &decrypt(&form, identities)?)?;
    match form.stated(place) {
        Stated::Same | Stated::Unknown => Ok(value),
        Stated::Other(other) => Err(OpenError::Contradiction(other.clone())),
    }
}

/// Decrypts the content of a file.
pub(super) fn decrypt(
    form: &Form,
    identities: &Identities,
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let decryptor = age::Decryptor::new_buffered(form.binary()).map_err(|error| refusal(&error))?;
    let mut content = decryptor.decrypt(identities.iter()).map_err(|error| refusal(&error))?;
    // Allocate the full size: a vector that grows leaves copies of the plaintext behind.
    let mut bytes = Zeroizing::new(vec![0; form.frame_bytes() + 1]);
    let mut length = 0;
    // Read to the end: age authenticates the end of the content, too.
    loop {
        match content.read(&mut bytes[length..]).map_err(|_| OpenError::Altered)? {
            0 => break,
            read => length += read,
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}

/// Converts an error of age, whose messages are written for its own command line.
fn refusal(error: &age::DecryptError) -> OpenError {
    match error {
        age::DecryptError::NoMatchingKeys => OpenError::NoKeyFits,
        _ => OpenError::Altered,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::text::AgeRecipient;

    /// Returns a new private key and its public half.
    fn key() -> (Identities, AgeRecipient) {
        use age::secrecy::ExposeSecret as _;
        let identity = age::x25519::Identity::generate();
        let public = identity.to_public().to_string().parse().unwrap();
        (Identities::parse(identity.to_string().expose_secret().as_bytes()).ok().unwrap(), public)
    }

    fn place() -> SealedPlace {
        "relay/relay-sealed/jwt-secret".parse().unwrap()
    }

    fn secret(text: &str) -> SecretBytes {
        SecretBytes::new(Zeroizing::new(text.as_bytes().to_vec())).unwrap()
    }

    fn sealed(recipients: &[&AgeRecipient]) -> Vec<u8> {
        let recipients =
            Recipients::new(recipients.iter().map(|recipient| (*recipient).clone())).unwrap();
        seal(&place(), &secret("s3cret"), &recipients)
    }

    /// Returns the decrypted value.
    fn opened(file: &[u8], identities: &Identities) -> Result<Vec<u8>, OpenError> {
        open(file, identities, &place()).map(|value| value.expose().to_vec())
    }

    #[test]
    fn sealed_value_is_opened_by_each_recipient_and_only_them() {
        let ((first, one), (second, two), (other, _)) = (key(), key(), key());
        let file = sealed(&[&one, &two]);

        assert_eq!(Form::of(&file).ok().unwrap().recipients(), 2);
        assert_eq!(opened(&file, &first).unwrap(), b"s3cret");
        assert_eq!(opened(&file, &second).unwrap(), b"s3cret");
        assert_eq!(opened(&file, &other), Err(OpenError::NoKeyFits));
        assert!(!String::from_utf8(file).unwrap().contains("s3cret"));
    }

    #[test]
    fn sealing_same_value_twice_gives_different_files() {
        let (_, public) = key();

        assert_ne!(sealed(&[&public]), sealed(&[&public]));
    }

    #[test]
    fn sealed_file_is_refused_at_other_place() {
        let (identities, public) = key();
        let file = sealed(&[&public]);
        for wanted in ["other/relay-sealed/jwt-secret", "relay/relay-sealed/admin-password"] {
            let wanted: SealedPlace = wanted.parse().unwrap();

            let refused = open(&file, &identities, &wanted).err().unwrap();

            assert_eq!(refused, OpenError::Frame(FrameError::Misplaced(place())));
        }
    }

    #[test]
    fn any_bit_change_in_sealed_file_is_refused() {
        let (identities, public) = key();
        let armour = sealed(&[&public]);
        let binary = Form::of(&armour).ok().unwrap().binary().to_vec();
        assert_eq!(opened(&binary, &identities).unwrap(), b"s3cret");

        for file in [armour, binary] {
            for bit in 0..file.len() * 8 {
                let mut altered = file.clone();
                altered[bit / 8] ^= 1 << (bit % 8);
                assert!(
                    open(&altered, &identities, &place()).is_err(),
                    "bit {bit} of {}",
                    file.len() * 8
                );
            }
            for end in 0..file.len() {
                assert!(open(&file[..end], &identities, &place()).is_err(), "{end} bytes");
            }
            for more in [&b"\n"[..], b"x", &[0; 512]] {
                assert!(open(&[&file, more].concat(), &identities, &place()).is_err());
            }
        }
    }

    #[test]
    fn unframed_age_file_is_not_sealed_secret() {
        let (identities, public) = key();
        let key: age::x25519::Recipient = public.as_str().parse().unwrap();
        let encrypt = |content: &[u8]| age::encrypt(&key, content).unwrap();

        assert_eq!(opened(&encrypt(b"s3cret"), &identities), Err(FormError::NotPadded.into()));
        assert_eq!(opened(&encrypt(&[b'a'; 512]), &identities), Err(FrameError::NotFramed.into()));
    }

    #[test]
    fn stanza_that_aborts_age_is_refused() {
        let (identities, public) = key();
        let recipients = Recipients::new([public]).unwrap();
        let file = encrypt(&frame(&place(), &secret("s3cret")), &recipients, None);
        let binary = Form::of(&file).ok().unwrap().binary().to_vec();
        let at = binary.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        let zeros = format!("-> X25519 {}\n{}\n", "A".repeat(43), "A".repeat(43));

        let forged = [&binary[..at], zeros.as_bytes(), &binary[at..]].concat();

        assert_eq!(opened(&forged, &identities), Err(OpenError::Altered));
    }

    #[test]
    fn sealed_file_states_its_address() {
        let ((_, one), (_, two)) = (key(), key());
        let form = Form::of(&sealed(&[&one, &two])).ok().unwrap();

        let address = form.address().unwrap();

        assert_eq!(form.stated(&place()), Stated::Same);
        assert_eq!(address.recipients, [one, two].into());
    }

    #[test]
    fn file_with_changed_or_removed_address_does_not_open() {
        let (identities, public) = key();
        let binary = Form::of(&sealed(&[&public])).ok().unwrap().binary().to_vec();
        let header = String::from_utf8_lossy(&binary).split("--- ").next().unwrap().len();
        let (text, rest) = (str::from_utf8(&binary[..header]).unwrap(), &binary[header..]);
        let at = text.find("-> relay-bundle-address-grease").unwrap();
        let end = at + 3 + text[at + 3..].find("-> ").unwrap();
        let moved = text.replace(&place().to_string(), "other/relay-sealed/jwt-secret");
        let removed = format!("{}{}", &text[..at], &text[end..]);
        for header in [moved, removed] {
            assert_ne!(header, text);
            let file = [header.as_bytes(), rest].concat();

            assert!(Form::of(&file).is_ok());
            assert_eq!(opened(&file, &identities), Err(OpenError::Altered));
        }
    }

    #[test]
    fn address_contradicting_content_is_refused() {
        let (identities, public) = key();
        let recipients = Recipients::new([public.clone()]).unwrap();
        let other: SealedPlace = "other/relay-sealed/jwt-secret".parse().unwrap();
        let address = Address { place: other.clone(), recipients: [public].into() };

        let file = encrypt(&frame(&place(), &secret("s3cret")), &recipients, Some(&address));

        assert_eq!(opened(&file, &identities), Err(OpenError::Contradiction(other)));
    }

    #[test]
    fn file_without_address_still_opens() {
        let (identities, public) = key();
        let recipients = Recipients::new([public]).unwrap();

        let file = encrypt(&frame(&place(), &secret("s3cret")), &recipients, None);

        assert_eq!(Form::of(&file).ok().unwrap().stated(&place()), Stated::Unknown);
        assert_eq!(opened(&file, &identities).unwrap(), b"s3cret");
    }
}
