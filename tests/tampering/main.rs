//! Every way to tamper with the archive of each shipped profile, and what becomes of it at the
//! door.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::Write as _;

mod bits;
#[path = "../support/carried.rs"]
mod carried;
mod classes;
mod door;
#[path = "../support/shipped.rs"]
mod shipped;
mod structure;
#[path = "../support/tar.rs"]
mod tar;
#[path = "../support/tar_records.rs"]
mod tar_records;

/// The profiles that the repository ships, without `base`, which only serves others; and one whose
/// archive carries its image.
const PROFILES: [&str; 5] = ["dev", "loki-logging", "production", "pvc-logs", carried::PROFILE];

/// Of many cases of one kind, one in so many is tried. Without optimisation all of them would take
/// minutes; the number has no divisor in common with those of bits, fields and blocks, so that each
/// is met.
const STRIDE: usize = if cfg!(debug_assertions) { 11 } else { 1 };

/// Says what was counted: the test harness would hide what goes through `eprintln!`.
fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").expect("standard error is open");
}
