//! Key pairs of signers: the private key in a PEM file, and the public one beside it.

use camino::{Utf8Path, Utf8PathBuf};
use zeroize::Zeroizing;

use super::private_file;
use crate::failure::Failure;
use crate::fsio::{Durability, MODE_PRIVATE, MODE_PUBLIC, create_new, is_there};
use crate::trust::key::PrivateKey;
use crate::trust::key_file::{InvalidKeyFile, KEY_FILE_BYTES_MAX, Nonce};
use crate::trust::passphrase::{NEW_PASSPHRASE_BYTES_MIN, Passphrase};

/// Fills bytes with random numbers of the system.
pub type RandomSource = fn(&mut [u8]) -> Result<(), Failure>;

/// A private key as it is in its file.
pub enum StoredKey {
    Plain(PrivateKey),
    Encrypted(EncryptedKey),
}

/// A private key that needs its passphrase.
pub struct EncryptedKey {
    path: Utf8PathBuf,
    pem: Zeroizing<Vec<u8>>,
}

impl EncryptedKey {
    /// Decrypts the key.
    ///
    /// # Errors
    ///
    /// When the passphrase is wrong.
    pub fn decrypt(&self, passphrase: &Passphrase) -> Result<PrivateKey, Failure> {
        PrivateKey::from_pem(&self.pem, Some(passphrase))
            .map_err(|error| no_key(&self.path, &error))
    }
}

/// Reads a private key.
///
/// # Errors
///
/// When other users have access to its file, or it is not an Ed25519 key.
pub fn read(path: &Utf8Path) -> Result<StoredKey, Failure> {
    let pem = private_file::read_key(path, KEY_FILE_BYTES_MAX).map_err(|failure| {
        let making = format!(
            "create the pair with `relay-bundle keygen --out {path}`, or while building with \
             --keygen"
        );
        if path.exists() { failure } else { failure.hint(making) }
    })?;
    match PrivateKey::from_pem(&pem, None) {
        Ok(key) => Ok(StoredKey::Plain(key)),
        Err(InvalidKeyFile::NeedsPassphrase) => {
            Ok(StoredKey::Encrypted(EncryptedKey { path: path.to_owned(), pem }))
        }
        Err(error) => Err(no_key(path, &error)),
    }
}

/// Generates a key pair: writes the private key to `private` with mode 0600, and the public key
/// beside it as `….pub.pem`.
///
/// The private key is on disk before the public key is written.
///
/// # Errors
///
/// When either file exists: then nothing is written.
pub fn make_pair(
    private: &Utf8Path,
    passphrase: Option<&Passphrase>,
    random: RandomSource,
) -> Result<PrivateKey, Failure> {
    let public = public_path(private);
    for path in [private, &public] {
        if is_there(path)? {
            return Err(Failure::input(format!(
                "`{path}` already exists, and keys are never overwritten"
            ))
            .hint("choose another file for the new key")
            .hint(format!("show the existing key: relay-bundle keygen --public {path}")));
        }
    }

    passphrase.map_or(Ok(()), check_new)?;
    let key = PrivateKey::from_seed(&*bytes::<32>(random)?);
    let pem = match passphrase {
        Some(passphrase) => {
            let (salt, iv): (Zeroizing<Nonce>, Zeroizing<Nonce>) = (bytes(random)?, bytes(random)?);
            key.to_encrypted_pem(passphrase, &salt, *iv)
        }
        None => key.to_pem(),
    };

    create_new(private, pem.as_bytes(), MODE_PRIVATE, Durability::Synced)?;
    create_new(&public, key.public().to_pem().as_bytes(), MODE_PUBLIC, Durability::Synced)
        .map_err(|error| {
            Failure::from(error)
                .hint(format!(
                    "the private key `{private}` is complete; once there is space, create its \
                     public half: openssl pkey -in {private} -pubout -out {public}"
                ))
                .hint(format!(
                    "print its trust entry: relay-bundle keygen --public {private} --holder NAME"
                ))
        })?;
    Ok(key)
}

/// Rejects a passphrase that is too short for a new key.
///
/// # Errors
///
/// When it is too short.
pub fn check_new(passphrase: &Passphrase) -> Result<(), Failure> {
    if !passphrase.is_short() {
        return Ok(());
    }
    Err(Failure::input(format!("the passphrase has fewer than {NEW_PASSPHRASE_BYTES_MIN} bytes"))
        .hint("use several words: a thief of the file can try billions of passphrases"))
}

/// Returns the path of the public key of a private key: `signing.pub.pem` for `signing.pem`.
pub fn public_path(private: &Utf8Path) -> Utf8PathBuf {
    let stem = private.as_str().strip_suffix(".pem").unwrap_or(private.as_str());
    format!("{stem}.pub.pem").into()
}

fn bytes<const N: usize>(random: RandomSource) -> Result<Zeroizing<[u8; N]>, Failure> {
    let mut bytes = Zeroizing::new([0; N]);
    random(&mut *bytes)?;
    Ok(bytes)
}

fn no_key(path: &Utf8Path, error: &InvalidKeyFile) -> Failure {
    let remedy = error.remedy();
    let failure = Failure::input(format!("`{path}` cannot sign: {error}"));
    remedy.into_iter().fold(failure, Failure::hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANDOM: RandomSource = |bytes| {
        bytes.fill(7);
        Ok(())
    };

    fn folder() -> (tempfile::TempDir, Utf8PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        (folder, path)
    }

    #[test]
    fn encrypted_pair_is_read_with_its_passphrase() {
        let (_keep, folder) = folder();
        let path = folder.join("signing.pem");
        let passphrase =
            Passphrase::from_line(&Zeroizing::new(b"correct horse\n".to_vec())).unwrap();

        let made = make_pair(&path, Some(&passphrase), RANDOM).unwrap();

        let StoredKey::Encrypted(read) = read(&path).unwrap() else { panic!("it is encrypted") };
        assert_eq!(read.decrypt(&passphrase).unwrap().public(), made.public());
    }

    #[test]
    fn public_key_without_its_private_one_is_not_replaced() {
        let (_keep, folder) = folder();
        let path = folder.join("signing.pem");
        create_new(&public_path(&path), b"precious", MODE_PUBLIC, Durability::Cached).unwrap();

        let failure = make_pair(&path, None, RANDOM).err().unwrap();

        let message = failure.message();
        assert!(message.contains("signing.pub.pem` already exists"), "{message}");
        assert!(!path.exists());
    }

    #[test]
    fn public_key_is_beside_private_key() {
        for (private, public) in [
            ("signing.pem", "signing.pub.pem"),
            ("keys/a.b.pem", "keys/a.b.pub.pem"),
            ("key", "key.pub.pem"),
        ] {
            assert_eq!(public_path(private.into()), public);
        }
    }
}
