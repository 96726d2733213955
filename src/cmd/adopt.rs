//! `adopt`: takes over a Helm release without losing data or restarting pods needlessly.

use super::args::target::TargetArgs;
use super::ctx::Ctx;
use super::exit_code::Outcome;
use super::install::adopt::{AdoptArgs, adopt};
use super::install::{InstallArgs, open_sealed};
use crate::failure::Failure;
use crate::trust::terms::Purpose;

#[derive(Debug, clap::Args)]
#[command(
    // All objects of the release are taken over, so `--adopt` has nothing to select.
    mut_arg("adopt", |argument| argument.hide(true).conflicts_with("from_helm")),
    after_long_help = "Verifies the bundle before it contacts the cluster. Lists the fate of each object of the release, \
takes over its fields, and applies the bundle. Finally moves Helm's records to separate Secrets, so \
that `helm uninstall` cannot delete the running objects. To resume an interrupted run, run the same \
command again.

Examples:
  relay-bundle adopt --from-helm prod prod.tar --trust trust.toml --dry-run
  relay-bundle adopt --from-helm prod prod.tar --trust trust.toml
  relay-bundle adopt --from-helm prod prod.tar --trust trust.toml \\
      --yes --recreate-redis"
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
        let checked = self.target.verify(ctx, Purpose::Apply)?;
        let (release, name) = (&self.helm.from_helm, &checked.bundle().index.name);
        if name != release {
            return Err(Failure::input(format!(
                "the bundle is for release `{name}`, not `{release}`: the names must be equal, \
                 because they are part of object names and selectors"
            ))
            .hint(format!(
                "`relay-bundle import helm --release {release}` creates a profile for it"
            )));
        }
        let checked = open_sealed(checked, self.install.secrets())?;
        let (cluster, identity) = self.target.connect(&ctx.printer, &checked)?;
        adopt(ctx, &checked, (&cluster, &identity), &self.helm, &self.install)
    }
}

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;
    use clap::{Args as _, Command};

    use super::Args;

    #[test]
    fn flag_without_effect_is_neither_listed_nor_accepted() {
        let command = || Args::augment_args(Command::new("adopt"));
        let help = command().render_long_help().to_string();
        assert!(help.contains("--force-conflicts") && !help.contains("--adopt"), "{help}");

        let line = ["adopt", "--from-helm", "r", "b.tar", "--trust", "t.toml"];
        assert!(command().try_get_matches_from(line).is_ok());
        let refused =
            command().try_get_matches_from(line.into_iter().chain(["--adopt"])).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ArgumentConflict);
    }
}
