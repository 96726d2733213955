//! A bundle and its target cluster: the bundle is verified before the first request. Shared by the
//! commands that write to a cluster.

use camino::Utf8PathBuf;

use super::cluster::{ClusterArgs, identify};
use super::state::StateArgs;
use super::trust::load_policy;
use crate::cluster::{Cluster, Identity};
use crate::cmd::clock;
use crate::cmd::ctx::{Ctx, StoreArgs};
use crate::cmd::gate::BundleArgs;
use crate::failure::{Failure, FailureKind};
use crate::install::checked::{Accepted, Checked, Origin};
use crate::signing::terms::serial_warning;
use crate::trust::state::Place;
use crate::trust::verify::{Authority, Purpose, Terms};
use crate::ui::printer::Printer;
use crate::ui::verify_view::not_compared;

/// Which bundle, who may have signed it, and which cluster.
#[derive(Debug, clap::Args)]
pub(in crate::cmd) struct TargetArgs {
    #[command(flatten)]
    bundle: BundleArgs,
    /// The trust policy: which keys may sign which bundles, and for which place
    #[arg(long, value_name = "TOML")]
    trust: Utf8PathBuf,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    store: StoreArgs,
    // Last, because its help heading applies to all arguments after it.
    #[command(flatten)]
    cluster: ClusterArgs,
}

impl TargetArgs {
    /// Verifies the bundle as far as this is possible without a cluster. Does not connect.
    pub(in crate::cmd) fn verify(&self, ctx: &Ctx, purpose: Purpose) -> Result<Checked, Failure> {
        self.bundle.check()?;
        let policy = load_policy(&self.trust)?;
        let now = clock::now()?;
        let state_file = self.state.file(ctx)?;
        let state = state_file.read()?;
        // The state is written only under the lock. Checking now that it is writable lets the run
        // fail before it asks the operator.
        state_file.check_place()?;
        let terms = Terms { authority: Authority::Policy(&policy, &state), purpose, now };
        let (_, bundle) = self.bundle.verify(&self.store, &terms)?;
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
        let origin = Origin::Brought(Accepted { file: state_file, words: self.state.words() });
        Checked::new((policy, &self.trust), origin, bundle, now, self.cluster.words())
    }

    /// Connects, and refuses a cluster that the policy does not name.
    ///
    /// If the bundle is acceptable only as deployed content, and the cluster cannot be asked about
    /// it, the bundle is refused.
    pub(in crate::cmd) fn connect(
        &self,
        printer: &Printer,
        checked: &Checked,
    ) -> Result<(Cluster, Identity), Failure> {
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
