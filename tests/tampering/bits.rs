//! Every bit.

use std::thread;

use crate::door::Door;
use crate::{PROFILES, say};

/// How many bits of a byte are flipped. Without optimisation all eight would take minutes: then it is one of each
/// byte, another one from byte to byte.
const BITS: usize = if cfg!(debug_assertions) { 1 } else { 8 };

#[test]
fn every_bit_of_every_byte_counts() {
    let workers = thread::available_parallelism().map_or(1, usize::from);
    for profile in PROFILES {
        let (archive, door) = Door::of(profile);
        assert!(door.enter(&archive).is_ok(), "{profile}");
        let flip = |worker| refused_flips(&archive, &door, worker, workers);

        let refused: usize = thread::scope(|scope| {
            let threads: Vec<_> = (0..workers).map(|worker| scope.spawn(move || flip(worker))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });

        say(&format!("{profile}: {refused} flipped bits refused, {BITS} in each of {} bytes", archive.len()));
        assert_eq!(refused, archive.len() * BITS, "{profile}");
    }
}

/// Flips bits of every byte whose turn it is, and counts how often the door stayed shut.
fn refused_flips(archive: &[u8], door: &Door, worker: usize, workers: usize) -> usize {
    let mut bytes = archive.to_vec();
    let mut refused = 0;
    for at in (worker..bytes.len()).step_by(workers) {
        for bit in 0..BITS {
            let mask = 1 << ((at + bit) % 8);
            bytes[at] ^= mask;
            refused += usize::from(door.enter(&bytes).is_err());
            bytes[at] ^= mask;
        }
    }
    refused
}
