//! Reads the key of a signer, and tells about a new one.

use camino::Utf8Path;

use super::args::key::PassphraseArgs;
use super::ctx::Ctx;
use super::passphrase;
use crate::failure::Failure;
use crate::keyring::signing_key::{self, StoredKey, public_path};
use crate::trust::key::{PrivateKey, PublicKey};

/// Reads a private key. Asks for a passphrase only if the key is encrypted.
///
/// # Errors
///
/// When other users have access to the file, it is not an Ed25519 key, or its passphrase is missing
/// or wrong.
pub(super) fn load(
    path: &Utf8Path,
    given: &PassphraseArgs,
    ctx: &Ctx,
) -> Result<PrivateKey, Failure> {
    let encrypted = match signing_key::read(path)? {
        StoredKey::Plain(key) => {
            if given.is_given() {
                ctx.printer.say(&format!("`{path}` is not encrypted: the passphrase was not used"));
            }
            return Ok(key);
        }
        StoredKey::Encrypted(encrypted) => encrypted,
    };
    let why = || format!("`{path}` is encrypted");
    let ask = || passphrase::ask(&format!("Passphrase of {path}: "), why);
    encrypted.decrypt(&given.read()?.map_or_else(ask, Ok)?)
}

/// Tells the operator where a new pair is, which half to back up, and who needs the public key.
pub(super) fn tell_of_new_pair(private: &Utf8Path, is_encrypted: bool, key: &PublicKey, ctx: &Ctx) {
    let how = if is_encrypted { "under its passphrase" } else { "without a passphrase" };
    let public = public_path(private);
    ctx.printer.say_lines(&format!(
        "created `{private}`, the private key, {how}; keep an offline copy: it cannot be recreated; never share it
created `{public}`, the public key {id}
every site that accepts your bundles needs its entry in trust.toml and a grant that names it; compare the keyid by telephone
to print the entry again: relay-bundle keygen --public {public} --holder NAME",
        id = key.id(),
    ));
}
