//! Private key files: PKCS#8 in PEM, compatible with OpenSSL, plain or encrypted with a passphrase.
//!
//! Pure: the caller reads the disk, asks for passphrases and supplies randomness. Secrets are wiped
//! on drop, and no error message contains any part of one.

use std::str;

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::{ALGORITHM_OID, KeypairBytes};
use pkcs8::der::Decode as _;
use pkcs8::der::ErrorKind;
use pkcs8::der::asn1::{AnyRef, OctetStringRef};
use pkcs8::pkcs5::pbes2::{
    EncryptionScheme as Cipher, Kdf, PBES2_OID, Parameters, Pbkdf2Prf, Salt, ScryptParams,
};
use pkcs8::{
    AlgorithmIdentifierRef, EncodePrivateKey as _, EncryptedPrivateKeyInfoRef, LineEnding,
    ObjectIdentifier, PrivateKeyInfoRef, SecretDocument, pkcs5,
};
use zeroize::Zeroizing;

use super::key::PrivateKey;
use super::passphrase::Passphrase;
use super::pem::rewrapped;
use crate::model::printable::escaped_start;

/// The maximum size of a key file; ours have 119 bytes, or 290 with a passphrase.
pub const KEY_FILE_BYTES_MAX: u64 = 16 << 10;

/// A random salt or initialisation vector of an encrypted key; never reused.
pub type Nonce = [u8; 16];

const PLAIN: &str = "PRIVATE KEY";
const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";

/// The scrypt parameters of our own keys: 16 MiB, and five times the work of OpenSSL's default.
/// OpenSSL refuses to use more memory.
const SCRYPT_COST: u64 = 1 << 14;
const SCRYPT_BLOCK: u16 = 8;
const SCRYPT_LANES: u16 = 5;

/// Limits on the work that an untrusted key file can cause: about two seconds.
const SCRYPT_MEMORY_BYTES_MAX: u64 = 64 << 20;
const SCRYPT_WORK_MAX: u64 = 1 << 22;
const PBKDF2_ITERATIONS_MAX: u32 = 10_000_000;

/// The names of algorithms that key files may use and we reject, by object identifier.
const ALGORITHMS: [(&str, &str); 16] = [
    ("1.2.840.113549.1.1.1", "RSA"),
    ("1.2.840.113549.1.1.10", "RSA-PSS"),
    ("1.2.840.10040.4.1", "DSA"),
    ("1.2.840.10045.2.1", "ECDSA"),
    ("1.3.101.110", "X25519"),
    ("1.3.101.111", "X448"),
    ("1.3.101.113", "Ed448"),
    ("1.2.840.113549.1.5.3", "PBES1 (MD5 and DES)"),
    ("1.2.840.113549.1.5.6", "PBES1 (MD5 and RC2)"),
    ("1.2.840.113549.1.5.10", "PBES1 (SHA-1 and DES)"),
    ("1.2.840.113549.1.5.11", "PBES1 (SHA-1 and RC2)"),
    ("1.2.840.113549.1.12.1.3", "PBES1 of PKCS#12 (SHA-1 and 3DES)"),
    ("1.2.840.113549.1.12.1.6", "PBES1 of PKCS#12 (SHA-1 and RC2)"),
    ("1.2.840.113549.2.7", "PBKDF2 with SHA-1"),
    ("1.2.840.113549.3.7", "3DES"),
    ("1.3.14.3.2.7", "DES"),
];

/// How many PEM labels a message lists for a file with several blocks.
const LABELS_SHOWN: usize = 9;

