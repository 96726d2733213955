//! `--trust` and `--key` select the trusted signers. Shared by every command that verifies.

use camino::Utf8PathBuf;

use crate::failure::Failure;
use crate::keyring::policy_file::load_policy;
use crate::keyring::public_key::load_key;
use crate::trust::key::PublicKey;
use crate::trust::policy::Policy;
use crate::trust::state::State;
use crate::trust::terms::Authority;

/// Whom to trust.
#[derive(Debug, clap::Args)]
pub struct TrustArgs {
    /// The trust policy: which keys may sign which bundles, and for which site
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
