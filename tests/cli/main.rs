//! The command line as users and scripts see it: one file per command.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod archive;
mod blobs;
mod build_signed;
#[path = "../support/carried.rs"]
mod carried;
mod carry;
mod completions;
mod diff;
mod env;
mod failures;
mod gc;
mod help;
mod hostile;
mod images;
mod import;
mod inspect;
mod keygen;
#[path = "../support/keys.rs"]
mod keys;
mod leaks;
mod lock;
mod locked;
mod pack;
mod parts;
mod push;
mod refusals;
mod render;
mod sealing;
mod secrets;
mod sign;
mod special_files;
mod state;
#[path = "../support/tar.rs"]
mod tar;
#[path = "../support/tar_records.rs"]
mod tar_records;
mod terminal;
#[path = "../support/tools.rs"]
mod tools;
mod trust;
mod verify;
