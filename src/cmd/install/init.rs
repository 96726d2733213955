//! `secrets init`: generates the secrets of `apply`, for operators who apply with another tool.

use camino::Utf8PathBuf;

use super::{ChangePlace, SecretArgs, host};
use crate::cluster::{Cluster, ClusterIdentity};
use crate::cmd::confirm::can_ask;
use crate::cmd::ctx::Ctx;
use crate::cmd::exit_code::Outcome;
use crate::cmd::operator::{Approval, View, carry_through};
use crate::install::checked_bundle::CheckedBundle;
use crate::install::event::Event;
use crate::install::secrets_init::SecretsInit;
use crate::ui::secrets_view::SecretsInitReport;

/// Plans the secrets, asks for consent, and writes them.
pub(in crate::cmd) fn init(
    ctx: &Ctx,
    checked: &CheckedBundle,
    (cluster, identity): (&Cluster, &ClusterIdentity),
    args: &SecretArgs,
    (dry_run, yes): (bool, bool),
) -> Outcome {
    let observe = |event: &Event<'_>| ctx.observe(event);
    let consent = args.consent(!yes && !dry_run && can_ask());
    let at = (cluster, identity);
    let mut secrets = SecretsInit::plan(host(&observe), checked, at, &consent)?;
    secrets.excused().iter().for_each(|warning| ctx.printer.warn(warning));
    let view = InitView { place: ChangePlace { checked, cluster, identity } };
    carry_through(ctx, Approval::of(dry_run, yes), &mut secrets, &view)
}

struct InitView<'a> {
    place: ChangePlace<'a>,
}

impl<'c> View<SecretsInit<'c>> for InitView<'_> {
    type Report<'a>
        = SecretsInitReport<'a>
    where
        Self: 'a,
        'c: 'a;

    fn report<'a>(
        &'a self,
        secrets: &'a SecretsInit<'c>,
        done: Option<&'a Vec<Utf8PathBuf>>,
    ) -> SecretsInitReport<'a> {
        let ChangePlace { checked, cluster, identity } = self.place;
        let secret_plan = &secrets.secret_plan;
        SecretsInitReport {
            content_id: checked.bundle().content_id.prefixed(),
            context: &cluster.context,
            cluster_uid: &identity.uid,
            namespace: self.place.namespace(),
            generated: secret_plan.generated(),
            regenerated: secret_plan.regenerated(),
            sealed: secret_plan.sealed(),
            recovery: secret_plan.recovery(),
            warnings: secret_plan.warnings(),
            done: done.is_some(),
            recovery_files: done.map_or(&[], Vec::as_slice),
        }
    }

    fn question(&self, _: &SecretsInit<'_>) -> String {
        format!("Create these secrets in {}?", self.place)
    }

    fn first_install(&self, secrets: &SecretsInit<'_>) -> Option<&str> {
        self.place.first_install(&secrets.secret_plan)
    }

    fn warnings(&self, secrets: &SecretsInit<'_>) -> Vec<String> {
        secrets.secret_plan.warnings().to_vec()
    }
}
