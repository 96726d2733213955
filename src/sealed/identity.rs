//! Private age keys, in the format of `age-keygen`.

use age::secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

use crate::age_file::{ARMOUR_BEGIN, MAGIC_BEGIN};
use crate::model::text::AgeRecipient;

/// The maximum size of a file with identities.
pub const IDENTITIES_BYTES_MAX: u64 = 16 << 10;
const IDENTITIES_MAX: usize = 32;

/// The private keys that decrypt sealed secrets. They cannot be printed, and are overwritten when
/// dropped.
pub struct Identities(Vec<age::x25519::Identity>);

/// A new private key with its public half.
pub struct NewIdentity {
    pub public: AgeRecipient,
    /// The private key as a line in the format of `age-keygen`.
    pub line: Zeroizing<String>,
}

impl NewIdentity {
    /// Generates a key; age takes the randomness from the system.
    pub fn generate() -> Self {
        let identity = age::x25519::Identity::generate();
        let line = Zeroizing::new(identity.to_string().expose_secret().to_owned());
        Self { public: public_half(&identity), line }
    }
}

fn public_half(identity: &age::x25519::Identity) -> AgeRecipient {
    identity
        .to_public()
        .to_string()
        .parse()
        .expect("the public half of a private key is a recipient")
}

/// Why a file is not a list of private keys. Reveals only a line number of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIdentities {
    #[error("it has no age private key")]
    None,
    #[error("it has more than {IDENTITIES_MAX} private keys")]
    TooMany,
    #[error("it is encrypted; decrypt it with: --identity <(age -d FILE)")]
    Encrypted,
    #[error("it is UTF-16; save it as UTF-8")]
    Wide,
    #[error("it is an SSH private key; create a key with `relay-bundle keygen --age`")]
    Ssh,
    #[error(
        "it is a PEM file, like signing keys; pass the age private key that `keygen --age` or \
         `age-keygen` wrote"
    )]
    Pem,
    #[error(
        "line {0} is a plugin key, which is not supported; create a key with `relay-bundle keygen \
         --age`"
    )]
    Plugin(usize),
    #[error(
        "line {0} is a private key of an unsupported type; use the default type of `age-keygen`"
    )]
    OtherKind(usize),
    #[error(
        "line {0} is a public key; the private key is in the file that `keygen --age --out` wrote"
    )]
    PublicKey(usize),
    #[error("line {0} is not an age private key")]
    Malformed(usize),
}

impl Identities {
    /// Parses the private keys of a file: one per line, with optional comments and empty lines.
    ///
    /// # Errors
    ///
    /// When the file has no private key, too many, or any other content.
    pub fn parse(file: &[u8]) -> Result<Self, InvalidIdentities> {
        if file.starts_with(&[0xff, 0xfe]) || file.starts_with(&[0xfe, 0xff]) {
            return Err(InvalidIdentities::Wide);
        }

        // Windows editors write a byte order mark.
        let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
        if file.starts_with(ARMOUR_BEGIN.as_bytes()) || file.starts_with(MAGIC_BEGIN.as_bytes()) {
            return Err(InvalidIdentities::Encrypted);
        }
        if file.starts_with(b"-----BEGIN OPENSSH") {
            return Err(InvalidIdentities::Ssh);
        }
        if file.starts_with(b"-----BEGIN ") {
            return Err(InvalidIdentities::Pem);
        }

        let mut identities = Vec::new();
        for (number, line) in (1..).zip(file.split(|byte| *byte == b'\n')) {
            let line =
                str::from_utf8(line).map_err(|_| InvalidIdentities::Malformed(number))?.trim();
            if !line.is_empty() && !line.starts_with('#') {
                identities.push(identity(line, number)?);
            }
            if identities.len() > IDENTITIES_MAX {
                return Err(InvalidIdentities::TooMany);
            }
        }
        if identities.is_empty() { Err(InvalidIdentities::None) } else { Ok(Self(identities)) }
    }

    /// Returns the public halves.
    pub fn recipients(&self) -> Vec<AgeRecipient> {
        self.0.iter().map(public_half).collect()
    }

    /// Yields the keys as age's trait objects.
    pub(super) fn iter(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.0.iter().map(|identity| identity as &dyn age::Identity)
    }
}

fn identity(line: &str, number: usize) -> Result<age::x25519::Identity, InvalidIdentities> {
    line.parse().map_err(|_| {
        let upper = Zeroizing::new(line.to_ascii_uppercase());
        if upper.starts_with("AGE-PLUGIN-") {
            InvalidIdentities::Plugin(number)
        } else if upper.strip_prefix("AGE-SECRET-KEY-").is_some_and(|rest| !rest.starts_with('1')) {
            InvalidIdentities::OtherKind(number)
        } else if upper.starts_with("AGE1") {
            InvalidIdentities::PublicKey(number)
        } else {
            InvalidIdentities::Malformed(number)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";

    fn read(text: &str) -> Result<usize, InvalidIdentities> {
        Identities::parse(text.as_bytes()).map(|identities| identities.iter().count())
    }

    #[test]
    fn keys_stand_between_comments_and_empty_lines() {
        assert_eq!(read(KEY), Ok(1));
        assert_eq!(
            read(&format!("# created: 2026\n# public key: age1\n\n{KEY}\r\n{KEY}\n")),
            Ok(2)
        );
        assert_eq!(read(&format!("\u{feff}{KEY}")), Ok(1));
    }

    #[test]
    fn input_that_is_not_age_private_key_is_refused_by_kind() {
        let altered = KEY.replace("GQ97", "GQ98");
        let table = [
            (String::new(), InvalidIdentities::None),
            ("# nothing\n".to_owned(), InvalidIdentities::None),
            (format!("{KEY}\n").repeat(33), InvalidIdentities::TooMany),
            ("age-encryption.org/v1\n-> scrypt".to_owned(), InvalidIdentities::Encrypted),
            (format!("{ARMOUR_BEGIN}\n"), InvalidIdentities::Encrypted),
            ("-----BEGIN OPENSSH PRIVATE KEY-----\n".to_owned(), InvalidIdentities::Ssh),
            ("-----BEGIN PRIVATE KEY-----\n".to_owned(), InvalidIdentities::Pem),
            (format!("{KEY}\nAGE-PLUGIN-YUBIKEY-1QQQ\n"), InvalidIdentities::Plugin(2)),
            ("AGE-SECRET-KEY-PQ-1QQQ".to_owned(), InvalidIdentities::OtherKind(1)),
            (
                "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p".to_owned(),
                InvalidIdentities::PublicKey(1),
            ),
            (altered, InvalidIdentities::Malformed(1)),
            (format!("{KEY} {KEY}"), InvalidIdentities::Malformed(1)),
        ];
        for (text, wanted) in table {
            assert_eq!(read(&text), Err(wanted), "{text}");
        }
        assert_eq!(Identities::parse(b"\xff").err(), Some(InvalidIdentities::Malformed(1)));
        assert_eq!(Identities::parse(b"\xff\xfeA\0").err(), Some(InvalidIdentities::Wide));
    }
}
