//! The form of a sealed file: whether a key could open it at all, the number of recipients, and its
//! address.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::address::{ADDRESS_STANZA, Address};
use super::armour::{ARMOUR_BEGIN, without_armour};
use super::limits::{FRAME_BYTES_MAX, PADDING, RECIPIENTS_MAX, SEALED_BYTES_MAX};
use super::place::SealedPlace;

/// The beginning of the first line of every age file.
pub const MAGIC_BEGIN: &str = "age-encryption.org/";
const VERSION: &[u8] = b"age-encryption.org/v1";

/// One stanza per recipient, the address, and one grease stanza, which some programs add.
const STANZAS_MAX: usize = RECIPIENTS_MAX + 2;
const LINE_BYTES_MAX: usize = 1024;
/// The first shorter line ends a body.
const BODY_LINE_BYTES: usize = 64;
/// The length of a key share, a wrapped file key and the header MAC.
const KEY_BYTES: usize = 32;
/// A nonce precedes the content and a tag follows it; content longer than a frame has more tags.
const NONCE_BYTES: usize = 16;
const TAG_BYTES: usize = 16;

/// A file that this program may have sealed, in age's binary format.
pub struct Form {
    recipients: usize,
    address: Option<Address>,
    frame_bytes: usize,
    binary: Vec<u8>,
}

/// The comparison of the place in a file's address with the place where the file is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stated<'a> {
    Same,
    /// The file has no address: stock age or an earlier version sealed it. Only the decrypted
    /// content states its place.
    Unknown,
    Other(&'a SealedPlace),
}

/// Why a file is not a sealed secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    #[error("it is not a file that age encrypted")]
    NotAge,
    #[error("it exceeds {0} bytes")]
    TooLarge(usize),
    #[error("invalid armour: the file was truncated or altered, or its line endings were changed")]
    Armour,
    #[error("invalid header: the file was truncated or altered")]
    Header,
    #[error("invalid address (stanza `{ADDRESS_STANZA}`): the file was altered")]
    Address,
    #[error("unsupported version of the age format")]
    Version,
    #[error(
        "it is encrypted with a passphrase, which `apply` cannot ask for; seal it for an `age1…` \
         key"
    )]
    Passphrase,
    #[error("it is encrypted for an SSH key, which is not supported; seal it for `age1…` keys")]
    Ssh,
    #[error(
        "it is encrypted for `{0}`, a key type that needs a plugin or another program; seal it for \
         `age1…` keys"
    )]
    OtherKind(String),
    #[error("it has more than {RECIPIENTS_MAX} recipients")]
    TooMany,
    #[error("it has no recipient")]
    Nobody,
    #[error(
        "its content is not padded to {PADDING} bytes: it was encrypted with plain age, or \
         truncated"
    )]
    NotPadded,
}

impl Form {
    /// Parses a file, binary or armoured.
    ///
    /// # Errors
    ///
    /// Returns an error if no private key could yield a value.
    pub fn of(file: &[u8]) -> Result<Self, FormError> {
        let form = Self::outside(file, SEALED_BYTES_MAX)?;
        let bytes = form.frame_bytes;
        let is_padded = bytes > 0 && bytes <= FRAME_BYTES_MAX && bytes.is_multiple_of(PADDING);
        if is_padded { Ok(form) } else { Err(FormError::NotPadded) }
    }

    /// Parses a file of at most `bytes_max` bytes, without checking the size of its content.
    ///
    /// # Errors
    ///
    /// Returns an error if no private key could open it.
    pub fn outside(file: &[u8], bytes_max: usize) -> Result<Self, FormError> {
        if file.len() > bytes_max {
            return Err(FormError::TooLarge(bytes_max));
        }
        let binary = if file.starts_with(ARMOUR_BEGIN.as_bytes()) {
            without_armour(file).ok_or(FormError::Armour)?
        } else {
            file.to_vec()
        };
        let mut rest = binary.as_slice();
        match line(&mut rest) {
            Ok(VERSION) => {}
            _ if !binary.starts_with(MAGIC_BEGIN.as_bytes()) => return Err(FormError::NotAge),
            Ok(_) => return Err(FormError::Version),
            Err(error) => return Err(error),
        }
        let Header { recipients, address, .. } = Header::read(&mut rest)?;
        let frame_bytes =
            rest.len().checked_sub(NONCE_BYTES + TAG_BYTES).ok_or(FormError::NotPadded)?;
        Ok(Self { recipients, address, frame_bytes, binary })
    }

