//! Every way to tamper with the archive of each shipped profile, and the outcome of its
//! verification.
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

/// The shipped profiles without `base`, which others extend, and one whose archive carries its
/// image.
const PROFILES: [&str; 5] = ["dev", "loki-logging", "production", "pvc-logs", carried::PROFILE];

/// One in this many cases of a kind is tried. Without optimisation all of them would take minutes.
/// The number is coprime to the numbers of bits, fields and blocks, so that each of them occurs.
const STRIDE: usize = if cfg!(debug_assertions) { 11 } else { 1 };

/// Prints the counts: the test harness captures the output of `eprintln!`.
fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").expect("standard error is open");
}