/// Why a file is not a private key for signing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeyFile {
    #[error("it is not a PEM file with `BEGIN {PLAIN}`")]
    NotPem,
    #[error("it has several PEM blocks: {}", .labels.join(", "))]
    Several { labels: Vec<String> },
    #[error("it is the public half of a key")]
    Public,
    #[error("it has {label}, which is not a PKCS#8 private key")]
    OtherFormat { label: String },
    #[error("it is a key for {algorithm}; bundles are signed with Ed25519")]
    NotEd25519 { algorithm: String },
    #[error("it is encrypted, and no passphrase was given")]
    NeedsPassphrase,
    #[error("the passphrase is wrong, or the file is damaged")]
    WrongPassphrase,
    #[error("it is encrypted with {scheme}, which is weak or unknown")]
    UnsupportedEncryption { scheme: String },
    #[error("deriving its key from the passphrase would take {what}; the limit is {limit}")]
    TooCostly { what: String, limit: String },
    #[error("its public key belongs to another private key")]
    OtherPublicKey,
    // No detail: a part of the file could be a part of the key.
    #[error("it is damaged")]
    Damaged,
}

impl InvalidKeyFile {
    /// Returns the remedy, if the operator has one.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::NotPem => Some(
                "convert a DER key to PEM with `openssl pkey -inform DER -in KEY -out KEY.pem`",
            ),
            Self::Several { .. } => Some("copy the private key to a separate file"),
            Self::Public => Some("pass the private half, without `.pub` in its name"),
            Self::OtherFormat { .. } => Some(
                "convert it with `openssl pkcs8 -topk8 -in OLD -out NEW -scrypt`, or create one \
                 with `relay-bundle keygen`",
            ),
            Self::NotEd25519 { .. } => Some("create a key with `relay-bundle keygen`"),
            Self::UnsupportedEncryption { .. } | Self::TooCostly { .. } => {
                Some("encrypt it again with `openssl pkcs8 -topk8 -in OLD -out NEW -scrypt`")
            }
            Self::OtherPublicKey => Some(
                "restore the key from its backup, or keep only the private half: `openssl pkey -in \
                 OLD -out NEW`",
            ),
            Self::Damaged => Some("restore the key from its backup"),
            Self::NeedsPassphrase | Self::WrongPassphrase => None,
        }
    }
}

impl PrivateKey {
    /// Returns the key as a file: PKCS#8 version 1 in PEM, readable by every OpenSSL since 1.1.1.
    pub fn to_pem(&self) -> Zeroizing<String> {
        self.keypair().to_pkcs8_pem(LineEnding::LF).expect("48 bytes of DER always fit a PEM file")
    }

    /// Returns the key as a file encrypted with `passphrase`. Both `salt` and `iv` must be random.
    pub fn to_encrypted_pem(
        &self,
        passphrase: &Passphrase,
        salt: &Nonce,
        iv: Nonce,
    ) -> Zeroizing<String> {
        let kdf = Kdf::Scrypt(ScryptParams {
            salt: Salt::new(salt).expect("16 bytes are no more than 32"),
            cost_parameter: SCRYPT_COST,
            block_size: SCRYPT_BLOCK,
            parallelization: SCRYPT_LANES,
            key_length: None,
        });
        let plain = self.keypair().to_pkcs8_der().expect("48 bytes always fit a document");
        let info =
            PrivateKeyInfoRef::from_der(plain.as_bytes()).expect("it was encoded a line before");
        let parameters = Parameters { kdf, encryption: Cipher::Aes256Cbc { iv } };
        info.encrypt_with_params(parameters, passphrase.as_bytes())
            .expect("the parameters are legal")
            .to_pem(ENCRYPTED, LineEnding::LF)
            .expect("300 bytes of DER always fit a PEM file")
    }

