//! A bundle and its target cluster: the bundle is verified before the first request. Shared by the
//! commands that write to a cluster.

use camino::Utf8PathBuf;

use super::bundle::BundleArgs;
use super::cluster::ClusterArgs;
use super::state::StateArgs;
use crate::cluster::{Cluster, ClusterIdentity};
use crate::cmd::clock;
use crate::cmd::ctx::{Ctx, StoreArgs};
use crate::failure::{Failure, FailureKind};
use crate::install::checked_bundle::{Accepted, BundleOrigin, CheckedBundle};
use crate::install::preflight::identify;
use crate::keyring::policy_file::load_policy;
use crate::signing::terms::serial_warning;
use crate::trust::state::Place;
use crate::trust::terms::{Authority, Purpose, VerifyTerms};
use crate::ui::printer::Printer;
use crate::ui::verify_view::not_compared;

/// Which bundle, who may have signed it, and which cluster.
#[derive(Debug, clap::Args)]
pub(in crate::cmd) struct TargetArgs {
    #[command(flatten)]
    bundle: BundleArgs,
    /// The trust policy: which keys may sign which bundles, and for which site
    #[arg(long, value_name = "TOML")]
    trust: Utf8PathBuf,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

impl TargetArgs {
    /// Verifies the bundle as far as this is possible without a cluster. Does not connect.
    pub(in crate::cmd) fn verify(
        &self,
        ctx: &Ctx,
        purpose: Purpose,
    ) -> Result<CheckedBundle, Failure> {
        let bundle = self.bundle.named(&self.store);
        bundle.check_parts()?;
        let policy = load_policy(&self.trust)?;
        let now = clock::now()?;
        let state_file = self.state.file(ctx)?;
        let state = state_file.read()?;
        // The state is written only under the lock. Checking now that it is writable lets the run
        // fail before it asks the operator.
        state_file.check_place()?;
        let terms = VerifyTerms { authority: Authority::Policy(&policy, &state), purpose, now };
        let (_, bundle) = bundle.verify(&terms)?;
        let statement = &bundle.voucher().statement;
        let place = Place::of(statement, &policy.target);
        if purpose == Purpose::Apply
            && let Some(others) = not_compared(&state.compare(&place).not_compared)
        {
            ctx.printer.warn(&format!("this is the first bundle for its place here; {others}"));
        }
        if let Some(warning) = serial_warning(&statement.predicate) {
            ctx.printer.warn(&warning);
        }
        let origin =
            BundleOrigin::Brought(Accepted { file: state_file, words: self.state.words() });
        CheckedBundle::new((policy, &self.trust), origin, bundle, now, self.cluster.words())
    }

    /// Connects, and refuses a cluster that the policy does not name.
    ///
    /// If the bundle is acceptable only as deployed content, and the cluster cannot be asked about
    /// it, the bundle is refused.
    pub(in crate::cmd) fn connect(
        &self,
        printer: &Printer,
        checked: &CheckedBundle,
    ) -> Result<(Cluster, ClusterIdentity), Failure> {
        let connect = || {
            let cluster = self.cluster.connect(printer)?;
            let identity = identify(&cluster, &checked.policy)?;
            Ok((cluster, identity))
        };
        connect().map_err(|why: Failure| match checked.only_if_deployed() {
            Some(refused) if why.kind != FailureKind::Untrusted => Failure::from(refused).reason(
                format!("cannot check whether the cluster runs this content: {}", why.message()),
            ),
            _ => why,
        })
    }
}
