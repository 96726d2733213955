//! `adopt`: takes over what Helm installed, without losing data or restarting what need not restart.

use camino::Utf8PathBuf;

use super::clock;
use super::cluster_args::{ClusterArgs, identify};
use super::ctx::{Ctx, StoreArgs};
use super::failure::{Failure, Outcome};
use super::gate::BundleArgs;
use super::install::adopt::{AdoptArgs, adopt};
use super::install::{Checked, InstallArgs, Origin};
use super::state_args::StateArgs;
use super::trust_args::load_policy;
use crate::trust::verify::{Authority, Purpose, Terms};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The bundle is verified before the cluster is asked anything. What becomes of each object of the release is listed
first; then its fields become ours, and the bundle is applied. At the end Helm's records are moved to Secrets of their
own, so that no `helm uninstall` can delete what runs. A run that was interrupted is run again.

Examples:
  relay-bundle adopt --from-helm prod prod.tar --trust trust.toml --dry-run
  relay-bundle adopt --from-helm prod prod.tar --trust trust.toml
  relay-bundle adopt --from-helm prod prod.tar --trust trust.toml --yes --recreate-redis"
)]
pub struct Args {
    #[command(flatten)]
    bundle: BundleArgs,
    /// The trust policy: who may sign what, and for which place
    #[arg(long, value_name = "TOML")]
    trust: Utf8PathBuf,
    #[command(flatten)]
    helm: AdoptArgs,
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
        adopt(ctx, &checked, (&cluster, &identity), &self.helm, &self.install)
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
        let release = &self.helm.from_helm;
        if bundle.index.name != *release {
            return Err(Failure::input(format!(
                "the bundle is for the release `{}`, and not for `{release}`: they must have one name, because objects and \
                 selectors have it",
                bundle.index.name
            ))
            .hint(format!("`relay-bundle import helm --release {release}` makes a profile for it")));
        }
        let origin = Origin::Brought(state_file);
        Checked::new((policy, &self.trust), origin, bundle, now, self.cluster.words())
    }
}
