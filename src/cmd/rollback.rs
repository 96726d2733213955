//! `rollback`: brings a cluster back to a bundle that ran there, from the record in the cluster.
//!
//! Anyone who can write ConfigMaps could have changed the record, so the bundle is verified as if
//! the operator had provided it, except that its age and later releases do not count. Needs no file
//! and no earlier run on this machine.

use camino::Utf8PathBuf;

use super::args::cluster::identify;
use super::args::installation::InstallationArgs;
use super::args::trust::load_policy;
use super::clock;
use super::ctx::Ctx;
use super::exit_code::Outcome;
use super::install::{InstallArgs, install, open_sealed};
use crate::bundle::open::Bundle;
use crate::failure::Failure;
use crate::install::checked::{Checked, Origin};
use crate::install::record::Journal;
use crate::install::verified_record::verified;
use crate::model::command_line::command_line;
use crate::rollout::back::{NoWayBack, way_back, ways_elsewhere};
use crate::rollout::record::Entry;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Takes the bundle from the record in the cluster and verifies it again. It may be older than the
running bundle, and its key may be retired. Revoked keys, revoked content and serials below
`minSerial` are refused; without --to, so is a bundle for another environment. The content of the
bundle becomes a new generation. Needs no file and no state of this machine.

Examples:
  relay-bundle rollback -n claude-relay --trust trust.toml --dry-run
  relay-bundle rollback -n claude-relay --trust trust.toml
  relay-bundle rollback -n claude-relay --trust trust.toml --to 7 --yes"
)]
pub struct Args {
    /// The generation to restore [default: the one that ran before]
    #[arg(long, value_name = "GENERATION")]
    to: Option<u64>,
    /// The trust policy: which keys may sign which bundles, and for which place
    #[arg(long, value_name = "TOML")]
    trust: Utf8PathBuf,
    #[command(flatten)]
    installation: InstallationArgs,
    #[command(flatten)]
    install: InstallArgs,
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        let policy = load_policy(&self.trust)?;
        let now = clock::now()?;
        let cluster = self.installation.connect(&ctx.printer)?;
        let identity = identify(&cluster, &policy)?;
        let journal = self.installation.open(&cluster)?;
        let entry = way_back(&journal.head, self.to).map_err(|why| refusal(why, &journal))?;
        let bundle = verified(&journal, entry, &policy, now)?;
        if self.to.is_none() {
            refuse_another_place(&journal, entry, &bundle)?;
        }
        let origin = Origin::Recorded(entry.content_of.unwrap_or(entry.generation));
        let words = self.installation.cluster_words();
        let checked = Checked::new((policy, &self.trust), origin, bundle, now, words)?;
        let checked = open_sealed(checked, self.install.secrets())?;
        install(ctx, &checked, &cluster, &identity, &self.install)
    }
}

/// Refuses a bundle for another environment than the deployed one, unless the operator named its
/// generation. Otherwise an attacker who can write the record and sign for one environment could
/// bring that bundle into another environment.
fn refuse_another_place(
    journal: &Journal<'_>,
    entry: &Entry,
    bundle: &Bundle,
) -> Result<(), Failure> {
    let Some(running) = journal.head.deployed() else { return Ok(()) };
    let (wanted, found) = (journal.environment(running)?, &bundle.index.environment);
    if wanted == *found {
        return Ok(());
    }
    let generation = entry.generation;
    let what = format!(
        "generation {generation} is for environment {found}, but the running generation {} is for \
         {wanted}",
        running.generation
    );
    Err(Failure::input(what).hint(format!(
        "review its signers and changes with --to {generation} --dry-run; if it is the right one, \
         pass --to {generation}"
    )))
}

/// Returns why a rollback is impossible, with hints on the generations that are possible.
fn refusal(why: NoWayBack, journal: &Journal<'_>) -> Failure {
    if let Some(unfinished) = journal.unfinished_adoption() {
        return Failure::world(unfinished);
    }
    let way = |entry: &Entry| {
        let Entry { generation, state, recorded, profile, .. } = entry;
        format!(
            "--to {generation}: profile {profile}, {state} on {recorded}, sha256:{}",
            entry.content_id
        )
    };
    let is_unknown = matches!(why, NoWayBack::Unknown(_));
    let failure = ways_elsewhere(&journal.head).map(way).fold(Failure::input(why), Failure::hint);
    if is_unknown {
        let place = ["history", "-n", journal.namespace(), "--name", journal.name().as_str()];
        return failure.hint(format!("list the generations: {}", command_line(place)));
    }
    if failure.hints.is_empty() {
        return failure.hint(match journal.head.deployed() {
            Some(_) => "only the running generation has ever run here: apply another bundle",
            None => "nothing has ever run here: apply a bundle",
        });
    }
    failure
}
