//! Snapshots of help, output, errors and JSON, compared with the files in `saved`.
//!
//! A snapshot shows commands as they are typed, the exit code, stdout and stderr. CONTRIBUTING.md
//! says how to accept a change.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod build;
mod bundles;
#[path = "../support/carried.rs"]
mod carried;
#[path = "../registry/certificates.rs"]
#[expect(dead_code, reason = "shared with the tests of registries")]
mod certificates;
mod cluster;
mod colours;
mod command_line;
#[path = "../registry/images.rs"]
#[expect(dead_code, reason = "shared with the tests of registries")]
mod documents;
#[path = "../cli/env.rs"]
#[expect(dead_code, reason = "shared with the tests of the command line")]
mod env;
#[path = "../registry/fake.rs"]
#[expect(dead_code, reason = "shared with the tests of registries")]
mod fake;
mod help;
mod import;
mod keys;
#[path = "../support/mask.rs"]
mod mask;
mod masks;
mod media;
#[path = "../support/openssl.rs"]
mod openssl;
mod profiles;
mod registries;
mod saved;
mod scene;
#[path = "../cli/sealing.rs"]
mod sealing;
mod secrets;
mod state;
#[path = "../registry/stub.rs"]
#[expect(dead_code, reason = "shared with the tests of registries")]
mod stub;
#[path = "../support/tar.rs"]
mod tar;
#[path = "../cli/terminal.rs"]
mod terminal;
#[path = "../support/tools.rs"]
mod tools;
mod transcript;
mod trust;
mod verify;
