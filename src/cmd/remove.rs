//! `remove`: removes an installation. PVCs, Secrets and the record stay, and are listed.

use super::args::change::ChangeArgs;
use super::confirm::place;
use super::ctx::Ctx;
use super::exit_code::Outcome;
use super::install::host;
use super::operator::{View, carry_through};
use crate::cluster::{Cluster, ClusterIdentity};
use crate::install::event::Event;
use crate::install::removal::{RemovalChange, RemoveOptions};
use crate::ui::removal_view::{Left, RemoveReport};

#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Deletes every object in the record that has not been replaced since and holds no data, and waits for \
its pods. PVCs, Secrets, the record and the namespace stay: the commands that delete those with the \
labels of this installation are printed. To resume an interrupted run, run the same command again. \
Afterwards, a bundle can be applied again with the same data and keys.

During an unfinished adoption, --abandon gives the release back to Helm: it restores objects as in \
Helm's record, recreates deleted ones, and deletes those that only the bundle has. Secrets keep \
their values. Afterwards, `helm upgrade`, `helm uninstall` and `relay-bundle adopt` work again.

Examples:
  relay-bundle remove -n claude-relay --dry-run
  relay-bundle remove -n claude-relay
  relay-bundle remove -n claude-relay --abandon"
)]
pub struct Args {
    /// Give a release that was only partly adopted back to Helm
    #[arg(long)]
    abandon: bool,
    #[command(flatten)]
    change: ChangeArgs,
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        let installation = &self.change.installation;
        let cluster = installation.connect(&ctx.printer)?;
        let identity = cluster.identity()?;
        let journal = installation.open(&cluster)?;
        let observe = |event: &Event<'_>| ctx.observe(event);
        let options = RemoveOptions {
            abandon: self.abandon,
            turn: self.change.turn(),
            timeout: self.change.timeout(),
            cluster_words: installation.cluster_words(),
        };
        let mut removal = RemovalChange::plan(host(&observe), journal, &options)?;
        let view = RemoveView { cluster: &cluster, identity: &identity };
        carry_through(ctx, self.change.approval(), &mut removal, &view)
    }
}

struct RemoveView<'a> {
    cluster: &'a Cluster,
    identity: &'a ClusterIdentity,
}

impl<'c> View<RemovalChange<'c>> for RemoveView<'_> {
    type Report<'a>
        = RemoveReport<'a>
    where
        Self: 'a,
        'c: 'a;

    fn report<'a>(
        &'a self,
        removal: &'a RemovalChange<'c>,
        done: Option<&'a ()>,
    ) -> RemoveReport<'a> {
        RemoveReport {
            name: removal.name().as_str(),
            namespace: removal.namespace(),
            context: &self.cluster.context,
            cluster_uid: &self.identity.uid,
            delete: removal.gone().collect(),
            stays: removal.stays.iter().map(Left::of).collect(),
            adopting: removal.adopting(),
            helm: removal.release(),
            done: done.is_some(),
        }
    }

    fn question(&self, removal: &RemovalChange<'_>) -> String {
        let place = place(self.cluster, self.identity, None, removal.namespace());
        match removal.release() {
            Some(_) => format!("Give {} back to Helm in {place}?", removal.name()),
            None => format!("Remove {} from {place}?", removal.name()),
        }
    }
}