    /// Returns the number of recipients.
    pub fn recipients(&self) -> usize {
        self.recipients
    }

    /// Returns the address, if the file has one.
    pub fn address(&self) -> Option<&Address> {
        self.address.as_ref()
    }

    /// Compares the place in the file's address with the place where the file is used.
    pub fn stated(&self, place: &SealedPlace) -> Stated<'_> {
        match &self.address {
            None => Stated::Unknown,
            Some(address) if address.place == *place => Stated::Same,
            Some(address) => Stated::Other(&address.place),
        }
    }

    /// Returns the length of the encrypted content; slightly too much for long content, which has
    /// several tags.
    pub fn frame_bytes(&self) -> usize {
        self.frame_bytes
    }

    pub fn binary(&self) -> &[u8] {
        &self.binary
    }
}

/// The stanzas of a header.
#[derive(Default)]
struct Header {
    stanzas: usize,
    recipients: usize,
    address: Option<Address>,
}

impl Header {
    /// Reads a header to its end.
    fn read(rest: &mut &[u8]) -> Result<Self, FormError> {
        let mut header = Self::default();
        loop {
            let first = line(rest)?;
            if let Some(code) = first.strip_prefix(b"---") {
                // Only a key can verify the MAC.
                let code = code.strip_prefix(b" ").filter(|code| is_key_length(code));
                code.ok_or(FormError::Header)?;
                return header.ended();
            }
            header.add(first.strip_prefix(b"-> ").ok_or(FormError::Header)?, rest)?;
        }
    }

    /// Adds a stanza with the words of its first line; its body follows.
    fn add(&mut self, words: &[u8], rest: &mut &[u8]) -> Result<(), FormError> {
        let mut words = words.split(|byte| *byte == b' ');
        let kind = words.next().unwrap_or_default();
        let arguments: Vec<&[u8]> = words.collect();
        let kind = StanzaKind::of(kind)?;
        let body = body(rest)?;
        self.stanzas += 1;
        match kind {
            StanzaKind::Recipient => {
                self.recipients += 1;
                let is_whole = matches!(arguments[..], [share] if is_key_length(share))
                    && is_key_length(&body);
                if !is_whole {
                    return Err(FormError::Header);
                }
            }
            StanzaKind::Address if self.address.is_some() => return Err(FormError::Address),
            StanzaKind::Address => {
                self.address = Some(Address::parse(&arguments, &body).ok_or(FormError::Address)?);
            }
            StanzaKind::Meaningless => {}
        }
        let is_long = self.stanzas > STANZAS_MAX || self.recipients > RECIPIENTS_MAX;
        if is_long { Err(FormError::TooMany) } else { Ok(()) }
    }

    fn ended(self) -> Result<Self, FormError> {
        let stated = self.address.as_ref().map(|address| address.recipients.len());
        match stated {
            _ if self.recipients == 0 => Err(FormError::Nobody),
            Some(stated) if stated != self.recipients => Err(FormError::Address),
            _ => Ok(self),
        }
    }
}

/// The type of a stanza. All other types are rejected.
enum StanzaKind {
    Recipient,
    Address,
    Meaningless,
}

impl StanzaKind {
    fn of(kind: &[u8]) -> Result<Self, FormError> {
        match kind {
            b"X25519" => Ok(Self::Recipient),
            b"scrypt" => Err(FormError::Passphrase),
            b"ssh-ed25519" | b"ssh-rsa" => Err(FormError::Ssh),
            _ if kind == ADDRESS_STANZA.as_bytes() => Ok(Self::Address),
            _ if kind.ends_with(b"-grease") => Ok(Self::Meaningless),
            _ => {
                Err(FormError::OtherKind(String::from_utf8_lossy(kind).chars().take(40).collect()))
            }
        }
    }
}

/// Returns whether a text is the base64 of as many bytes as a key has.
fn is_key_length(text: &[u8]) -> bool {
    STANDARD_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == KEY_BYTES)
}

