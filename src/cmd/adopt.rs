//! `adopt`: takes over what Helm installed, without losing data or restarting what need not restart.

use super::ctx::Ctx;
use super::failure::{Failure, Outcome};
use super::install::InstallArgs;
use super::install::adopt::{AdoptArgs, adopt};
use super::target_args::TargetArgs;
use crate::trust::verify::Purpose;

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
    target: TargetArgs,
    #[command(flatten)]
    helm: AdoptArgs,
    #[command(flatten)]
    install: InstallArgs,
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        let checked = self.target.verify(Purpose::Install)?;
        let (release, name) = (&self.helm.from_helm, &checked.bundle().index.name);
        if name != release {
            return Err(Failure::input(format!(
                "the bundle is for the release `{name}`, and not for `{release}`: they must have one name, because objects \
                 and selectors have it"
            ))
            .hint(format!("`relay-bundle import helm --release {release}` makes a profile for it")));
        }
        #[cfg(feature = "age")]
        let checked = checked.open_sealed(self.install.secrets())?;
        let (cluster, identity) = self.target.connect(&checked)?;
        adopt(ctx, &checked, (&cluster, &identity), &self.helm, self.install)
    }
}
