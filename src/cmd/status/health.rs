//! The health of the objects and Secrets of a generation.

use crate::cluster::Cluster;
use crate::cluster::request::FIELD_MANAGER;
use crate::failure::Failure;
use crate::install::generations::Recorded;
use crate::install::record::Journal;
use crate::install::secrets::seen;
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::rollout::additions::{Others, others};
use crate::rollout::known_secrets::{KnownSecrets, Whose};
use crate::rollout::object_status::ObjectStatus;
use crate::rollout::record::{GenerationProgress, Item};
use crate::ui::status_view::{ObjectReport, SecretReport, SecretStanding};

/// The remedy for a missing Secret.
const LOST: &str = "running pods still have it, but new pods cannot start: restore it with \
                    `relay-bundle secrets restore` before a pod restarts (see docs/recovery.md)";

/// The remedy while a run is pending.
const NOT_MADE: &str =
    "the pending run has not created it, or it was deleted since: run that command again";

/// Compares the objects of a generation with the live ones.
pub(super) fn look(
    cluster: &Cluster,
    journal: &Journal,
    recorded: &Recorded,
) -> Result<Vec<ObjectReport>, Failure> {
    let keys: Vec<ObjectKey> = recorded.inventory.iter().map(|item| item.key.clone()).collect();
    let live = cluster.find_all(&keys)?;
    let manifests = journal.manifests(&recorded.entry)?;
    let report = |item: &Item| {
        let live = live.get(&item.key);
        let manifest = manifests.iter().find(|manifest| manifest.key == item.key);
        let beside = live
            .zip(manifest)
            .map(|(live, manifest)| others(&item.key, live, &manifest.object, FIELD_MANAGER));
        let Others { changed, additions } = beside.unwrap_or_default();
        ObjectReport {
            standing: ObjectStatus::of(item, live),
            key: item.key.clone(),
            changed,
            additions,
        }
    };
    Ok(recorded.inventory.iter().map(report).collect())
}

/// Checks that the recorded Secrets exist, and that they are the same objects.
pub(super) fn look_at_secrets(
    cluster: &Cluster,
    journal: &Journal,
    recorded: &Recorded,
    known: &KnownSecrets,
) -> Result<Vec<SecretReport>, Failure> {
    let lost = if recorded.entry.state == GenerationProgress::Pending { NOT_MADE } else { LOST };
    let report = |name: &String| {
        let key = ObjectKey::of(Kind::Secret, journal.namespace(), name);
        let (standing, why) = match cluster.find_secret(&key) {
            Err(error) if error.code() == 403 => (SecretStanding::Unseen, None),
            Err(error) => return Err(error.into()),
            Ok(None) => (SecretStanding::Missing, Some(lost.to_owned())),
            Ok(Some(secret)) => match known.whose(seen(&key, &secret)) {
                Whose::Another(why) => (SecretStanding::Replaced, Some(why)),
                Whose::Ours | Whose::Taken(_) => (SecretStanding::Ready, None),
            },
        };
        Ok(SecretReport { name: name.clone(), standing, why })
    };
    recorded.secrets.iter().map(report).collect()
}