/// Consumes the lines of a body and joins them.
fn body(rest: &mut &[u8]) -> Result<Vec<u8>, FormError> {
    let mut body = Vec::new();
    loop {
        let line = line(rest)?;
        body.extend_from_slice(line);
        if line.len() != BODY_LINE_BYTES {
            return Ok(body);
        }
    }
}

/// Consumes one line, which must be short and printable ASCII.
fn line<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], FormError> {
    let end = rest
        .iter()
        .take(LINE_BYTES_MAX)
        .position(|byte| *byte == b'\n')
        .ok_or(FormError::Header)?;
    let (line, tail) = (&rest[..end], &rest[end + 1..]);
    *rest = tail;
    let is_text = line.iter().all(|byte| (b' '..=b'~').contains(byte));
    if is_text { Ok(line) } else { Err(FormError::Header) }
}

#[cfg(test)]
mod tests {
    use super::super::armoured;
    use super::*;
    use crate::model::text::AgeRecipient;

    const RECIPIENT: &str = "-> X25519 ytazqsbmUnPwVWMVx0c1X9iUtGdY4yAB08UQTY2hNCI\nN3pgrXkbIn/RrVt0T0G3sQr1wGWuclqKxTSWHSqGdkc\n";

    /// A file with these stanzas and content of this length.
    fn file(stanzas: &str, content: usize) -> Vec<u8> {
        let header = format!(
            "age-encryption.org/v1\n{stanzas}--- fgMiVLJHMlg9fW7CVG/hPS5EAU4Zeg19LyCP7SoH5nA\n"
        );
        let mut bytes = header.into_bytes();
        bytes.resize(bytes.len() + NONCE_BYTES + content + TAG_BYTES, 7);
        bytes
    }

    fn recipients(file: &[u8]) -> Result<usize, FormError> {
        Form::of(file).map(|form| form.recipients())
    }

    #[test]
    fn recipients_are_counted_and_stanzas_of_no_meaning_are_not() {
        let grease = format!("-> x!y-grease a b\n{}\n\n", "A".repeat(64));

        assert_eq!(recipients(&file(RECIPIENT, 512)), Ok(1));
        assert_eq!(recipients(&file(&format!("{RECIPIENT}{grease}{RECIPIENT}"), 1024)), Ok(2));
        assert_eq!(recipients(&file(&RECIPIENT.repeat(16), 512)), Ok(16));
        assert_eq!(recipients(&armoured(&file(RECIPIENT, 512))), Ok(1));
    }

    #[test]
    fn file_apply_cannot_decrypt_is_refused_with_reason() {
        let stanza = |kind: &str| format!("-> {kind} abc\n\n");
        let table = [
            (file(&stanza("scrypt"), 512), FormError::Passphrase),
            (file(&stanza("ssh-ed25519"), 512), FormError::Ssh),
            (file(&format!("{RECIPIENT}{}", stanza("ssh-rsa")), 512), FormError::Ssh),
            (file(&stanza("piv-p256"), 512), FormError::OtherKind("piv-p256".to_owned())),
            (
                file(&stanza("mlkem768x25519"), 512),
                FormError::OtherKind("mlkem768x25519".to_owned()),
            ),
            (file(&stanza("x-grease"), 512), FormError::Nobody),
            (file("", 512), FormError::Nobody),
            (file(&RECIPIENT.repeat(17), 512), FormError::TooMany),
            (file(&stanza("x-grease").repeat(9000), 512), FormError::TooLarge(SEALED_BYTES_MAX)),
            (b"s3cret".to_vec(), FormError::NotAge),
            (Vec::new(), FormError::NotAge),
            (b"age-encryption.org/v2\nanything".to_vec(), FormError::Version),
            (b"age-encryption.org/v1".to_vec(), FormError::Header),
            (b"age-encryption.org/v1\n-> X25519 ".repeat(1000), FormError::Header),
            (b"age-encryption.org/v1\nX25519 a\n\n--- a\n".to_vec(), FormError::Header),
            (
                [&b"age-encryption.org/v1\n-> X25519 "[..], &[b'a'; 2000], b"\n"].concat(),
                FormError::Header,
            ),
        ];
        for (bytes, wanted) in table {
            assert_eq!(recipients(&bytes), Err(wanted.clone()), "{wanted}");
        }
    }

