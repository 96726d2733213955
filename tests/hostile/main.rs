//! Archives and folders that somebody made to harm whoever reads them. Each is given to the real
//! program, which must refuse it with exit code 3, print nothing, write nothing, and take neither
//! time nor memory for it.
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
