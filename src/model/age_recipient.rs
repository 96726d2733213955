//! Checks public keys of age without the crate `age`.

/// Checks an age X25519 recipient: Bech32 with the prefix `age` and a valid checksum, encoding 32
/// bytes that are a usable public key.
pub(super) fn is_age_recipient(text: &str) -> bool {
    const ALPHABET: &[u8] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let Some(data) = text.strip_prefix("age1") else { return false };
    let symbols: Option<Vec<u32>> = data
        .bytes()
        .map(|b| ALPHABET.iter().position(|a| *a == b).and_then(|at| u32::try_from(at).ok()))
        .collect();
    let Some(symbols) = symbols.filter(|symbols| symbols.len() == 58) else { return false };
    let prefix = b"age"
        .iter()
        .map(|b| u32::from(b >> 5))
        .chain([0])
        .chain(b"age".iter().map(|b| u32::from(b & 31)));
    let checksum = prefix.chain(symbols.iter().copied()).fold(1_u32, |checksum, symbol| {
        let top = checksum >> 25;
        let next = (checksum & 0x01ff_ffff) << 5 ^ symbol;
        GENERATOR
            .iter()
            .enumerate()
            .filter(|(bit, _)| top >> bit & 1 == 1)
            .fold(next, |sum, (_, generator)| sum ^ generator)
    });
    checksum == 1 && is_curve_point(&symbols[..52])
}

/// Returns whether 52 symbols of five bits encode 32 bytes that are a secure public key of
/// Curve25519.
fn is_curve_point(symbols: &[u32]) -> bool {
    /// The points of small order: their shared secrets are public, and age panics on them.
    const SMALL_ORDER: [[u8; 32]; 7] = [
        point(0, 0, 0),
        point(1, 0, 0),
        [
            0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f,
            0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16,
            0x5f, 0x49, 0xb8, 0x00,
        ],
        [
            0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83,
            0xef, 0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd,
            0xd0, 0x9f, 0x11, 0x57,
        ],
        point(0xec, 0xff, 0x7f),
        point(0xed, 0xff, 0x7f),
        point(0xee, 0xff, 0x7f),
    ];

    let (mut bytes, mut bits, mut held) = (Vec::with_capacity(32), 0_u32, 0_u32);
    for symbol in symbols {
        (bits, held) = (bits << 5 | symbol, held + 5);
        if held >= 8 {
            held -= 8;
            bytes.extend(u8::try_from(bits >> held & 0xff));
            bits &= (1 << held) - 1;
        }
    }
    // The highest bit does not belong to the point.
    bytes.last_mut().into_iter().for_each(|last| *last &= 0x7f);
    bits == 0 && !SMALL_ORDER.iter().any(|point| point[..] == bytes)
}

/// Returns a 32-byte little-endian number: the first byte, the bytes between, the last byte.
const fn point(first: u8, between: u8, last: u8) -> [u8; 32] {
    let mut bytes = [between; 32];
    bytes[0] = first;
    bytes[31] = last;
    bytes
}