    #[test]
    fn content_length_must_match_frame_length() {
        for length in [0, 1, 511, 513, FRAME_BYTES_MAX + PADDING] {
            assert_eq!(recipients(&file(RECIPIENT, length)), Err(FormError::NotPadded), "{length}");
        }
        assert_eq!(recipients(&file(RECIPIENT, FRAME_BYTES_MAX)), Ok(1));
    }

    #[test]
    fn armour_has_one_spelling() {
        let good = String::from_utf8(armoured(&file(RECIPIENT, 512))).unwrap();
        let altered = [
            good.replace('\n', "\r\n"),
            format!("{good}\n"),
            format!("{good} "),
            good.trim_end().to_owned(),
            good.replacen('\n', "\n\n", 1),
            good.replace("END AGE", "end age"),
            good[..good.len() / 2].to_owned(),
            format!("{good}{good}"),
        ];
        for text in altered {
            assert_eq!(recipients(text.as_bytes()), Err(FormError::Armour), "{text:?}");
        }
    }

    #[test]
    fn header_of_arbitrary_bytes_gets_verdict() {
        let good = file(RECIPIENT, 512);
        for end in 0..good.len() {
            assert!(Form::of(&good[..end]).is_err(), "{end} bytes");
        }
        let mut header = good.clone();
        header[30] = 0x1b;
        assert_eq!(recipients(&header), Err(FormError::Header));
    }

    #[test]
    fn header_with_damaged_stanza_or_code_is_refused() {
        let good = String::from_utf8(file(RECIPIENT, 512)).unwrap();
        for (from, to) in [
            ("-> X25519 y", "-> X25519 "),
            ("-> X25519 y", "-> X25519 a y"),
            ("N3pgrXkbIn", "N3pgrXkbI"),
            ("xTSWHSqGdkc", "xTSWHSqGdkd"),
            ("--- f", "---  f"),
            ("--- f", "--- "),
            ("--- fg", "--- =g"),
        ] {
            let damaged = good.replace(from, to);
            assert_ne!(damaged, good);
            assert_eq!(recipients(damaged.as_bytes()), Err(FormError::Header), "{from} -> {to}");
        }
    }

    const PLACE: &str = "relay/relay-sealed/jwt-secret";
    const KEY: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

    /// An address stanza with this body.
    fn address(place: &str, body: &str) -> String {
        let body = STANDARD_NO_PAD.encode(body);
        let lines: Vec<&str> =
            body.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
        format!("-> {ADDRESS_STANZA} {place}\n{}\n", lines.join("\n"))
    }

    #[test]
    fn address_is_read_without_key() {
        let form =
            Form::of(&file(&format!("{RECIPIENT}{}", address(PLACE, &format!("{KEY}\n"))), 512))
                .ok();
        let form = form.unwrap();
        let other: SealedPlace = "relay/other-sealed/jwt-secret".parse().unwrap();
        let place: SealedPlace = PLACE.parse().unwrap();

        assert_eq!(form.recipients(), 1);
        assert_eq!(form.stated(&place), Stated::Same);
        assert_eq!(form.stated(&other), Stated::Other(&place));
        let of_another: AgeRecipient =
            "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa".parse().unwrap();
        let wanted = [KEY.parse().unwrap(), of_another.clone()];
        assert_eq!(form.address().unwrap().lacking(&wanted), [&of_another]);
        assert_eq!(Form::of(&file(RECIPIENT, 512)).ok().unwrap().stated(&place), Stated::Unknown);
    }

    #[test]
    fn address_has_one_spelling() {
        let good = format!("{KEY}\n");
        let stanzas = [
            address("relay/relay-sealed", &good),
            address("", &good),
            address(&format!("{PLACE} {PLACE}"), &good),
            address(PLACE, ""),
            address(PLACE, KEY),
            address(PLACE, &good.repeat(2)),
            address(PLACE, &format!("{good}\n")),
            address(PLACE, "age1\n"),
            address(PLACE, &format!("{KEY}\r\n")),
            address(PLACE, &good).repeat(2),
            // It names two keys, but the file has one recipient.
            address(
                PLACE,
                &format!("{KEY}\nage1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa\n"),
            ),
        ];
        for stanza in stanzas {
            let file = file(&format!("{RECIPIENT}{stanza}"), 512);
            assert_eq!(recipients(&file), Err(FormError::Address), "{stanza}");
        }
    }
}
