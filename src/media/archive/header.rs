//! Encodes and decodes the only header that a bundle's file may have in an archive.

use crate::model::safe_path::SafePath;

/// The block size of a tar archive: headers, contents and the end marker are multiples of it.
pub(super) const BLOCK_BYTES: usize = 512;

pub(super) type Block = [u8; BLOCK_BYTES];

/// A zero block: pads contents and, twice, ends an archive.
pub(super) const ZERO: Block = [0; BLOCK_BYTES];

/// The fields of a `ustar` header in order: name, width in bytes, and the constant content, empty
/// for fields that vary.
const FIELDS: [(&str, usize, &[u8]); 17] = [
    ("name", NAME_BYTES, b""),
    ("mode", 8, b"0000644"),
    ("uid", 8, b"0000000"),
    ("gid", 8, b"0000000"),
    ("size", 12, b""),
    ("mtime", 12, b"00000000000"),
    ("chksum", 8, b""),
    ("typeflag", 1, b"0"),
    ("linkname", 100, b""),
    ("magic", 6, b"ustar"),
    ("version", 2, b"00"),
    ("uname", 32, b""),
    ("gname", 32, b""),
    ("devmajor", 8, b"0000000"),
    ("devminor", 8, b"0000000"),
    ("prefix", 155, b""),
    ("padding", 12, b""),
];

const NAME_BYTES: usize = SafePath::BYTES_MAX;
const SIZE_AT: usize = 124;
const SIZE_DIGITS: usize = 11;
const CHECKSUM_AT: usize = 148;

/// Returns the header of a file. `name` has at most 100 bytes, and `bytes` is at most 8 GiB − 1.
pub(super) fn encode(name: &str, bytes: u64) -> Block {
    let mut block = ZERO;
    let mut at = 0;
    for (_, width, constant) in FIELDS {
        block[at..at + constant.len()].copy_from_slice(constant);
        at += width;
    }
    block[..name.len()].copy_from_slice(name.as_bytes());
    block[SIZE_AT..SIZE_AT + SIZE_DIGITS].copy_from_slice(format!("{bytes:011o}").as_bytes());
    // The checksum counts its own field as eight spaces.
    let sum = block.iter().map(|byte| u32::from(*byte)).sum::<u32>() + 8 * u32::from(b' ');
    block[CHECKSUM_AT..CHECKSUM_AT + 8].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// Returns the file name and size from a header, or the first field that differs from the output of
/// [`encode`].
pub(super) fn decode(block: &Block) -> Result<(&str, u64), &'static str> {
    let name_bytes = block[..NAME_BYTES].iter().position(|byte| *byte == 0).unwrap_or(NAME_BYTES);
    let name = std::str::from_utf8(&block[..name_bytes]).map_err(|_| "name")?;
    let digits = &block[SIZE_AT..SIZE_AT + SIZE_DIGITS];
    if !digits.iter().all(|digit| matches!(digit, b'0'..=b'7')) {
        return Err("size");
    }
    let bytes = digits.iter().fold(0, |sum, digit| sum * 8 + u64::from(digit - b'0'));
    match first_different_field(block, &encode(name, bytes)) {
        Some(field) => Err(field),
        None => Ok((name, bytes)),
    }
}

/// Returns the first field that differs.
///
/// The checksum differs whenever another field does, so it is named only if every other field
/// matches.
fn first_different_field(found: &Block, wanted: &Block) -> Option<&'static str> {
    if found == wanted {
        return None;
    }
    let mut at = 0;
    let mut differing = FIELDS.iter().filter_map(|(field, width, _)| {
        let range = at..at + width;
        at = range.end;
        (found[range.clone()] != wanted[range]).then_some(*field)
    });
    differing.find(|field| *field != "chksum").or(Some("chksum"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_fill_block_exactly() {
        assert_eq!(FIELDS.iter().map(|(_, width, _)| width).sum::<usize>(), BLOCK_BYTES);
    }

    #[test]
    fn header_round_trips_name_and_size() {
        let longest = "a".repeat(NAME_BYTES);
        for (name, bytes) in
            [("bundle.json", 0), ("SHA256SUMS", 511), (longest.as_str(), (8 << 30) - 1)]
        {
            assert_eq!(decode(&encode(name, bytes)), Ok((name, bytes)));
        }
    }

    #[test]
    fn largest_size_takes_all_eleven_digits() {
        let block = encode("a", (8 << 30) - 1);

        assert_eq!(&block[SIZE_AT..SIZE_AT + 12], b"77777777777\0");
    }

    #[test]
    fn any_other_byte_is_found_and_its_field_named() {
        let good = encode("manifests/a.yaml", 1000);
        let mut at = 0;
        for (field, width, _) in FIELDS {
            for byte in at..at + width {
                for change in [1, 0x80] {
                    let mut bad = good;
                    bad[byte] ^= change;
                    let complaint = decode(&bad).unwrap_err();
                    // A changed digit yields another size, and a changed letter another name: then
                    // the checksum is wrong.
                    let expected = complaint == field
                        || (matches!(field, "name" | "size") && complaint == "chksum");
                    assert!(expected, "byte {byte} of {field}: {complaint}");
                }
            }
            at += width;
        }
    }
}