    /// Reads a key file: PKCS#8 version 1 or 2 in PEM, plain or encrypted as OpenSSL does it.
    ///
    /// # Errors
    ///
    /// Returns an error if the file is anything else, if the passphrase is wrong or missing, or if
    /// decryption would cost more than the limits allow.
    pub fn from_pem(file: &[u8], passphrase: Option<&Passphrase>) -> Result<Self, InvalidKeyFile> {
        let text = str::from_utf8(file).map_err(|_| InvalidKeyFile::NotPem)?;
        let is_encrypted = check_label(text)? == ENCRYPTED;
        // RFC 7468 allows text before the block; only white space may follow it.
        let read =
            |text: &str| SecretDocument::from_pem(text.trim_end()).map(|(_, document)| document);
        let document = read(text)
            .or_else(|error| rewrapped(text).map_or(Err(error), |text| read(&text)))
            .map_err(|_| InvalidKeyFile::Damaged)?;
        if !is_encrypted {
            return decode(document.as_bytes());
        }
        decrypt(document.as_bytes(), passphrase)
    }

    fn keypair(&self) -> KeypairBytes {
        // Including the public key would make it version 2, which OpenSSL 3.0 refuses.
        KeypairBytes { secret_key: self.signing_key().to_bytes(), public_key: None }
    }
}

/// Returns the label of a file's only PEM block, if it is one of the two supported labels.
fn check_label(text: &str) -> Result<&str, InvalidKeyFile> {
    let begins = text.lines().filter_map(|line| line.strip_prefix("-----BEGIN "));
    let labels: Vec<&str> = begins.map(|rest| rest.trim_end().trim_end_matches('-')).collect();
    for (label, algorithm) in
        [("RSA PRIVATE KEY", "RSA"), ("EC PRIVATE KEY", "ECDSA"), ("DSA PRIVATE KEY", "DSA")]
    {
        if labels.contains(&label) {
            return Err(InvalidKeyFile::NotEd25519 { algorithm: algorithm.to_owned() });
        }
    }
    match labels[..] {
        [] => Err(InvalidKeyFile::NotPem),
        [label @ (PLAIN | ENCRYPTED)] => Ok(label),
        [label] if label.ends_with("PUBLIC KEY") => Err(InvalidKeyFile::Public),
        [label] => Err(InvalidKeyFile::OtherFormat { label: shown(label) }),
        _ => Err(InvalidKeyFile::Several {
            labels: labels.iter().take(LABELS_SHOWN).map(|label| shown(label)).collect(),
        }),
    }
}

/// Returns a label for a message, cut short and without control characters.
fn shown(label: &str) -> String {
    format!("`{}`", escaped_start(label, 40))
}

fn decrypt(der: &[u8], passphrase: Option<&Passphrase>) -> Result<PrivateKey, InvalidKeyFile> {
    let unsupported = |oid| InvalidKeyFile::UnsupportedEncryption { scheme: name_of(oid) };
    // The library decodes the parameters before it reports the scheme, so read the scheme first.
    let scheme = scheme_of(der).map_err(|_| InvalidKeyFile::Damaged)?;
    if scheme != PBES2_OID {
        return Err(unsupported(scheme));
    }

    let info = EncryptedPrivateKeyInfoRef::from_der(der).map_err(|error| match error.kind() {
        ErrorKind::OidUnknown { oid } => unsupported(oid),
        _ => InvalidKeyFile::Damaged,
    })?;

    let parameters = info.encryption_algorithm.pbes2().expect("this is PBES2");
    check_cost(&parameters.kdf)?;
    let passphrase = passphrase.ok_or(InvalidKeyFile::NeedsPassphrase)?;
    let mut buffer = Zeroizing::new(info.encrypted_data.as_bytes().to_vec());
    let plain = parameters.decrypt_in_place(passphrase.as_bytes(), &mut buffer).map_err(
        |error| match error {
            pkcs5::Error::DecryptFailed => InvalidKeyFile::WrongPassphrase,
            pkcs5::Error::UnsupportedAlgorithm { oid } => unsupported(oid),
            _ => InvalidKeyFile::Damaged,
        },
    )?;

    // One wrong passphrase in 256 happens to yield valid padding.
    decode(plain).map_err(|error| match error {
        InvalidKeyFile::Damaged => InvalidKeyFile::WrongPassphrase,
        other => other,
    })
}

