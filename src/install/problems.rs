//! Finds problems of an installation's pods, and of the workloads that create them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::event::{Event, Observer};
use crate::cluster::Cluster;
use crate::cluster::error::CallError;
use crate::cluster::request::Request;
use crate::failure::{Failure, FailureKind};
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::model::text::ReleaseName;
use crate::rollout::pods::{PodProblem, PodProblemReason};
use crate::rollout::record_names::instance_label;
use crate::rollout::{live_object, pods};

/// Lists the pods of an installation.
pub fn list_pods(cluster: &Cluster, place: (&ReleaseName, &str)) -> Result<Vec<Value>, CallError> {
    list(cluster, Kind::Pod, place)
}

fn list(
    cluster: &Cluster,
    kind: Kind,
    (name, namespace): (&ReleaseName, &str),
) -> Result<Vec<Value>, CallError> {
    let folder = ObjectKey::of(kind, namespace, "");
    cluster.list(&Request::list(&folder, &instance_label(name)))
}

/// Returns the problems of the pods `all`, of their owners, and of each StatefulSet among
/// `objects`.
pub fn problems<'a>(
    cluster: &Cluster,
    place: (&ReleaseName, &str),
    all: &[Value],
    objects: impl Iterator<Item = &'a ObjectKey>,
) -> Result<Vec<PodProblem>, Failure> {
    let owners = list(cluster, Kind::ReplicaSet, place)?;
    let sets: Vec<ObjectKey> = objects.filter(|key| key.is(Kind::StatefulSet)).cloned().collect();
    let mut found: Vec<PodProblem> = owners.iter().filter_map(pods::owner_problem).collect();
    found.extend(of_sets(cluster, &sets)?);
    found.extend(all.iter().filter(|pod| !live_object::is_ending(pod)).filter_map(pods::problem));
    Ok(found)
}

/// The interval at which a waiting command checks for problems.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// How long a container may run without being ready before this counts as a problem.
const START_MAX: Duration = Duration::from_secs(30);

/// Reports each problem once, while a command waits.
pub struct Watch {
    next: Option<Instant>,
    /// The time at which each problem was first seen; `None` once reported.
    seen: BTreeMap<(String, PodProblemReason), Option<Instant>>,
}

impl Watch {
    pub fn begin() -> Self {
        Self { next: Some(Instant::now() + LOOK_EVERY), seen: BTreeMap::new() }
    }

    /// Checks for problems if a check is due.
    ///
    /// If a check fails, for example without permission, this returns `Ok` and never checks again:
    /// the command still reports the cause at the end.
    pub fn look(
        &mut self,
        cluster: &Cluster,
        place: (&ReleaseName, &str),
        awaited: &[ObjectKey],
        observe: &Observer<'_>,
    ) -> Result<(), Failure> {
        let now = Instant::now();
        if self.next.is_none_or(|next| now < next) {
            return Ok(());
        }
        let found = list_pods(cluster, place).map_err(Failure::from);
        match found.and_then(|all| problems(cluster, place, &all, awaited.iter())) {
            Ok(found) => {
                self.told_first(found, now)
                    .iter()
                    .for_each(|problem| observe(&Event::Problem { what: problem }));
            }
            Err(failure) if failure.kind == FailureKind::Interrupted => return Err(failure),
            Err(_) => {
                self.next = None;
                return Ok(());
            }
        }
        self.next = Some(Instant::now() + LOOK_EVERY);
        Ok(())
    }

    /// Returns the problems that are due to be reported.
    fn told_first(&mut self, found: Vec<PodProblem>, now: Instant) -> Vec<PodProblem> {
        let mut new = Vec::new();
        for problem in found {
            // The message changes over time.
            let which = (problem.place.clone(), problem.reason.clone());
            let since = self.seen.entry(which).or_insert(Some(now));
            let patience = match problem.reason {
                PodProblemReason::NotReady => START_MAX,
                _ => Duration::ZERO,
            };
            if since.is_some_and(|since| now - since >= patience) {
                *since = None;
                new.push(problem);
            }
        }
        new
    }
}

/// Returns the problems of each StatefulSet that lacks pods. Only its events have the reason.
fn of_sets(cluster: &Cluster, sets: &[ObjectKey]) -> Result<Vec<PodProblem>, Failure> {
    let mut found = Vec::new();
    for (key, set) in cluster.find_all(sets)?.iter().filter(|(_, set)| pods::lacks_pods(set)) {
        match cluster.list(&Request::events(&key.namespace, live_object::uid(set))) {
            Err(error) if error.code() == 403 => {
                found.push(PodProblem {
                    place: key.name.clone(),
                    reason: PodProblemReason::EventsUnreadable,
                    message: String::new(),
                });
            }
            events => found.extend(pods::set_problem(set, &events?)),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problem_is_reported_once_and_slow_start_only_after_delay() {
        let mut watch = Watch::begin();
        let start = Instant::now();
        let mut told = |seconds, found: &[&PodProblem]| {
            let found = found.iter().map(|problem| (*problem).clone()).collect();
            watch.told_first(found, start + Duration::from_secs(seconds))
        };
        let problem = |place: &str, reason, message: &str| PodProblem {
            place: place.to_owned(),
            reason,
            message: message.to_owned(),
        };
        let backs_off = PodProblemReason::Other("ImagePullBackOff".into());
        let pulls = problem("a/relay", backs_off.clone(), "Back-off 10s");
        let pulls_later = problem("a/relay", backs_off, "Back-off 20s");
        let refused = problem("a/relay", PodProblemReason::Other("ErrImagePull".into()), "no");
        let slow = problem("b/relay", PodProblemReason::NotReady, "");

        assert_eq!(told(3, &[&pulls, &slow]), [pulls]);
        assert_eq!(told(6, &[&pulls_later, &slow]), []);
        assert_eq!(told(9, &[&refused]), [refused]);
        assert_eq!(told(36, &[&slow]), std::slice::from_ref(&slow));
        assert_eq!(told(39, &[&slow]), []);
    }
}
