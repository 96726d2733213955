//! `rollback`: brings a cluster back to a bundle that ran there, from the record in the cluster.
//!
//! Anyone who can write ConfigMaps could have changed the record, so the bundle is verified as if
//! the operator had provided it, except that its age and later releases do not count. Needs no file
//! and no earlier run on this machine.

use camino::Utf8PathBuf;

use super::args::installation::InstallationArgs;
use super::clock;
use super::ctx::Ctx;
use super::exit_code::Outcome;
use super::install::{InstallArgs, install, open_sealed};
use crate::install::checked_bundle::{BundleOrigin, CheckedBundle};
use crate::install::preflight::identify;
use crate::install::rollback::{RestoredBundle, restored_bundle};
use crate::keyring::policy_file::load_policy;

#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Takes the bundle from the record in the cluster and verifies it again. It may be older than the \
running bundle, and its key may be retired. Revoked keys, revoked content and serials below \
`minSerial` are refused; without --to, so is a bundle for another environment. The content of the \
bundle becomes a new generation. Needs no file and no state of this machine.

Examples:
  relay-bundle rollback -n claude-relay --trust trust.toml --dry-run
  relay-bundle rollback -n claude-relay --trust trust.toml
  relay-bundle rollback -n claude-relay --trust trust.toml --to 7 --yes"
)]
pub struct Args {
    /// The generation to restore [default: the one that ran before]
    #[arg(long, value_name = "GENERATION")]
    to: Option<u64>,
    /// The trust policy: which keys may sign which bundles, and for which site
    #[arg(long, value_name = "TOML")]
    trust: Utf8PathBuf,
    #[command(flatten)]
    installation: InstallationArgs,
    #[command(flatten)]
    install: InstallArgs,
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        let policy = load_policy(&self.trust)?;
        let now = clock::now()?;
        let cluster = self.installation.connect(&ctx.printer)?;
        let identity = identify(&cluster, &policy)?;
        let journal = self.installation.open(&cluster)?;
        let RestoredBundle { bundle, content_of } =
            restored_bundle(&journal, self.to, &policy, now)?;
        let origin = BundleOrigin::Recorded(content_of);
        let words = self.installation.cluster_words();
        let checked = CheckedBundle::new((policy, &self.trust), origin, bundle, now, words)?;
        let checked = open_sealed(checked, self.install.secrets())?;
        install(ctx, &checked, &cluster, &identity, &self.install)
    }
}
