//! The plaintext of a sealed file: a value that is bound to its place, and padded to hide its
//! length.

use zeroize::Zeroizing;

use super::value::SecretBytes;
use crate::age_file::{FRAME_MAGIC, PADDING, SealedPlace, VALUE_BYTES_MAX};

/// Why decrypted bytes are not the value for a place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error(
        "its content is not a sealed secret: it was encrypted with plain age, which does not bind \
         it to a place"
    )]
    NotFramed,
    #[error(
        "it is sealed for {0}: the file was swapped or copied from another site, or the release was renamed"
    )]
    Misplaced(SealedPlace),
    #[error("its content was not sealed by this program")]
    Malformed,
}

/// Returns the only valid frame of a value.
pub(super) fn frame(place: &SealedPlace, value: &SecretBytes) -> Zeroizing<Vec<u8>> {
    let value = value.expose();
    let head = Zeroizing::new(format!("{FRAME_MAGIC}\n{place}\n{}\n", value.len()));
    let length = (head.len() + value.len()).next_multiple_of(PADDING);
    // Allocate the full size: a vector that grows leaves copies of the value behind.
    let mut frame = Zeroizing::new(Vec::with_capacity(length));
    frame.extend_from_slice(head.as_bytes());
    frame.extend_from_slice(value);
    frame.resize(length, 0);
    frame
}

/// Returns the value of a frame if it is for `place`.
pub(super) fn unframe(place: &SealedPlace, bytes: &[u8]) -> Result<SecretBytes, FrameError> {
    let rest = bytes.strip_prefix(FRAME_MAGIC.as_bytes()).ok_or(FrameError::NotFramed)?;
    let (empty, rest) = line(rest)?;
    let (found, rest) = line(rest)?;
    let (length, rest) = line(rest)?;
    let found: SealedPlace = found.parse().map_err(|_| FrameError::Malformed)?;
    if !empty.is_empty() {
        return Err(FrameError::NotFramed);
    }
    if found != *place {
        return Err(FrameError::Misplaced(found));
    }
    let length = length.parse::<usize>().ok().filter(|length| *length <= VALUE_BYTES_MAX);
    let value = length.and_then(|length| rest.get(..length)).ok_or(FrameError::Malformed)?;
    let value =
        SecretBytes::new(Zeroizing::new(value.to_vec())).map_err(|_| FrameError::Malformed)?;
    // Rejects every other deviation, from a `+` before the length to data in the padding: a frame
    // has one valid encoding.
    if *frame(place, &value) == *bytes { Ok(value) } else { Err(FrameError::Malformed) }
}

/// Splits off the first line.
fn line(bytes: &[u8]) -> Result<(&str, &[u8]), FrameError> {
    let end = bytes.iter().take(SealedPlace::BYTES_MAX + 1).position(|byte| *byte == b'\n');
    let end = end.ok_or(FrameError::Malformed)?;
    let text = str::from_utf8(&bytes[..end]).map_err(|_| FrameError::Malformed)?;
    Ok((text, &bytes[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::age_file::FRAME_BYTES_MAX;

    fn place() -> SealedPlace {
        "relay/relay-sealed/jwt-secret".parse().unwrap()
    }

    fn secret(text: &str) -> SecretBytes {
        SecretBytes::new(Zeroizing::new(text.as_bytes().to_vec())).unwrap()
    }

    /// Pads a text to the length of a frame.
    fn padded(text: &str) -> Vec<u8> {
        let mut bytes = text.as_bytes().to_vec();
        bytes.resize(bytes.len().next_multiple_of(PADDING), 0);
        bytes
    }

    fn refusal(bytes: &[u8]) -> FrameError {
        unframe(&place(), bytes).err().unwrap()
    }

    #[test]
    fn frame_matches_specification() {
        let bytes = frame(&place(), &secret("s3cret"));

        assert_eq!(
            *bytes,
            padded("relay-bundle/sealed/v1\nrelay/relay-sealed/jwt-secret\n6\ns3cret")
        );
        assert_eq!(unframe(&place(), &bytes).ok().unwrap().expose(), b"s3cret");
    }

    #[test]
    fn values_of_every_length_come_back_and_short_ones_look_alike() {
        for length in (1..=1100).chain([VALUE_BYTES_MAX]) {
            let text = "x".repeat(length);
            let bytes = frame(&place(), &secret(&text));

            assert_eq!(bytes.len() % PADDING, 0);
            assert!(bytes.len() <= FRAME_BYTES_MAX);
            assert_eq!(unframe(&place(), &bytes).ok().unwrap().expose(), text.as_bytes());
        }
        assert_eq!(
            frame(&place(), &secret("x")).len(),
            frame(&place(), &secret(&"x".repeat(400))).len()
        );
    }

    #[test]
    fn value_for_other_place_is_refused_naming_both_places() {
        for other in [
            "other/relay-sealed/jwt-secret",
            "relay/other-sealed/jwt-secret",
            "relay/relay-sealed/admin-password",
        ] {
            let found: SealedPlace = other.parse().unwrap();
            let bytes = frame(&found, &secret("s3cret"));

            assert_eq!(refusal(&bytes), FrameError::Misplaced(found));
        }
    }

    #[test]
    fn missing_frame_is_distinguished_from_broken_frame() {
        for plain in ["", "s3cret", "relay-bundle/sealed/v2\na\n", "relay-bundle/sealed/v"] {
            assert_eq!(refusal(&padded(plain)), FrameError::NotFramed, "{plain:?}");
        }
    }

    #[test]
    fn frame_has_single_encoding() {
        let head = "relay-bundle/sealed/v1\nrelay/relay-sealed/jwt-secret\n";
        let mut long = padded(&format!("{head}6\ns3cret"));
        long.resize(2 * PADDING, 0);
        let mut unpadded = padded(&format!("{head}6\ns3cret"));
        unpadded.pop();
        let mut dirty = padded(&format!("{head}6\ns3cret"));
        *dirty.last_mut().unwrap() = 1;

        let spellings = [
            "+6",
            "06",
            "6 ",
            " 6",
            "-6",
            "0x6",
            "6.0",
            "",
            "5",
            "7",
            "0",
            "999999",
            "18446744073709551616",
        ];
        let texts = spellings.map(|length| padded(&format!("{head}{length}\ns3cret")));
        let others = [
            "relay-bundle/sealed/v1\r\nrelay/relay-sealed/jwt-secret\n6\ns3cret",
            "relay-bundle/sealed/v1\nrelay/relay-sealed\n6\ns3cret",
            "relay-bundle/sealed/v1\nrelay/relay-sealed/jwt-secret 6\ns3cret",
            "relay-bundle/sealed/v1\nrelay/relay-sealed/jwt-secret\n7\ns3cret\n",
            "relay-bundle/sealed/v1\n",
            "relay-bundle/sealed/v1",
        ];

        for bytes in [long, unpadded, dirty].into_iter().chain(texts).chain(others.map(padded)) {
            assert!(unframe(&place(), &bytes).is_err(), "{:?}", String::from_utf8_lossy(&bytes));
        }
    }

    #[test]
    fn any_byte_change_in_frame_is_refused() {
        let good = frame(&place(), &secret("s3cret"));
        let value_at = good.len() - good.iter().rev().take_while(|byte| **byte == 0).count() - 6;
        for at in (0..good.len()).filter(|at| !(value_at..value_at + 6).contains(at)) {
            let mut bytes = good.to_vec();
            bytes[at] ^= 1;
            assert!(unframe(&place(), &bytes).is_err(), "byte {at}");
        }
    }
}
