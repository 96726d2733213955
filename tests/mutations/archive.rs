//! Random damage to a valid archive: the reader never panics, and never confuses one archive with
//! another.

use std::io::{self, Read};
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use relay_bundle::bundle::files::BundleFiles;
use relay_bundle::bundle::read::Contents;
use relay_bundle::media::archive;
use relay_bundle::model::safe_path::SafePath;

use crate::for_all;
use crate::shipped::pack;
use relay_bundle::bundle::fault::ReadError;

const BLOCK: usize = 512;
const ATTESTATION: &[u8] = b"{\"payload\":\"e30=\",\"signatures\":[]}";

static UNSIGNED: LazyLock<Vec<u8>> = LazyLock::new(|| pack(&bundle(), None));
static SIGNED: LazyLock<Vec<u8>> = LazyLock::new(|| pack(&bundle(), Some(ATTESTATION)));

fn bundle() -> BundleFiles {
    let mut files = BundleFiles::default();
    for (path, bytes) in [
        ("bundle.json", 40),
        ("manifests/a.yaml", 600),
        ("manifests/b.yaml", 512),
        ("recipe.json", 0),
        ("secrets/a.age", 3),
    ] {
        files.add(SafePath::parse(path).unwrap(), vec![b'x'; bytes]).unwrap();
    }
    files
}

fn read(input: impl Read) -> Result<(Option<Vec<u8>>, Contents), ReadError> {
    let sums_read = archive::open(input)?.read_sums()?;
    let attestation = sums_read.attestation().map(<[u8]>::to_vec);
    Ok((attestation, sums_read.into_files()?.read_to_end()?))
}

/// One act of damage. Positions are taken modulo the length.
#[derive(Clone, Debug)]
enum Damage {
    SetByte {
        at: usize,
        to: u8,
    },
    FlipBit {
        at: usize,
        bit: u8,
    },
    Insert {
        at: usize,
        bytes: Vec<u8>,
    },
    Remove {
        at: usize,
        bytes: usize,
    },
    Truncate {
        at: usize,
    },
    RepeatBlocks {
        from: usize,
        count: usize,
        to: usize,
    },
    SwapBlocks {
        left: usize,
        right: usize,
    },
    RemoveBlocks {
        from: usize,
        count: usize,
    },
    InsertZeroBlocks {
        at: usize,
        count: usize,
    },
    /// Writes a text into a block as a field of a header, and corrects the checksum.
    SetField {
        block: usize,
        field: usize,
        text: Vec<u8>,
    },
}

fn damage() -> impl Strategy<Value = Damage> {
    let index = || any::<prop::sample::Index>().prop_map(|index| index.index(1 << 20));
    let texts = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..12),
        prop::sample::select(vec![
            "",
            "0",
            "5",
            "L",
            "x",
            "77777777777",
            "00000000000",
            "00000000001",
            "bundle.json",
            "recipe.json",
            "SHA256SUMS",
            "attestation.dsse.json",
            "../evil",
            "/etc/passwd",
            "manifests/c.yaml",
            "MANIFESTS/a.yaml",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    prop_oneof![
        4 => (index(), any::<u8>()).prop_map(|(at, to)| Damage::SetByte { at, to }),
        4 => (index(), 0..8_u8).prop_map(|(at, bit)| Damage::FlipBit { at, bit }),
        2 => (index(), prop::collection::vec(any::<u8>(), 0..20)).prop_map(|(at, bytes)| Damage::Insert { at, bytes }),
        2 => (index(), 0..600_usize).prop_map(|(at, bytes)| Damage::Remove { at, bytes }),
        1 => index().prop_map(|at| Damage::Truncate { at }),
        2 => (index(), 1..4_usize, index()).prop_map(|(from, count, to)| Damage::RepeatBlocks { from, count, to }),
        2 => (index(), index()).prop_map(|(left, right)| Damage::SwapBlocks { left, right }),
        2 => (index(), 1..4_usize).prop_map(|(from, count)| Damage::RemoveBlocks { from, count }),
        2 => (index(), 1..3_usize).prop_map(|(at, count)| Damage::InsertZeroBlocks { at, count }),
        4 => (index(), 0..7_usize, texts).prop_map(|(block, field, text)| Damage::SetField { block, field, text }),
    ]
}

impl Damage {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let (end, blocks) = (bytes.len(), bytes.len() / BLOCK);
        let within = |position: usize| position % (end + 1);
        let block = |position: usize| (position % blocks.max(1)) * BLOCK;
        let range = |from: usize, count: usize| block(from)..(block(from) + count * BLOCK).min(end);
        match self {
            Self::Insert { at, bytes: new } => {
                drop(bytes.splice(within(*at)..within(*at), new.iter().copied()));
            }
            Self::InsertZeroBlocks { at, count } => {
                drop(bytes.splice(block(*at)..block(*at), vec![0; count * BLOCK]));
            }
            // The others need at least one block.
            _ if blocks == 0 => {}
            Self::SetByte { at, to } => bytes[at % end] = *to,
            Self::FlipBit { at, bit } => bytes[at % end] ^= 1 << bit,
            Self::Remove { at, bytes: count } => {
                drop(bytes.drain(within(*at)..(within(*at) + count).min(end)));
            }
            Self::Truncate { at } => bytes.truncate(within(*at)),
            Self::RepeatBlocks { from, count, to } => {
                let part = bytes[range(*from, *count)].to_vec();
                drop(bytes.splice(block(*to)..block(*to), part));
            }
            Self::SwapBlocks { left, right } => {
                for offset in 0..BLOCK {
                    bytes.swap(block(*left) + offset, block(*right) + offset);
                }
            }
            Self::RemoveBlocks { from, count } => drop(bytes.drain(range(*from, *count))),
            Self::SetField { block: at, field, text } => {
                set_field(&mut bytes[block(*at)..block(*at) + BLOCK], *field, text);
            }
        }
    }
}

