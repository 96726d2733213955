//! Flips every bit.

use std::thread;

use crate::door::{Door, sealed};
use crate::{PROFILES, STRIDE, say};

/// How many bits of a byte are flipped: without optimisation only one, a different one from byte to
/// byte.
const BITS: usize = if cfg!(debug_assertions) { 1 } else { 8 };

#[test]
fn every_flipped_bit_of_every_byte_is_refused() {
    let workers = thread::available_parallelism().map_or(1, usize::from);
    for profile in PROFILES {
        let (archive, door) = (sealed(profile), Door::of(profile));
        assert!(door.enter(&archive).is_ok(), "{profile}");
        let flip = |worker| {
            Flips::of(&archive, &door, (worker * STRIDE..archive.len()).step_by(workers * STRIDE))
        };

        let flips: Vec<Flips> = thread::scope(|scope| {
            let threads: Vec<_> =
                (0..workers).map(|worker| scope.spawn(move || flip(worker))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });

        let refused: usize = flips.iter().map(|flips| flips.refused).sum();
        let admitted: Vec<usize> = flips.into_iter().flat_map(|flips| flips.admitted).collect();
        let bytes = archive.len().div_ceil(STRIDE);
        say(&format!(
            "{profile}: {refused} flipped bits refused, {BITS} in each of {bytes} bytes of {}",
            archive.len()
        ));
        assert!(admitted.is_empty(), "{profile}: the door let in what is changed at {admitted:?}");
        assert_eq!(refused, bytes * BITS, "{profile}");
    }
}

/// The outcomes of archives with one flipped bit.
struct Flips {
    refused: usize,
    /// The offsets of accepted bits.
    admitted: Vec<usize>,
}

impl Flips {
    fn of(archive: &[u8], door: &Door, places: impl Iterator<Item = usize>) -> Self {
        let mut bytes = archive.to_vec();
        let mut flips = Self { refused: 0, admitted: Vec::new() };
        for at in places {
            for bit in 0..BITS {
                let mask = 1 << ((at + bit) % 8);
                bytes[at] ^= mask;
                match door.enter(&bytes) {
                    Ok(_) => flips.admitted.push(at),
                    Err(_) => flips.refused += 1,
                }
                bytes[at] ^= mask;
            }
        }
        flips
    }
}
