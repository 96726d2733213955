//! `secrets restore`: recreates the Secrets of a recovery file in the cluster.

use camino::Utf8PathBuf;

use crate::bundle::open::Bundle;
use crate::cmd::args::identity::IdentityArgs;
use crate::cmd::args::target::TargetArgs;
use crate::cmd::ctx::Ctx;
use crate::cmd::exit_code::Outcome;
use crate::cmd::install::ChangePlace;
use crate::cmd::operator::{Approval, View, carry_through};
use crate::failure::Failure;
use crate::install::secrets::backup::open_backup;
use crate::install::secrets::restore::Restoration;
use crate::sealed::Recovery;
use crate::trust::terms::Purpose;
use crate::ui::secrets_view::RestoreReport;

#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Creates only Secrets that the verified bundle refers to, because anyone with a public key could have \
made the file. An existing Secret with the same values is kept; if any value differs, nothing is \
written. The namespace must exist. docs/recovery.md describes the whole recovery.

Examples:
  relay-bundle secrets restore prod.tar secrets.age --trust trust.toml \\
      --identity key.txt --dry-run
  relay-bundle secrets restore prod.tar secrets.age --trust trust.toml \\
      --identity <(age -d key.txt.age) --yes"
)]
pub(super) struct Args {
    #[command(flatten)]
    target: TargetArgs,
    /// A recovery file written by `apply`, `secrets init` or `secrets backup`
    recovery_file: Utf8PathBuf,
    #[command(flatten)]
    identity: IdentityArgs,
    /// Show what would be restored, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask for confirmation
    #[arg(long, short)]
    yes: bool,
}

impl Args {
    pub(super) fn run(self, ctx: &Ctx) -> Outcome {
        let checked = self.target.verify(ctx, Purpose::Deployed)?;
        let bundle = checked.bundle();
        let recovery = self.open(bundle)?;
        let (cluster, identity) = self.target.connect(&ctx.printer, &checked)?;
        let mut restoration = Restoration::plan(&cluster, bundle, &recovery)?;
        let place = ChangePlace { checked: &checked, cluster: &cluster, identity: &identity };
        let approval = Approval::of(self.dry_run, self.yes);
        carry_through(ctx, approval, &mut restoration, &RestoreView { place })
    }

    fn open(&self, bundle: &Bundle) -> Result<Recovery, Failure> {
        let identities = self.identity.read()?.ok_or_else(|| {
            Failure::input("no private key for the recovery file")
                .hint("pass the file with the key: --identity FILE")
        })?;
        open_backup(&self.recovery_file, &identities, bundle)
    }
}

struct RestoreView<'a> {
    place: ChangePlace<'a>,
}

impl View<Restoration> for RestoreView<'_> {
    type Report<'a>
        = RestoreReport<'a>
    where
        Self: 'a;

    fn report<'a>(
        &'a self,
        restoration: &'a Restoration,
        done: Option<&'a ()>,
    ) -> RestoreReport<'a> {
        RestoreReport {
            context: &self.place.cluster.context,
            cluster_uid: &self.place.identity.uid,
            namespace: self.place.namespace(),
            restored: &restoration.restored,
            unchanged: &restoration.unchanged,
            left_out: &restoration.left_out,
            lacking: &restoration.lacking,
            done: done.is_some(),
        }
    }

    fn question(&self, _: &Restoration) -> String {
        format!("Restore these Secrets into {}?", self.place)
    }

    fn closing(&self, restoration: &Restoration, done: Option<&()>) -> Option<String> {
        (done.is_some() && !restoration.restored.is_empty()).then(|| {
            "the record in the cluster has no copy of them: keep the file, or create another with \
             `relay-bundle secrets backup`"
                .to_owned()
        })
    }
}
