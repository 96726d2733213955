//! Public keys in files that no other user can change.

use std::str;

use camino::Utf8Path;

use crate::failure::Failure;
use crate::fsio;
use crate::fsio::guard::read_guarded;
use crate::trust::key::PublicKey;

/// The size limit for a public key file. A key has 113 bytes.
const PUBLIC_KEY_BYTES_MAX: u64 = 16 << 10;

/// The first characters of every public key in base64.
const BASE64_BEGIN: &str = "MCow";

/// Reads a public key from a PEM file that no other user can change.
///
/// # Errors
///
/// When other users can change the file, or it is not a public key.
pub fn load_key(path: &Utf8Path) -> Result<PublicKey, Failure> {
    parse_key(path, &read_text(path, PUBLIC_KEY_BYTES_MAX, "public key")?)
}

/// Reads the public key that an argument names or is: a PEM file, or SPKI in base64.
///
/// # Errors
///
/// As [`load_key`], and when the text is not a public key.
pub fn load_or_parse(argument: &str) -> Result<PublicKey, Failure> {
    if argument.starts_with(BASE64_BEGIN) && !Utf8Path::new(argument).exists() {
        return PublicKey::from_base64(argument)
            .map_err(|error| Failure::input(format!("`--key`: {error}")));
    }
    load_key(argument.into())
}

/// Reads a public key that signatures are checked against, from a file that other users may change:
/// a forged file gains an attacker nothing, because the signature must be one by this key.
///
/// # Errors
///
/// When the file is not a public key.
pub fn load_any_key(path: &Utf8Path) -> Result<PublicKey, Failure> {
    let bytes = fsio::read_bounded(path, PUBLIC_KEY_BYTES_MAX)?;
    parse_key(path, &String::from_utf8_lossy(&bytes))
}

/// Parses a public key from the text of the file at `path`. The error says so if the text is a
/// private key or a policy.
///
/// # Errors
///
/// When the text is not a public key.
pub fn parse_key(path: &Utf8Path, text: &str) -> Result<PublicKey, Failure> {
    PublicKey::from_pem(text).map_err(|error| {
        if text.contains("PRIVATE KEY-----") {
            return Failure::input(format!("`{path}` is a private key; expected a public key"))
                .hint(
                    "only the signer may have this file: anyone who can read it can sign in their \
                     name",
                )
                .hint(format!("show its public half: relay-bundle keygen --public {path}"));
        }
        let failure = Failure::input(format!("`{path}` is not a public key: {error}"));
        if text.contains("[[key]]") || text.contains("relay-bundle/trust/") {
            return failure.hint("this is a trust policy: pass it with --trust");
        }
        failure.hint("`relay-bundle keygen` and `openssl pkey -pubout` write such a file")
    })
}

/// Reads a text that no other user can change. `what` is its kind, for messages.
pub(super) fn read_text(path: &Utf8Path, limit: u64, what: &str) -> Result<String, Failure> {
    let bytes = read_guarded(path, limit).map_err(|error| {
        if error.is_not_found() {
            return Failure::input(format!("{what} `{path}` does not exist"));
        }
        Failure::from(error)
    })?;
    let not_text = |error: str::Utf8Error| {
        Failure::input(format!(
            "`{path}` is not a {what}: it is not UTF-8 (byte {})",
            error.valid_up_to()
        ))
    };
    str::from_utf8(&bytes).map(str::to_owned).map_err(not_text)
}
