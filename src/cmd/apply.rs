//! `apply`: brings a cluster to a bundle's state, or says why not before anything is changed.

use camino::Utf8PathBuf;

use super::clock;
use super::cluster_args::{ClusterArgs, identify};
use super::ctx::{Ctx, StoreArgs};
use super::failure::{Failure, Outcome};
use super::gate::BundleArgs;
use super::install::{Checked, InstallArgs, Origin, install};
use super::state_args::StateArgs;
use super::trust_args::load_policy;
use crate::trust::verify::{Authority, Purpose, Terms};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The bundle is verified before the cluster is asked anything. A run that was interrupted is run again: it
goes on where it stopped.

Examples:
  relay-bundle apply prod.tar --trust trust.toml --dry-run
  relay-bundle apply prod.tar --trust trust.toml
  relay-bundle apply prod.tar --trust trust.toml --first-install --yes"
)]
pub struct Args {
    #[command(flatten)]
    bundle: BundleArgs,
    /// The trust policy: who may sign what, and for which place
    #[arg(long, value_name = "TOML")]
    trust: Utf8PathBuf,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    install: InstallArgs,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    store: StoreArgs,
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        let checked = self.check_offline()?;
        let cluster = self.cluster.connect()?;
        let identity = identify(&cluster, &checked.policy)?;
        install(ctx, &checked, &cluster, &identity, &self.install)
    }

    /// Everything that needs no cluster; there is no connection yet.
    fn check_offline(&self) -> Result<Checked, Failure> {
        self.bundle.check()?;
        let policy = load_policy(&self.trust)?;
        let now = clock::now()?;
        let state_file = self.state.file()?;
        let state = state_file.read()?;
        let terms = Terms { authority: Authority::Policy(&policy, &state), purpose: Purpose::Install, now };
        let (_, bundle) = self.bundle.verify(&self.store, &terms)?;
        let origin = Origin::Brought(state_file);
        Checked::new((policy, &self.trust), origin, bundle, now, self.cluster.words())
    }
}
