//! The outside of a sealed file: what can be told without a key. Nothing here is proof against anybody; it finds what
//! could never be opened where a bundle is applied, and bounds what age is given to read.

use std::io::{Read as _, Write as _};

use age::armor::{ArmoredReader, ArmoredWriter, Format};

use super::frame::{FRAME_BYTES_MAX, PADDING};
use super::recipient::RECIPIENTS_MAX;

/// The greatest length of a sealed file. The profile language refuses larger ones.
pub const SEALED_BYTES_MAX: usize = 64 << 10;

pub(super) const MAGIC_BEGIN: &str = "age-encryption.org/";
const VERSION: &[u8] = b"age-encryption.org/v1";
pub(super) const ARMOUR_BEGIN: &str = "-----BEGIN AGE ENCRYPTED FILE-----";

/// One stanza a recipient, and one of no meaning, which some programs add.
const STANZAS_MAX: usize = RECIPIENTS_MAX + 1;
const LINE_BYTES_MAX: usize = 1024;
/// A body ends with the first line that is shorter.
const BODY_LINE_BYTES: usize = 64;
/// In front of the content stands a nonce, behind it a tag; longer content than a frame's would have more tags.
const NONCE_BYTES: usize = 16;
const TAG_BYTES: usize = 16;

/// A file that this program may have sealed, as age's binary format.
pub struct Form {
    recipients: usize,
    frame_bytes: usize,
    binary: Vec<u8>,
}

/// Why a file is no sealed secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    #[error("it is no file that age encrypted")]
    NotAge,
    #[error("it has more than {0} bytes")]
    TooLarge(usize),
    #[error("its armour is not as age writes it: it was cut short or altered, or its line ends were changed")]
    Armour,
    #[error("its header is not as age writes it: it was cut short or altered")]
    Header,
    #[error("it is of a version of age's format that this program does not know")]
    Version,
    #[error(
        "it is encrypted with a passphrase, and nobody types one where a bundle is applied; seal it for a key"
    )]
    Passphrase,
    #[error("it is encrypted for a key of SSH, which is not taken; seal it for `age1…` keys")]
    Ssh,
    #[error(
        "it is encrypted for `{0}`, a kind of key that needs a plugin or another program; seal it for `age1…` keys"
    )]
    OtherKind(String),
    #[error("it has more than {RECIPIENTS_MAX} recipients")]
    TooMany,
    #[error("it is encrypted for nobody")]
    Nobody,
    #[error("its content is not padded to {PADDING} bytes: it was encrypted with age alone, or cut short")]
    NotPadded,
}

impl Form {
    /// Looks at a file, binary or in armour.
    ///
    /// # Errors
    ///
    /// When no key of [`super::Identities`] could make a value of it.
    pub fn of(file: &[u8]) -> Result<Self, FormError> {
        let form = Self::outside(file, SEALED_BYTES_MAX)?;
        let bytes = form.frame_bytes;
        let is_padded = bytes > 0 && bytes <= FRAME_BYTES_MAX && bytes.is_multiple_of(PADDING);
        if is_padded { Ok(form) } else { Err(FormError::NotPadded) }
    }

    /// Looks at a file of at most so many bytes, whatever is encrypted.
    ///
    /// # Errors
    ///
    /// When no key of [`super::Identities`] could open it.
    pub(super) fn outside(file: &[u8], bytes_max: usize) -> Result<Self, FormError> {
        if file.len() > bytes_max {
            return Err(FormError::TooLarge(bytes_max));
        }
        let binary =
            if file.starts_with(ARMOUR_BEGIN.as_bytes()) { without_armour(file)? } else { file.to_vec() };
        let mut rest = binary.as_slice();
        match line(&mut rest) {
            Ok(VERSION) => {}
            _ if !binary.starts_with(MAGIC_BEGIN.as_bytes()) => return Err(FormError::NotAge),
            Ok(_) => return Err(FormError::Version),
            Err(error) => return Err(error),
        }
        let recipients = recipients(&mut rest)?;
        if recipients == 0 {
            return Err(FormError::Nobody);
        }
        let frame_bytes = rest.len().checked_sub(NONCE_BYTES + TAG_BYTES).ok_or(FormError::NotPadded)?;
        Ok(Self { recipients, frame_bytes, binary })
    }

    /// Returns for how many keys it is encrypted.
    pub fn recipients(&self) -> usize {
        self.recipients
    }

    /// Returns the length of what is encrypted; of long content, which has more than one tag, a little more.
    pub(super) fn frame_bytes(&self) -> usize {
        self.frame_bytes
    }

    pub(super) fn binary(&self) -> &[u8] {
        &self.binary
    }
}

