//! `ustar`, written independently of the program: headers, with one wrong field if needed.

use std::ops::Range;

pub(crate) const BLOCK: usize = 512;

/// The fields of a header in their order, and their widths.
pub(crate) const FIELDS: [(&str, usize); 17] = [
    ("name", 100),
    ("mode", 8),
    ("uid", 8),
    ("gid", 8),
    ("size", 12),
    ("mtime", 12),
    ("chksum", 8),
    ("typeflag", 1),
    ("linkname", 100),
    ("magic", 6),
    ("version", 2),
    ("uname", 32),
    ("gname", 32),
    ("devmajor", 8),
    ("devminor", 8),
    ("prefix", 155),
    ("padding", 12),
];

/// Returns the range of a field in a header.
pub(crate) fn range(field: &str) -> Range<usize> {
    let mut at = 0;
    for (name, width) in FIELDS {
        if name == field {
            return at..at + width;
        }
        at += width;
    }
    panic!("`{field}` is no field of a header");
}

/// Puts `content` into a field, followed by zeros, and corrects the checksum.
pub(crate) fn set(header: &mut [u8], field: &str, content: &[u8]) {
    let place = &mut header[range(field)];
    place.fill(0);
    place[..content.len()].copy_from_slice(content);
    let header = &mut header[..BLOCK];
    header[range("chksum")].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[range("chksum")].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// Returns a valid header.
pub(crate) fn header(name: &str, bytes: usize) -> Vec<u8> {
    let mut header = vec![0; BLOCK];
    let constants: [(&str, &[u8]); 9] = [
        ("mode", b"0000644"),
        ("uid", b"0000000"),
        ("gid", b"0000000"),
        ("mtime", b"00000000000"),
        ("typeflag", b"0"),
        ("magic", b"ustar"),
        ("version", b"00"),
        ("devmajor", b"0000000"),
        ("devminor", b"0000000"),
    ];
    for (field, content) in constants {
        set(&mut header, field, content);
    }
    set(&mut header, "size", format!("{bytes:011o}").as_bytes());
    set(&mut header, "name", name.as_bytes());
    header
}

/// Returns a file of an archive: header, content and padding.
pub(crate) fn file(name: &str, content: &[u8]) -> Vec<u8> {
    let mut bytes = header(name, content.len());
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    bytes
}
