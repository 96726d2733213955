//! The generation that a rollback restores.

use super::record::Journal;
use super::verified_record::verified;
use crate::bundle::open::Bundle;
use crate::failure::Failure;
use crate::model::command_line::command_line;
use crate::model::text::{Label, ReleaseName};
use crate::model::timestamp::Timestamp;
use crate::rollout::obstacle::Obstacle;
use crate::rollout::record::GenerationEntry;
use crate::rollout::rollback_target::{NoWayBack, way_back, ways_elsewhere};
use crate::trust::policy::Policy;
use crate::trust::verify::Verified;

/// A rollback that is impossible, or that the operator must confirm.
#[derive(Debug, thiserror::Error)]
enum RollbackError {
    #[error("{0}")]
    UnfinishedAdoption(Obstacle),
    #[error("{why}")]
    NoWayBack {
        why: NoWayBack,
        /// The possible targets, newest first.
        ways: Vec<GenerationEntry>,
        name: ReleaseName,
        namespace: String,
        is_deployed: bool,
    },
    #[error(
        "generation {generation} is for environment {environment}, but the running generation \
         {running} is for {wanted}"
    )]
    AnotherEnvironment { generation: u64, environment: Label, running: u64, wanted: Label },
}

impl From<RollbackError> for Failure {
    fn from(error: RollbackError) -> Self {
        match &error {
            RollbackError::UnfinishedAdoption(_) => Self::world(error),
            RollbackError::NoWayBack { why, ways, name, namespace, is_deployed } => {
                let mut hints: Vec<String> = ways.iter().map(way_line).collect();
                if let NoWayBack::Unknown(_) = why {
                    let place = ["history", "-n", namespace, "--name", name.as_str()];
                    hints.push(format!("list the generations: {}", command_line(place)));
                } else if hints.is_empty() && *is_deployed {
                    hints.push(
                        "only the running generation has ever run here: apply another bundle"
                            .to_owned(),
                    );
                } else if hints.is_empty() {
                    hints.push("nothing has ever run here: apply a bundle".to_owned());
                }
                Self { hints, ..Self::input(error) }
            }
            RollbackError::AnotherEnvironment { generation, .. } => {
                let hint = format!(
                    "review its signers and changes with --to {generation} --dry-run; if it is the \
                     right one, pass --to {generation}"
                );
                Self::input(error).hint(hint)
            }
        }
    }
}

/// Returns the option for a target, with its description.
fn way_line(entry: &GenerationEntry) -> String {
    let GenerationEntry { generation, state, recorded, profile, content_id, .. } = entry;
    format!("--to {generation}: profile {profile}, {state} on {recorded}, sha256:{content_id}")
}

/// A recorded bundle that was verified again.
pub struct RestoredBundle {
    pub bundle: Verified<Bundle>,
    /// The generation that first had the content.
    pub content_of: u64,
}

/// Verifies the bundle of generation `to`, or of the one that ran before.
///
/// # Errors
///
/// When no such generation ran here, its bundle is not trusted, or it is for another environment and
/// was not named.
pub fn restored_bundle(
    journal: &Journal,
    to: Option<u64>,
    policy: &Policy,
    now: Timestamp,
) -> Result<RestoredBundle, Failure> {
    let entry = way_back(&journal.head, to).map_err(|why| no_way_back(why, journal))?;
    let bundle = verified(journal, entry, policy, now)?;
    if to.is_none() {
        refuse_another_place(journal, entry, &bundle)?;
    }
    Ok(RestoredBundle { bundle, content_of: entry.content_of.unwrap_or(entry.generation) })
}

/// Refuses a bundle for another environment than the deployed one, unless the operator named its
/// generation. Otherwise an attacker who can write the record and sign for one environment could
/// bring that bundle into another environment.
fn refuse_another_place(
    journal: &Journal,
    entry: &GenerationEntry,
    bundle: &Bundle,
) -> Result<(), Failure> {
    let Some(running) = journal.head.deployed() else { return Ok(()) };
    let (wanted, found) = (journal.environment(running)?, &bundle.index.environment);
    if wanted == *found {
        return Ok(());
    }
    let generation = entry.generation;
    let (environment, running) = (found.clone(), running.generation);
    Err(RollbackError::AnotherEnvironment { generation, environment, running, wanted }.into())
}

/// Returns why a rollback is impossible, with the generations that are possible.
fn no_way_back(why: NoWayBack, journal: &Journal) -> RollbackError {
    if let Some(unfinished) = journal.adoption_obstacle() {
        return RollbackError::UnfinishedAdoption(unfinished);
    }
    RollbackError::NoWayBack {
        why,
        ways: ways_elsewhere(&journal.head).cloned().collect(),
        name: journal.name().clone(),
        namespace: journal.namespace().to_owned(),
        is_deployed: journal.head.deployed().is_some(),
    }
}
