//! Passphrases of private keys, typed or read from a file.

use zeroize::Zeroizing;

/// The maximum length of a passphrase: OpenSSL reads no more.
pub const PASSPHRASE_BYTES_MAX: usize = 1023;

/// The minimum length of a new key's passphrase.
pub const NEW_PASSPHRASE_BYTES_MIN: usize = 8;

/// The passphrase of a private key. It cannot be printed, copied or serialised, and is wiped from
/// memory on drop.
pub struct Passphrase(Zeroizing<Vec<u8>>);

/// Why bytes are not a passphrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPassphrase {
    #[error("the passphrase is empty")]
    Empty,
    #[error("the passphrase has more than {PASSPHRASE_BYTES_MAX} bytes")]
    TooLong,
    #[error(
        "the passphrase has more than one line, or a control character (Windows line endings have \
         one)"
    )]
    Control,
}

impl Passphrase {
    /// Reads a passphrase, without its line ending.
    ///
    /// # Errors
    ///
    /// Returns an error if the line is empty, too long, or contains a control character, which
    /// OpenSSL would read differently from the same file.
    pub fn from_line(line: &Zeroizing<Vec<u8>>) -> Result<Self, InvalidPassphrase> {
        let bytes = line.strip_suffix(b"\n").unwrap_or(line);
        if bytes.is_empty() {
            return Err(InvalidPassphrase::Empty);
        }
        if bytes.len() > PASSPHRASE_BYTES_MAX {
            return Err(InvalidPassphrase::TooLong);
        }
        if bytes.iter().any(u8::is_ascii_control) {
            return Err(InvalidPassphrase::Control);
        }
        Ok(Self(Zeroizing::new(bytes.to_vec())))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns whether the passphrase is too short to protect a new key.
    pub fn is_short(&self) -> bool {
        self.0.len() < NEW_PASSPHRASE_BYTES_MIN
    }

    /// Returns whether two passphrases are equal; the second is typed to confirm the first.
    pub fn is_same(&self, other: &Self) -> bool {
        *self.0 == *other.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passphrase_is_single_line_read_alike_by_all_tools() {
        let read = |text: &[u8]| Passphrase::from_line(&Zeroizing::new(text.to_vec()));
        for (text, wanted) in [
            (&b""[..], InvalidPassphrase::Empty),
            (b"\n", InvalidPassphrase::Empty),
            (b"one\ntwo\n", InvalidPassphrase::Control),
            (b"one\n\n", InvalidPassphrase::Control),
            (b"one\r\n", InvalidPassphrase::Control),
            (b"o\0ne", InvalidPassphrase::Control),
            (&[b'a'; PASSPHRASE_BYTES_MAX + 1], InvalidPassphrase::TooLong),
        ] {
            assert_eq!(read(text).err(), Some(wanted), "{text:?}");
        }
        assert!(read(&[b'a'; PASSPHRASE_BYTES_MAX]).is_ok());
        assert!(
            read("schöne Grüße\n".as_bytes())
                .unwrap()
                .is_same(&read("schöne Grüße".as_bytes()).unwrap())
        );
        assert!(read(b"seven77").unwrap().is_short() && !read(b"eight888").unwrap().is_short());
    }
}
