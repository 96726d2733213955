//! What is wrong with the pods of an installation, and with what makes them.

use super::failure::Failure;
use crate::cluster::Cluster;
use crate::cluster::request::Request;
use crate::cluster::resource::key;
use crate::model::object_key::ObjectKey;
use crate::model::text::ReleaseName;
use crate::rollout::record::instance_label;
use crate::rollout::{live, pods};

/// Says what is wrong; `objects` are those of the installation, as far as they matter.
pub(super) fn troubles<'a>(
    cluster: &Cluster,
    (name, namespace): (&ReleaseName, &str),
    objects: impl Iterator<Item = &'a ObjectKey>,
) -> Result<Vec<String>, Failure> {
    let label = instance_label(name);
    let list = |kind: &str| {
        let folder = key(kind, namespace, "").expect("a kind that is known");
        cluster.list(&Request::list(&folder, &label))
    };
    let (owners, all) = (list("ReplicaSet")?, list("Pod")?);
    let sets: Vec<ObjectKey> = objects.filter(|key| key.kind == "StatefulSet").cloned().collect();
    let mut found: Vec<String> = owners.iter().filter_map(pods::owner_trouble).collect();
    found.extend(of_sets(cluster, &sets)?);
    found.extend(all.iter().filter(|pod| !live::is_ending(pod)).filter_map(pods::trouble));
    Ok(found)
}

/// A StatefulSet says only in events why it makes no pods.
fn of_sets(cluster: &Cluster, sets: &[ObjectKey]) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    for (key, set) in cluster.find_all(sets)?.iter().filter(|(_, set)| pods::lacks_pods(set)) {
        match cluster.list(&Request::events(&key.namespace, live::uid(set))) {
            Err(error) if error.code() == 403 => {
                found
                    .push(format!("{}: why it lacks pods is in its events, which we may not list", key.name));
            }
            events => found.extend(pods::set_trouble(set, &events?)),
        }
    }
    Ok(found)
}
