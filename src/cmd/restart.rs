//! `restart`: replaces the pods of a workload with new ones from the same template, like
//! `kubectl rollout restart`.

use super::args::change::ChangeArgs;
use super::confirm::place;
use super::ctx::Ctx;
use super::exit_code::Outcome;
use super::install::host;
use super::operator::{View, carry_through};
use crate::cluster::{Cluster, ClusterIdentity};
use crate::install::event::Event;
use crate::install::restart::RestartChange;
use crate::model::text::ObjectName;
use crate::model::timestamp::Timestamp;
use crate::ui::restart_view::RestartReport;

#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Replaces pods according to the workload's strategy, and waits for them. A later `apply` does not \
restart them again, and comparisons with the bundle do not show the restart.

Examples:
  relay-bundle restart relay -n claude-relay
  relay-bundle restart redis -n claude-relay --yes --timeout 120"
)]
pub struct Args {
    /// The workload: `relay`, `redis`, or the name of its Deployment or StatefulSet
    #[arg(value_name = "WORKLOAD")]
    workload: ObjectName,
    #[command(flatten)]
    change: ChangeArgs,
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        let cluster = self.change.installation.connect(&ctx.printer)?;
        let identity = cluster.identity()?;
        let journal = self.change.installation.open(&cluster)?;
        let observe = |event: &Event<'_>| ctx.observe(event);
        let how = (self.change.turn(), self.change.timeout());
        let mut restart = RestartChange::plan(host(&observe), journal, &self.workload, how)?;
        if let Some(warning) = restart.warning().filter(|_| !self.change.dry_run) {
            ctx.printer.warn(&warning);
        }
        let view = RestartView { cluster: &cluster, identity: &identity };
        carry_through(ctx, self.change.approval(), &mut restart, &view)
    }
}

struct RestartView<'a> {
    cluster: &'a Cluster,
    identity: &'a ClusterIdentity,
}

impl<'c> View<RestartChange<'c>> for RestartView<'_> {
    type Report<'a>
        = RestartReport<'a>
    where
        Self: 'a,
        'c: 'a;

    fn report<'a>(
        &'a self,
        restart: &'a RestartChange<'c>,
        done: Option<&'a Timestamp>,
    ) -> RestartReport<'a> {
        RestartReport {
            context: &self.cluster.context,
            cluster_uid: &self.identity.uid,
            key: restart.key(),
            restarted_at: done.copied(),
        }
    }

    fn question(&self, restart: &RestartChange<'_>) -> String {
        let key = restart.key();
        format!("Restart {key} in {}?", place(self.cluster, self.identity, None, &key.namespace))
    }
}