/// Reads the header to its end, and counts the recipients.
fn recipients(rest: &mut &[u8]) -> Result<usize, FormError> {
    let (mut stanzas, mut recipients) = (0, 0);
    loop {
        let first = line(rest)?;
        if first.starts_with(b"---") {
            // Its code tells whether the header was altered; only a key can check that.
            return Ok(recipients);
        }
        let words = first.strip_prefix(b"-> ").ok_or(FormError::Header)?;
        let kind = words.split(|byte| *byte == b' ').next().unwrap_or_default();
        (stanzas, recipients) = (stanzas + 1, recipients + usize::from(is_recipient(kind)?));
        if stanzas > STANZAS_MAX || recipients > RECIPIENTS_MAX {
            return Err(FormError::TooMany);
        }
        while line(rest)?.len() == BODY_LINE_BYTES {}
    }
}

/// Tells a recipient from a stanza of no meaning; refuses all other kinds.
fn is_recipient(kind: &[u8]) -> Result<bool, FormError> {
    match kind {
        b"X25519" => Ok(true),
        b"scrypt" => Err(FormError::Passphrase),
        b"ssh-ed25519" | b"ssh-rsa" => Err(FormError::Ssh),
        _ if kind.ends_with(b"-grease") => Ok(false),
        _ => Err(FormError::OtherKind(String::from_utf8_lossy(kind).chars().take(40).collect())),
    }
}

/// Takes a line off, which is of printable ASCII and not long.
fn line<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], FormError> {
    let end = rest.iter().take(LINE_BYTES_MAX).position(|byte| *byte == b'\n').ok_or(FormError::Header)?;
    let (line, tail) = (&rest[..end], &rest[end + 1..]);
    *rest = tail;
    let is_text = line.iter().all(|byte| (b' '..=b'~').contains(byte));
    if is_text { Ok(line) } else { Err(FormError::Header) }
}

fn without_armour(file: &[u8]) -> Result<Vec<u8>, FormError> {
    let mut binary = Vec::new();
    ArmoredReader::new(file).read_to_end(&mut binary).map_err(|_| FormError::Armour)?;
    // Readers of armour forgive, each in another way: there is one right spelling.
    if armoured(&binary) == file { Ok(binary) } else { Err(FormError::Armour) }
}

/// Returns a file in armour: text, which survives mail and git.
pub(super) fn armoured(binary: &[u8]) -> Vec<u8> {
    let write = || {
        let mut writer = ArmoredWriter::wrap_output(Vec::new(), Format::AsciiArmor)?;
        writer.write_all(binary)?;
        writer.finish()
    };
    write().expect("memory does not fail")
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECIPIENT: &str = "-> X25519 ytazqsbmUnPwVWMVx0c1X9iUtGdY4yAB08UQTY2hNCI\nN3pgrXkbIn/RrVt0T0G3sQr1wGWuclqKxTSWHSqGdkc\n";

    /// A file with these stanzas and a content of so many bytes.
    fn file(stanzas: &str, content: usize) -> Vec<u8> {
        let header =
            format!("age-encryption.org/v1\n{stanzas}--- fgMiVLJHMlg9fW7CVG/hPS5EAU4Zeg19LyCP7SoH5nA\n");
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
    fn what_cannot_be_opened_where_a_bundle_is_applied_is_refused_by_its_reason() {
        let stanza = |kind: &str| format!("-> {kind} abc\n\n");
        let table = [
            (file(&stanza("scrypt"), 512), FormError::Passphrase),
            (file(&stanza("ssh-ed25519"), 512), FormError::Ssh),
            (file(&format!("{RECIPIENT}{}", stanza("ssh-rsa")), 512), FormError::Ssh),
            (file(&stanza("piv-p256"), 512), FormError::OtherKind("piv-p256".to_owned())),
            (file(&stanza("mlkem768x25519"), 512), FormError::OtherKind("mlkem768x25519".to_owned())),
            (file(&stanza("x-grease"), 512), FormError::Nobody),
            (file("", 512), FormError::Nobody),
            (file(&RECIPIENT.repeat(17), 512), FormError::TooMany),
            (file(&stanza("x-grease").repeat(9000), 512), FormError::TooLarge(SEALED_BYTES_MAX)),
            (b"s3cret".to_vec(), FormError::NotAge),
            (Vec::new(), FormError::NotAge),
            (b"age-encryption.org/v2\nanything".to_vec(), FormError::Version),
            (b"age-encryption.org/v1".to_vec(), FormError::Header),
            (b"age-encryption.org/v1\n-> X25519 ".repeat(1000), FormError::TooMany),
            (b"age-encryption.org/v1\nX25519 a\n\n--- a\n".to_vec(), FormError::Header),
            ([&b"age-encryption.org/v1\n-> X25519 "[..], &[b'a'; 2000], b"\n"].concat(), FormError::Header),
        ];
        for (bytes, wanted) in table {
            assert_eq!(recipients(&bytes), Err(wanted.clone()), "{wanted}");
        }
    }

    #[test]
    fn content_has_the_length_of_a_frame() {
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
    fn a_header_of_any_bytes_ends_in_a_judgement() {
        let good = file(RECIPIENT, 512);
        for end in 0..good.len() {
            assert!(Form::of(&good[..end]).is_err(), "{end} bytes");
        }
        let mut header = good.clone();
        header[30] = 0x1b;
        assert_eq!(recipients(&header), Err(FormError::Header));
    }
}
