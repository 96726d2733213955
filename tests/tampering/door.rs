//! The verification of an archive, which all tampering must pass.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use assert_cmd::Command;
use camino::{Utf8Path, Utf8PathBuf};
use relay_bundle::bundle::fault::ReadError;
use relay_bundle::bundle::open::Bundle;
use relay_bundle::media::archive;
use relay_bundle::model::timestamp::Timestamp;
use relay_bundle::trust::envelope::Envelope;
use relay_bundle::trust::key::PrivateKey;
use relay_bundle::trust::policy::Policy;
use relay_bundle::trust::state::State;
use relay_bundle::trust::statement::{Predicate, Statement};
use relay_bundle::trust::verify::{Verified, VerifyError, verify};

use crate::carried::{self, Images};
use crate::shipped::{bundle, pack};
use relay_bundle::trust::terms::{Authority, Purpose, VerifyTerms};

/// The time of issue and verification: long ago, so that the program's own clock agrees.
const NOW: u64 = 1_700_000_000;

/// The key seeds of two holders, both of whom must sign, so that every byte of a signature matters.
const SEEDS: [u8; 2] = [1, 2];

/// Returns the archive of a profile, signed.
pub(crate) fn sealed(profile: &str) -> Vec<u8> {
    let carries = profile == carried::PROFILE;
    let files = if carries { carried::tiny_bundle() } else { bundle(profile) };
    let content = Bundle::of_files(files.clone()).unwrap();
    let index = content.index;
    let statement = Statement {
        content_id: content.content_id,
        predicate: Predicate {
            bundle: index.name,
            bytes: content.bytes,
            environment: index.environment,
            expires: None,
            files: content.sums.len() as u64,
            issued: Timestamp::from_seconds(NOW).unwrap(),
            namespace: index.namespace,
            profile: index.profile,
            serial: NOW,
            sites: [].into(),
        },
    };
    let mut envelope = Envelope::unsigned(statement.to_bytes());
    for seed in SEEDS {
        envelope.sign(&PrivateKey::from_seed(&[seed; 32])).unwrap();
    }
    let archive = pack(&files, Some(&envelope.to_bytes()));
    if carries { carried::carry(&archive, &Images::tiny().layout()) } else { archive }
}

/// A recipient of bundles, with a policy and a state.
pub(crate) struct Door {
    policy: Policy,
    state: State,
}

/// The reason for refusing an archive.
#[derive(Debug)]
#[expect(dead_code, reason = "a test that fails prints it")]
pub(crate) enum Refusal {
    Read(ReadError),
    Verify(VerifyError),
}

impl Door {
    /// Returns the door that accepts the bundle of a profile.
    pub(crate) fn of(profile: &str) -> Self {
        Self { policy: Policy::parse(&policy(profile)).unwrap(), state: State::default() }
    }

    /// Reads and verifies an archive.
    pub(crate) fn enter(&self, bytes: &[u8]) -> Result<Verified<Bundle>, Refusal> {
        let terms = VerifyTerms {
            authority: Authority::Policy(&self.policy, &self.state),
            purpose: Purpose::Install,
            now: Timestamp::from_seconds(NOW).unwrap(),
        };
        let opening = archive::open(bytes).map_err(Refusal::Read)?;
        verify(opening, &terms).map_err(Refusal::Verify)
    }
}

/// Returns a trust policy that accepts a profile if both holders have signed it.
fn policy(profile: &str) -> String {
    let mut text = "schema = \"relay-bundle/trust/v1\"\n".to_owned();
    let keys = SEEDS.map(|seed| PrivateKey::from_seed(&[seed; 32]).public());
    for (number, key) in keys.iter().enumerate() {
        let (id, public) = (key.id(), key.to_base64());
        writeln!(
            text,
            "[[key]]\nid = \"{id}\"\npublic = \"{public}\"\nholder = \"holder-{number}\""
        )
        .unwrap();
    }
    let ids = keys.map(|key| key.id().to_string());
    let environments = r#"["dev", "production"]"#;
    writeln!(text, "[[grant]]\nbundles = [\"claude-relay\", \"relay\", \"relay-*\"]\nprofiles = [\"{profile}\"]\nenvironments = {environments}")
        .unwrap();
    writeln!(text, "keys = {ids:?}\nthreshold = 2").unwrap();
    text
}

/// The program with the same policy.
pub(crate) struct Program {
    folder: tempfile::TempDir,
}

impl Program {
    pub(crate) fn of(profile: &str) -> Self {
        let program = Self { folder: tempfile::tempdir().unwrap() };
        fs_err::write(program.path("trust.toml"), policy(profile)).unwrap();
        // No other user can write it, independent of the umask.
        let mode = std::fs::Permissions::from_mode(0o644);
        fs_err::set_permissions(program.path("trust.toml"), mode).unwrap();
        program
    }

    fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path()).unwrap().join(name)
    }

    /// Runs the program on an archive; returns its exit code, and the length of its standard
    /// output.
    pub(crate) fn enter(&self, bytes: &[u8]) -> (Option<i32>, usize) {
        fs_err::write(self.path("bundle.tar"), bytes).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_relay-bundle"));
        command.args([
            "verify",
            "./bundle.tar",
            "--trust",
            "trust.toml",
            "--emit",
            "--secrets-exist",
        ]);
        let output = command
            .current_dir(&self.folder)
            .env_clear()
            .env("HOME", self.folder.path())
            .output()
            .unwrap();
        (output.status.code(), output.stdout.len())
    }
}
