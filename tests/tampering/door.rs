//! The one door through which an archive comes in. All tampering is tried here.

use assert_cmd::Command;
use camino::Utf8Path;
use relay_bundle::archive;
use relay_bundle::bundle::open::{Bundle, InvalidBundle};
use relay_bundle::bundle::read::{ReadError, hash_only};
use relay_bundle::model::digest::Digest;

use crate::shipped::{bundle, pack};

/// Whoever waits for a bundle, and knows what it must be.
pub(crate) struct Door {
    content_id: Digest,
}

/// Why an archive does not come in.
#[derive(Debug)]
#[expect(dead_code, reason = "a test that fails prints it")]
pub(crate) enum Refusal {
    Read(ReadError),
    OtherContent,
    Invalid(InvalidBundle),
}

impl Door {
    /// Returns the archive of a profile, and the door that lets it in.
    pub(crate) fn of(profile: &str) -> (Vec<u8>, Self) {
        let files = bundle(profile);
        (pack(&files, None), Self { content_id: files.sums().content_id() })
    }

    /// Takes an archive in, or says why not.
    pub(crate) fn enter(&self, bytes: &[u8]) -> Result<Bundle, Refusal> {
        let sums = archive::open(bytes).and_then(|opening| opening.read_sums()).map_err(Refusal::Read)?;
        if sums.content_id() != self.content_id {
            return Err(Refusal::OtherContent);
        }
        let contents = sums.into_files().and_then(|files| files.read(&mut hash_only));
        Bundle::open(contents.map_err(Refusal::Read)?).map_err(Refusal::Invalid)
    }
}

/// Whether the program, which is told of no content id, can know that the archive is not the one that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// The archive contradicts itself.
    Inside,
    /// The archive is good, but another one.
    Outside,
}

/// Gives an archive to the program; returns its exit code, and what it printed on standard output.
pub(crate) fn run(archive: &Utf8Path) -> (Option<i32>, String) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_relay-bundle"));
    let output = program.args(["inspect", archive.as_str()]).env_clear().output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}
