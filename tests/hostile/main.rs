//! Malicious archives and folders. The real program must refuse each with exit code 3, print
//! nothing on stdout, write nothing, and need little time and memory.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod archives;
#[path = "../support/carried.rs"]
mod carried;
mod folders;
mod headers;
mod program;
mod python;
mod races;
#[path = "../support/shipped.rs"]
mod shipped;
mod sizes;
mod swaps;
#[path = "../support/tar.rs"]
mod tar;
#[path = "../support/tar_records.rs"]
mod tar_records;
#[path = "../support/tools.rs"]
mod tools;