/// Returns the encryption scheme of an encrypted key.
fn scheme_of(der: &[u8]) -> Result<ObjectIdentifier, pkcs8::der::Error> {
    AnyRef::from_der(der)?.sequence(|reader| {
        let algorithm = AlgorithmIdentifierRef::decode(reader)?;
        <&OctetStringRef>::decode(reader)?;
        Ok(algorithm.oid)
    })
}

/// Rejects parameters that exceed the time or memory limits, before spending either.
fn check_cost(kdf: &Kdf) -> Result<(), InvalidKeyFile> {
    let costly = |what: String, limit: String| Err(InvalidKeyFile::TooCostly { what, limit });
    match kdf {
        Kdf::Scrypt(scrypt) => {
            let (cost, block) = (scrypt.cost_parameter, u64::from(scrypt.block_size));
            let lanes = u64::from(scrypt.parallelization);
            if !cost.is_power_of_two() || cost < 2 || block == 0 || lanes == 0 {
                return Err(InvalidKeyFile::Damaged);
            }
            let memory = cost.saturating_add(lanes).saturating_mul(128 * block);
            if memory > SCRYPT_MEMORY_BYTES_MAX {
                return costly(
                    format!("{memory} bytes of memory"),
                    SCRYPT_MEMORY_BYTES_MAX.to_string(),
                );
            }
            let work = cost.saturating_mul(block * lanes);
            if work > SCRYPT_WORK_MAX {
                return costly(format!("{work} steps of scrypt"), SCRYPT_WORK_MAX.to_string());
            }
            Ok(())
        }
        Kdf::Pbkdf2(pbkdf2) if pbkdf2.iteration_count > PBKDF2_ITERATIONS_MAX => costly(
            format!("{} iterations of PBKDF2", pbkdf2.iteration_count),
            PBKDF2_ITERATIONS_MAX.to_string(),
        ),
        Kdf::Pbkdf2(pbkdf2) if pbkdf2.iteration_count == 0 => Err(InvalidKeyFile::Damaged),
        Kdf::Pbkdf2(pbkdf2) if pbkdf2.prf == Pbkdf2Prf::HmacWithSha1 => {
            Err(InvalidKeyFile::UnsupportedEncryption { scheme: name_of(pbkdf2.prf.oid()) })
        }
        Kdf::Pbkdf2(_) => Ok(()),
        _ => Err(InvalidKeyFile::UnsupportedEncryption { scheme: name_of(kdf.oid()) }),
    }
}

fn decode(der: &[u8]) -> Result<PrivateKey, InvalidKeyFile> {
    let info = PrivateKeyInfoRef::from_der(der).map_err(|_| InvalidKeyFile::Damaged)?;
    if info.algorithm.oid != ALGORITHM_OID {
        return Err(InvalidKeyFile::NotEd25519 { algorithm: name_of(info.algorithm.oid) });
    }
    let declared = info.public_key;
    let keypair = KeypairBytes::try_from(info).map_err(|_| InvalidKeyFile::Damaged)?;
    let key = SigningKey::from_bytes(&keypair.secret_key);
    let public = key.verifying_key();
    if declared.is_some_and(|bits| bits.as_bytes() != Some(public.as_bytes())) {
        return Err(InvalidKeyFile::OtherPublicKey);
    }
    Ok(PrivateKey::from_signing_key(key))
}

