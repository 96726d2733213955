//! `--trust` and `--key` select the trusted signers. Shared by every command that verifies.

use std::str;

use camino::{Utf8Path, Utf8PathBuf};

use crate::failure::Failure;
use crate::fsio::guard::read_guarded;
use crate::trust::key::PublicKey;
use crate::trust::policy::{POLICY_BYTES_MAX, Policy};
use crate::trust::state::State;
use crate::trust::verify::Authority;

/// The size limit for a public key file. A key has 113 bytes.
pub(in crate::cmd) const PUBLIC_KEY_BYTES_MAX: u64 = 16 << 10;

/// Whom to trust.
#[derive(Debug, clap::Args)]
pub struct TrustArgs {
    /// The trust policy: which keys may sign which bundles, and for which place
    #[arg(long, value_name = "TOML")]
    pub trust: Option<Utf8PathBuf>,
    /// Trust one public key for anything; checks neither target nor replay
    #[arg(long, value_name = "PEM", conflicts_with = "trust")]
    pub key: Option<Utf8PathBuf>,
}

/// A trust policy, or a single trusted key.
pub enum Trust {
    Policy(Policy),
    Key(PublicKey),
}

impl TrustArgs {
    /// Reads the policy or the key.
    ///
    /// # Errors
    ///
    /// When neither is named, other users can change the file, or it is malformed.
    pub fn load(&self) -> Result<Trust, Failure> {
        match (&self.trust, &self.key) {
            (Some(path), _) => load_policy(path).map(Trust::Policy),
            (None, Some(path)) => load_key(path).map(Trust::Key),
            (None, None) => Err(Failure::input(
                "no trusted key: pass a policy with --trust, or one key with --key",
            )
            .hint("trust on first use is not supported: a bundle cannot vouch for its own signers")
            .hint("transfer the policy or the key to this machine separately from the bundle")),
        }
    }
}

impl Trust {
    /// Returns the authority for [`crate::trust::verify::verify`]. Only a policy uses `state`.
    pub fn authority<'a>(&'a self, state: &'a State) -> Authority<'a> {
        match self {
            Self::Policy(policy) => Authority::Policy(policy, state),
            Self::Key(key) => Authority::Key(key),
        }
    }
}

/// Reads a trust policy from a file that no other user can change.
///
/// # Errors
///
/// When other users can change the file, or it is not a policy. The message has file and line.
pub fn load_policy(path: &Utf8Path) -> Result<Policy, Failure> {
    load_policy_text(path).map(|(policy, _)| policy)
}

/// Like [`load_policy`], but also returns the text.
///
/// # Errors
///
/// As [`load_policy`].
pub fn load_policy_text(path: &Utf8Path) -> Result<(Policy, String), Failure> {
    let text = read_text(path, POLICY_BYTES_MAX, "trust policy")?;
    let policy = Policy::parse(&text).map_err(|error| {
        let line = error.line.map(|line| format!(":{line}")).unwrap_or_default();
        let failure = Failure::input(format!("{path}{line}: {}", error.message));
        if text.contains("-----BEGIN ") {
            return failure.hint(format!(
                "this is a key, not a policy: create a policy with `relay-bundle trust init`, and \
                 add the key with `relay-bundle trust add key POLICY --key {path} --holder NAME`; \
                 `verify` also accepts a single key with --key"
            ));
        }
        failure.hint("`docs/format/trust-policy.md` describes every key of a policy")
    })?;
    Ok((policy, text))
}

/// Reads a public key from a PEM file that no other user can change.
///
/// # Errors
///
/// When other users can change the file, or it is not a public key.
pub fn load_key(path: &Utf8Path) -> Result<PublicKey, Failure> {
    parse_key(path, &read_text(path, PUBLIC_KEY_BYTES_MAX, "public key")?)
}

/// Parses a public key from the text of the file at `path`. The error says so if the text is a
/// private key or a policy.
pub(in crate::cmd) fn parse_key(path: &Utf8Path, text: &str) -> Result<PublicKey, Failure> {
    PublicKey::from_pem(text).map_err(|error| {
        if text.contains("PRIVATE KEY-----") {
            return Failure::input(format!("`{path}` is a private key; expected a public key"))
                .hint(
                    "only the signer may have this file: anyone who can read it can sign in their \
                     name",
                )
                .hint(format!("show its public half: relay-bundle keygen --public {path}"));
        }
        let failure = Failure::input(format!("`{path}` is not a public key: {error}"));
        if text.contains("[[key]]") || text.contains("relay-bundle/trust/") {
            return failure.hint("this is a trust policy: pass it with --trust");
        }
        failure.hint("`relay-bundle keygen` and `openssl pkey -pubout` write such a file")
    })
}

fn read_text(path: &Utf8Path, limit: u64, what: &str) -> Result<String, Failure> {
    let bytes = read_guarded(path, limit).map_err(|error| {
        if error.is_not_found() {
            return Failure::input(format!("{what} `{path}` does not exist"));
        }
        Failure::from(error)
    })?;
    let not_text = |error: str::Utf8Error| {
        Failure::input(format!(
            "`{path}` is not a {what}: it is not UTF-8 (byte {})",
            error.valid_up_to()
        ))
    };
    str::from_utf8(&bytes).map(str::to_owned).map_err(not_text)
}