fn set_field(header: &mut [u8], field: usize, text: &[u8]) {
    // name, mode, size, mtime, typeflag, linkname, prefix
    let (at, width) =
        [(0, 100), (100, 8), (124, 12), (136, 12), (156, 1), (157, 100), (345, 155)][field];
    header[at..at + width].fill(0);
    let length = text.len().min(width);
    header[at..at + length].copy_from_slice(&text[..length]);
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// Runs `check` on damaged archives.
pub(crate) fn for_damaged(original: &'static [u8], check: impl Fn(&[u8]) -> TestCaseResult) {
    for_all(prop::collection::vec(damage(), 1..4), |acts| {
        let mut bytes = original.to_vec();
        for act in &acts {
            act.apply(&mut bytes);
        }
        check(&bytes)
    });
}

#[test]
fn damaged_archive_is_refused_or_reads_as_same_archive() {
    for_damaged(&UNSIGNED, |bytes| {
        if let Ok((attestation, contents)) = read(bytes) {
            prop_assert_eq!(pack(&contents.files, attestation.as_deref()), bytes);
            // Only an attestation may be added: it is outside the content id, and is checked by its
            // signatures.
            prop_assert_eq!(contents.sums, bundle().sums());
            prop_assert!(attestation.is_some() || bytes == &UNSIGNED[..]);
        }
        Ok(())
    });
}

#[test]
fn damaged_signed_archive_is_refused_or_differs_in_attestation() {
    for_damaged(&SIGNED, |bytes| {
        if let Ok((attestation, contents)) = read(bytes) {
            prop_assert_eq!(pack(&contents.files, attestation.as_deref()), bytes);
            prop_assert_eq!(contents.sums, bundle().sums());
            prop_assert!(attestation.as_deref() != Some(ATTESTATION) || bytes == &SIGNED[..]);
        }
        Ok(())
    });
}

#[test]
fn random_bytes_are_refused_as_archive() {
    for_all(prop::collection::vec(any::<u8>(), 0..3000), |bytes| {
        prop_assert!(read(&bytes[..]).is_err());
        Ok(())
    });
}

#[test]
fn chunk_size_of_archive_stream_does_not_matter() {
    /// Yields at most this many bytes at a time, and is interrupted occasionally.
    struct Pieces<'a>(&'a [u8], usize, bool);
    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.2 = !self.2;
            if self.2 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let bytes = buffer.len().min(self.1);
            self.0.read(&mut buffer[..bytes])
        }
    }
    for piece in [1, 7, 511, 512, 513] {
        let (attestation, contents) = read(Pieces(&SIGNED, piece, false)).unwrap();

        assert_eq!(pack(&contents.files, attestation.as_deref()), *SIGNED);
    }
}

#[test]
fn any_flipped_byte_or_truncation_is_refused() {
    for at in 0..UNSIGNED.len() {
        let mut bytes = UNSIGNED.clone();
        bytes[at] ^= 0x20;
        assert!(read(&bytes[..]).is_err(), "byte {at}");
    }
    for length in 0..UNSIGNED.len() {
        assert!(read(&UNSIGNED[..length]).is_err(), "length {length}");
    }
}