/// Returns the name of an algorithm, or its object identifier if it is not in the list.
fn name_of(oid: ObjectIdentifier) -> String {
    let number = oid.to_string();
    let known = ALGORITHMS.iter().find(|(known, _)| *known == number);
    known.map_or(number.clone(), |(_, name)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use pkcs8::pkcs5::pbes2::Pbkdf2Params;

    use super::*;
    use crate::trust::key::PublicKey;

    /// PKCS#8 version 1 of the key whose seed is 32 bytes of 7, as `openssl pkey` writes it too.
    const GOLDEN: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH
-----END PRIVATE KEY-----
";

    fn key() -> PrivateKey {
        PrivateKey::from_seed(&[7; 32])
    }

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::from_line(&Zeroizing::new(text.as_bytes().to_vec())).unwrap()
    }

    fn error(file: &str, passphrase: Option<&Passphrase>) -> InvalidKeyFile {
        PrivateKey::from_pem(file.as_bytes(), passphrase).err().expect("the file is refused")
    }

    fn public(file: &str, passphrase: Option<&Passphrase>) -> PublicKey {
        PrivateKey::from_pem(file.as_bytes(), passphrase).unwrap().public()
    }

    fn pem(label: &'static str, der: &[u8]) -> String {
        pkcs8::der::pem::encode_string(label, LineEnding::LF, der).unwrap()
    }

    /// The key in PKCS#8 version 2, with a public key that may belong to another private key.
    fn version_2(public: &PrivateKey) -> String {
        let public_key = Some(ed25519_dalek::pkcs8::PublicKeyBytes(
            public.signing_key().verifying_key().to_bytes(),
        ));
        let keypair = KeypairBytes { secret_key: key().signing_key().to_bytes(), public_key };
        keypair.to_pkcs8_pem(LineEnding::LF).unwrap().to_string()
    }

    /// The key, encrypted with "correct horse" and any parameters.
    fn encrypted(kdf: Kdf, encryption: Cipher) -> String {
        let plain = key().keypair().to_pkcs8_der().unwrap();
        let info = PrivateKeyInfoRef::from_der(plain.as_bytes()).unwrap();
        let document =
            info.encrypt_with_params(Parameters { kdf, encryption }, "correct horse").unwrap();
        document.to_pem(ENCRYPTED, LineEnding::LF).unwrap().to_string()
    }

    /// An encrypted key file that declares these parameters; its ciphertext is made up.
    fn claimed(kdf: Kdf) -> String {
        let parameters = Parameters { kdf, encryption: Cipher::Aes256Cbc { iv: [2; 16] } };
        let data = OctetStringRef::new(&[3; 64]).unwrap();
        let info = EncryptedPrivateKeyInfoRef {
            encryption_algorithm: parameters.into(),
            encrypted_data: data,
        };
        SecretDocument::encode_msg(&info)
            .unwrap()
            .to_pem(ENCRYPTED, LineEnding::LF)
            .unwrap()
            .to_string()
    }

    fn scrypt(cost_parameter: u64, block_size: u16, parallelization: u16) -> Kdf {
        let salt = Salt::new([1; 16]).unwrap();
        Kdf::Scrypt(ScryptParams {
            salt,
            cost_parameter,
            block_size,
            parallelization,
            key_length: None,
        })
    }

    fn pbkdf2(iteration_count: u32, prf: Pbkdf2Prf) -> Kdf {
        let salt = Salt::new([1; 8]).unwrap();
        Kdf::Pbkdf2(Pbkdf2Params { salt, iteration_count, key_length: None, prf })
    }

    #[test]
    fn key_is_written_in_one_form_and_read_back() {
        let text = key().to_pem();

        assert_eq!(*text, GOLDEN);
        assert_eq!(public(GOLDEN, None), key().public());
        assert_eq!(public(&GOLDEN.replace('\n', "\r\n"), None), key().public());
        assert_eq!(
            public(&format!("the key of the build desk\n{GOLDEN}\n\n"), None),
            key().public()
        );
        assert!(u64::try_from(text.len()).unwrap() < KEY_FILE_BYTES_MAX);
    }

    #[test]
    fn encrypted_key_is_deterministic_and_needs_its_passphrase() {
        let horse = passphrase("correct horse\n");
        let text = key().to_encrypted_pem(&horse, &[1; 16], [2; 16]);

        assert_eq!(*text, *key().to_encrypted_pem(&horse, &[1; 16], [2; 16]));
        assert_ne!(*text, *key().to_encrypted_pem(&horse, &[3; 16], [2; 16]));
        assert!(text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"), "{}", *text);
        assert_eq!(public(&text, Some(&horse)), key().public());
        assert_eq!(error(&text, None), InvalidKeyFile::NeedsPassphrase);
        assert_eq!(
            error(&text, Some(&passphrase("correct house"))),
            InvalidKeyFile::WrongPassphrase
        );
    }

    #[test]
    fn wrong_passphrase_with_valid_padding_is_reported_as_wrong() {
        // One in 256 does: about four in a thousand.
        let text =
            encrypted(pbkdf2(1, Pbkdf2Prf::HmacWithSha256), Cipher::Aes256Cbc { iv: [2; 16] });

        let errors =
            (0..1000).map(|number| error(&text, Some(&passphrase(&format!("wrong {number}")))));

        assert!(errors.into_iter().all(|error| error == InvalidKeyFile::WrongPassphrase));
    }

    #[test]
    fn version_2_is_read_if_its_two_halves_belong_together() {
        assert_eq!(public(&version_2(&key()), None), key().public());
        assert_eq!(
            error(&version_2(&PrivateKey::from_seed(&[8; 32])), None),
            InvalidKeyFile::OtherPublicKey
        );
    }

    #[test]
    fn encryption_schemes_of_other_tools_are_read() {
        let horse = passphrase("correct horse");
        let iv = [2; 16];
        for (kdf, encryption) in [
            (pbkdf2(2048, Pbkdf2Prf::HmacWithSha256), Cipher::Aes256Cbc { iv }),
            (pbkdf2(2048, Pbkdf2Prf::HmacWithSha512), Cipher::Aes128Cbc { iv }),
            (scrypt(1 << 14, 8, 1), Cipher::Aes192Cbc { iv }),
        ] {
            assert_eq!(public(&encrypted(kdf, encryption), Some(&horse)), key().public());
        }
    }

    #[test]
    fn costly_or_weak_key_derivation_is_refused_before_computing() {
        let horse = passphrase("correct horse");
        for kdf in [
            scrypt(1 << 17, 8, 1),
            scrypt(1 << 40, 8, 1),
            scrypt(1 << 63, u16::MAX, u16::MAX),
            scrypt(2, u16::MAX, u16::MAX),
            scrypt(1 << 14, 8, 33),
            pbkdf2(10_000_001, Pbkdf2Prf::HmacWithSha256),
            pbkdf2(u32::MAX, Pbkdf2Prf::HmacWithSha512),
        ] {
            let shown = format!("{kdf:?}");
            let found = error(&claimed(kdf), Some(&horse));
            assert!(matches!(found, InvalidKeyFile::TooCostly { .. }), "{shown}: {found}");
        }

        for kdf in
            [scrypt(0, 8, 1), scrypt(1, 8, 1), scrypt(3, 8, 1), scrypt(16, 0, 1), scrypt(16, 8, 0)]
        {
            assert_eq!(error(&claimed(kdf), Some(&horse)), InvalidKeyFile::Damaged);
        }
        assert_eq!(
            error(&claimed(pbkdf2(0, Pbkdf2Prf::HmacWithSha256)), Some(&horse)),
            InvalidKeyFile::Damaged
        );

        let scheme = "PBKDF2 with SHA-1".to_owned();
        let sha1 = claimed(pbkdf2(2048, Pbkdf2Prf::HmacWithSha1));
        assert_eq!(error(&sha1, Some(&horse)), InvalidKeyFile::UnsupportedEncryption { scheme });
    }

    #[test]
    fn input_other_than_pkcs8_private_key_is_named_with_remedy() {
        let body = GOLDEN.lines().nth(1).unwrap();
        let block =
            |label: &str| format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n");
        let not_ed25519 = |name: &str| InvalidKeyFile::NotEd25519 { algorithm: name.to_owned() };

        let table = [
            (String::new(), InvalidKeyFile::NotPem),
            (body.to_owned(), InvalidKeyFile::NotPem),
            (key().public().to_pem(), InvalidKeyFile::Public),
            (block("RSA PUBLIC KEY"), InvalidKeyFile::Public),
            (block("RSA PRIVATE KEY"), not_ed25519("RSA")),
            (
                format!("{}{}", block("EC PARAMETERS"), block("EC PRIVATE KEY")),
                not_ed25519("ECDSA"),
            ),
            (
                block("OPENSSH PRIVATE KEY"),
                InvalidKeyFile::OtherFormat { label: "`OPENSSH PRIVATE KEY`".to_owned() },
            ),
            (block("\u{1b}[2J"), InvalidKeyFile::OtherFormat { label: "`\\u{1b}[2J`".to_owned() }),
            (
                format!("{GOLDEN}{}", block("CERTIFICATE")),
                InvalidKeyFile::Several {
                    labels: vec!["`PRIVATE KEY`".to_owned(), "`CERTIFICATE`".to_owned()],
                },
            ),
            (GOLDEN.replace("K2VwB", "K2VuB"), not_ed25519("X25519")),
            (GOLDEN.replace("K2VwB", "K2VxB"), not_ed25519("Ed448")),
        ];

        for (file, wanted) in table {
            let found = error(&file, None);
            assert_eq!(found, wanted, "{file}");
            assert!(found.remedy().is_some(), "{found}");
        }
        let der = SecretDocument::from_pem(GOLDEN).unwrap().1;
        assert_eq!(PrivateKey::from_pem(der.as_bytes(), None).err(), Some(InvalidKeyFile::NotPem));
    }

    #[test]
    fn damaged_key_file_is_refused_without_showing_content() {
        let der = SecretDocument::from_pem(GOLDEN).unwrap().1;
        let (mut refused, mut other) = (0, 0);
        for bit in 0..16 * 8 {
            let mut bytes = der.as_bytes().to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            match PrivateKey::from_pem(pem(PLAIN, &bytes).as_bytes(), None) {
                Err(InvalidKeyFile::Damaged | InvalidKeyFile::NotEd25519 { .. }) => refused += 1,
                Err(error) => panic!("bit {bit}: {error}"),
                Ok(_) => other += 1,
            }
        }
        assert_eq!((refused, other), (128, 0));
        for length in 0..der.as_bytes().len() {
            let text = pem(PLAIN, &der.as_bytes()[..length]);
            assert_eq!(error(&text, None), InvalidKeyFile::Damaged, "{length}");
        }
        assert_eq!(InvalidKeyFile::Damaged.to_string(), "it is damaged");
    }

    #[test]
    fn bit_change_in_encrypted_key_never_yields_same_key() {
        let horse = passphrase("correct horse");
        let file =
            encrypted(pbkdf2(1, Pbkdf2Prf::HmacWithSha256), Cipher::Aes256Cbc { iv: [2; 16] });
        let der = SecretDocument::from_pem(&file).unwrap().1;
        let (mut refused, mut other_key) = (0, 0);
        for bit in 0..der.as_bytes().len() * 8 {
            let mut bytes = der.as_bytes().to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            match PrivateKey::from_pem(pem(ENCRYPTED, &bytes).as_bytes(), Some(&horse)) {
                Ok(changed) => {
                    assert_ne!(changed.public(), key().public(), "bit {bit}");
                    other_key += 1;
                }
                Err(_) => refused += 1,
            }
        }
        // The format has no checksum: changing the second block of the ciphertext yields another
        // key, which no policy trusts.
        assert_eq!((refused, other_key), (der.as_bytes().len() * 8 - 128, 128));
    }
}
