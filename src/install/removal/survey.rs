//! Finds what goes and what stays.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::cluster::Cluster;
use crate::cluster::request::{FIELD_MANAGER, Request};
use crate::failure::Failure;
use crate::install::adopt::abandonment::{Abandonment, has_archive};
use crate::install::generations::{Recorded, inventory};
use crate::install::record::Journal;
use crate::model::kind::Kind;
use crate::model::label::INSTANCE_LABEL;
use crate::model::object_key::ObjectKey;
use crate::model::text::ReleaseName;
use crate::render::manifest_set::ManifestSet;
use crate::rollout::live_object;
use crate::rollout::record_names::{instance_label, recovery_name};
use crate::rollout::removal::{KeptObjects, Removal, Stays, removal, stays};

/// Returns the objects to delete and the objects that stay, of all recorded generations. Objects
/// that are given back to Helm are left out.
pub(super) fn survey(
    journal: &Journal,
    recorded: &[Recorded],
    abandonment: Option<&Abandonment>,
) -> Result<(Removal, Vec<Stays>), Failure> {
    let cluster = journal.session();
    let none = ManifestSet::default();
    let helms = abandonment.map_or(&none, Abandonment::manifests);
    let is_helms = |key: &ObjectKey| helms.iter().any(|of| of.key.identity() == key.identity());
    let mut inventory = inventory(recorded);
    inventory.retain(|item| !is_helms(&item.key));

    let keys: BTreeSet<ObjectKey> = inventory.iter().map(|item| item.key.clone()).collect();
    let live = cluster.find_all(&Vec::from_iter(keys))?;
    let removal = removal(&inventory, helms, &live, (FIELD_MANAGER, journal.name().as_str()));

    let secret = |name: &String| ObjectKey::of(Kind::Secret, journal.namespace(), name);
    let made =
        recorded.iter().flat_map(|of| of.secrets.iter().map(secret)).filter(|key| !is_helms(key));
    let made = made.collect();
    let referred =
        recorded.iter().flat_map(|of| of.referred.iter().cloned()).filter(|key| !is_helms(key));
    let referred = referred.collect();
    let (ours, mut others) = there(cluster, made, journal.name())?;
    let (theirs, unlabelled) = there(cluster, referred, journal.name())?;
    others.extend(theirs.into_iter().chain(unlabelled));

    let goes = |key: &ObjectKey| {
        removal.workloads.iter().chain(&removal.rest).any(|gone| gone.key == *key)
    };
    // PVCs and the namespace are listed separately.
    let is_told = |key: &ObjectKey| key.is(Kind::PersistentVolumeClaim) || key.is(Kind::Namespace);
    others.extend(live.keys().filter(|key| !goes(key) && !is_told(key)).cloned());

    let copies =
        ObjectKey::of(Kind::ConfigMap, journal.namespace(), &recovery_name(journal.name()));
    let has_copies = cluster.find(&copies)?.is_some();
    let made = ours.into_iter().map(|key| key.name).collect();
    let takes_pods = abandonment.is_some_and(Abandonment::takes_pods);
    let orphans = if takes_pods { BTreeSet::new() } else { orphans(journal)? };
    let has_archive = has_archive(cluster, journal.name(), journal.namespace())?;

    let kept = KeptObjects { made, others, has_copies, has_archive, orphans };
    let stays = stays((journal.name(), journal.namespace()), &inventory, &live, &kept);
    Ok((removal, stays))
}

/// Returns the pods of the installation that have no owner. Adoption temporarily leaves the Redis
/// pod without one.
fn orphans(journal: &Journal) -> Result<BTreeSet<String>, Failure> {
    let folder = ObjectKey::of(Kind::Pod, journal.namespace(), "");
    let pods =
        match journal.session().list(&Request::list(&folder, &instance_label(journal.name()))) {
            // A dry run may lack the permission.
            Err(error) if error.code() == 403 => return Ok(BTreeSet::new()),
            pods => pods?,
        };
    let is_orphan =
        |pod: &&Value| live_object::owners(pod).next().is_none() && !live_object::is_ending(pod);
    let name =
        |pod: &Value| pod.pointer("/metadata/name").and_then(Value::as_str).map(str::to_owned);
    Ok(pods.iter().filter(is_orphan).filter_map(name).collect())
}

/// Returns the existing objects with the label of the installation, and those without it. An object
/// that we may not read counts as unlabelled.
fn there(
    cluster: &Cluster,
    keys: BTreeSet<ObjectKey>,
    name: &ReleaseName,
) -> Result<(BTreeSet<ObjectKey>, BTreeSet<ObjectKey>), Failure> {
    let is_ours =
        |metadata: &Value| live_object::label(metadata, INSTANCE_LABEL) == Some(name.as_str());
    let (mut ours, mut others) = (BTreeSet::new(), BTreeSet::new());
    for key in keys {
        let found = match key.known_kind() {
            Some(Kind::Secret) => {
                cluster.find_secret(&key).map(|found| found.map(|found| is_ours(found.metadata())))
            }
            _ => cluster.find(&key).map(|found| found.map(|found| is_ours(&found["metadata"]))),
        };
        match found {
            Ok(None) => {}
            Ok(Some(true)) => drop(ours.insert(key)),
            Ok(Some(false)) => drop(others.insert(key)),
            Err(error) if error.code() == 403 => drop(others.insert(key)),
            Err(error) => return Err(error.into()),
        }
    }
    Ok((ours, others))
}
