//! The command line as people and scripts meet it: one file a command.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod archive;
mod blobs;
mod completions;
mod diff;
mod env;
mod failures;
mod gc;
mod hostile;
mod images;
mod import;
mod inspect;
mod pack;
mod parts;
mod render;
mod sealing;
mod special_files;
#[path = "../support/tools.rs"]
mod tools;
mod verify;
