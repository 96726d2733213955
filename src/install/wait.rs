//! Waits until objects are ready, and reports the problems of those that do not become ready.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::event::{Act, Event, Observer};
use super::problems::{Watch, list_pods, troubles};
use super::record::Journal;
use crate::cluster::Cluster;
use crate::cluster::request::Request;
use crate::failure::Failure;
use crate::model::object_key::ObjectKey;
use crate::rollout::readiness::{self, Readiness};

const POLL_FIRST: Duration = Duration::from_millis(100);
const POLL_MAX: Duration = Duration::from_secs(2);

/// The maximum number of problems in an error. The first one usually explains the others.
const TROUBLES_SHOWN: usize = 10;

/// Waits until all objects are ready. Fails when an object cannot become ready, or after the
/// timeout.
pub fn wait(
    cluster: &Cluster,
    journal: &mut Journal<'_>,
    awaited: &[ObjectKey],
    timeout: Duration,
    observe: &Observer<'_>,
) -> Result<(), Failure> {
    let start = Instant::now();
    let mut pause = POLL_FIRST;
    let mut waiting = awaited.to_vec();
    let mut told = BTreeSet::new();
    let mut given_up = BTreeMap::new();
    let mut watch = Watch::begin();
    loop {
        let found = look(cluster, &waiting, &mut given_up)?;
        if let Some((key, why)) = found.iter().find_map(|(key, state)| match state {
            Readiness::Failed(why) => Some((key, why)),
            _ => None,
        }) {
            return Err(trouble(cluster, journal, awaited, format!("{key}: {why}"))?);
        }
        for (key, _) in found.iter().filter(|(_, state)| *state == Readiness::Ready) {
            if told.insert(key.clone()) {
                observe(&Event::Changed { act: Act::Ready, key });
            }
        }
        let unready: Vec<(ObjectKey, String)> = found
            .into_iter()
            .filter_map(|(key, state)| match state {
                Readiness::Waiting(why) => Some((key, why)),
                _ => None,
            })
            .collect();
        let Some((key, why)) = unready.first() else {
            if waiting.len() == awaited.len() {
                return Ok(());
            }
            // A ready object may have more to do since: an autoscaler adds pods.
            waiting = awaited.to_vec();
            continue;
        };
        if start.elapsed() >= timeout {
            let what = format!("not ready after {} s: {key}: {why}", timeout.as_secs());
            return Err(trouble(cluster, journal, awaited, what)?);
        }
        journal.beat()?;
        watch.look(cluster, (journal.name(), journal.namespace()), awaited, observe)?;
        cluster.pause(pause.min(timeout.saturating_sub(start.elapsed())))?;
        pause = (pause * 2).min(POLL_MAX);
        waiting = unready.into_iter().map(|(key, _)| key).collect();
    }
}

/// Returns the readiness of objects.
///
/// `given_up` holds, for each object, when its controller had given up by the first read, if it
/// had. That was an earlier rollout, whose cause may have been fixed, so the object counts as
/// waiting.
fn look(
    cluster: &Cluster,
    keys: &[ObjectKey],
    given_up: &mut BTreeMap<ObjectKey, Option<String>>,
) -> Result<Vec<(ObjectKey, Readiness)>, Failure> {
    let requests: Vec<Request> = keys.iter().map(Request::get).collect();
    let mut found = Vec::new();
    for (key, answer) in keys.iter().zip(cluster.call_all(&requests)) {
        let state = match answer {
            Ok(object) => {
                let now = readiness::gave_up(&object).map(str::to_owned);
                let first = given_up.entry(key.clone()).or_insert_with(|| now.clone());
                match readiness::of(&object) {
                    Readiness::Failed(why) if now.is_some() && now == *first => {
                        Readiness::Waiting(why)
                    }
                    state => state,
                }
            }
            Err(error) if error.code() == 404 => {
                Readiness::Failed("it was deleted by another client".to_owned())
            }
            Err(error) => return Err(error.into()),
        };
        found.push((key.clone(), state));
    }
    // Objects that wait for pods come after them.
    found.sort_by_key(|(key, _)| readiness::follows_pods(&key.kind));
    Ok(found)
}

/// Returns the failure with the problems of the pods and of the workloads that create them.
fn trouble(
    cluster: &Cluster,
    journal: &Journal<'_>,
    awaited: &[ObjectKey],
    what: String,
) -> Result<Failure, Failure> {
    let place = (journal.name(), journal.namespace());
    let reasons = troubles(cluster, place, &list_pods(cluster, place)?, awaited.iter())?;
    Ok(reasons.into_iter().take(TROUBLES_SHOWN).fold(Failure::world(what), Failure::reason))
}
