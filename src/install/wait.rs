//! Waits until objects are ready, and reports the problems of those that do not become ready.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::event::{Act, Event, Observer, Position};
use super::problems::{self, Watch, list_pods};
use super::record::Journal;
use crate::cluster::Cluster;
use crate::cluster::request::Request;
use crate::failure::Failure;
use crate::model::object_key::ObjectKey;
use crate::rollout::readiness::{self, Readiness};

const POLL_FIRST: Duration = Duration::from_millis(100);
const POLL_MAX: Duration = Duration::from_secs(2);

/// The maximum number of problems in an error. The first one usually explains the others.
const PROBLEMS_SHOWN: usize = 10;

/// Why an object does not become ready, with the problems of the pods.
#[derive(Debug, thiserror::Error)]
pub enum WaitError {
    #[error("{key}: {why}")]
    Failed { key: ObjectKey, why: String, problems: Vec<String> },
    #[error("not ready after {seconds} s: {key}: {why}")]
    Unready { seconds: u64, key: ObjectKey, why: String, problems: Vec<String> },
}

impl From<WaitError> for Failure {
    fn from(mut error: WaitError) -> Self {
        let (WaitError::Failed { problems, .. } | WaitError::Unready { problems, .. }) = &mut error;
        let reasons = std::mem::take(problems);
        Self { reasons, ..Self::world(error) }
    }
}

/// Waits until all objects are ready. Fails when an object cannot become ready, or after the
/// timeout.
pub fn wait(
    journal: &mut Journal,
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
        let found = look(journal.session(), &waiting, &mut given_up)?;
        let unready = unready(journal, awaited, &found)?;
        for (key, _) in found.iter().filter(|(_, state)| *state == Readiness::Ready) {
            if told.insert(key.clone()) {
                let position = Some(Position { number: told.len(), of: awaited.len() });
                observe(&Event::Changed { act: Act::Ready, key, position });
            }
        }
        let Some((key, why)) = unready.first() else {
            if waiting.len() == awaited.len() {
                observe(&Event::AllReady { seconds: start.elapsed().as_secs() });
                return Ok(());
            }
            // A ready object may have more to do since: an autoscaler adds pods.
            waiting = awaited.to_vec();
            continue;
        };
        if start.elapsed() >= timeout {
            let (seconds, key, why) = (timeout.as_secs(), key.clone(), why.clone());
            let problems = problems(journal, awaited)?;
            return Err(WaitError::Unready { seconds, key, why, problems }.into());
        }
        journal.beat()?;
        let place = (journal.name(), journal.namespace());
        watch.look(journal.session(), place, awaited, observe)?;
        journal.session().pause(pause.min(timeout.saturating_sub(start.elapsed())))?;
        pause = (pause * 2).min(POLL_MAX);
        waiting = unready.into_iter().map(|(key, _)| key).collect();
    }
}

/// Returns the objects that are not ready yet, and why. Fails if one cannot become ready.
fn unready(
    journal: &Journal,
    awaited: &[ObjectKey],
    found: &[(ObjectKey, Readiness)],
) -> Result<Vec<(ObjectKey, String)>, Failure> {
    let mut unready = Vec::new();
    for (key, state) in found {
        let key = key.clone();
        match state {
            Readiness::Ready => {}
            Readiness::Waiting(why) => unready.push((key, why.clone())),
            Readiness::Failed(why) => {
                let (why, problems) = (why.clone(), problems(journal, awaited)?);
                return Err(WaitError::Failed { key, why, problems }.into());
            }
        }
    }
    Ok(unready)
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
    found.sort_by_key(|(key, _)| readiness::follows_pods(key));
    Ok(found)
}

/// Returns the problems of the pods and of the workloads that create them.
fn problems(journal: &Journal, awaited: &[ObjectKey]) -> Result<Vec<String>, Failure> {
    let (cluster, place) = (journal.session(), (journal.name(), journal.namespace()));
    let all = problems::problems(cluster, place, &list_pods(cluster, place)?, awaited.iter())?;
    Ok(all.iter().take(PROBLEMS_SHOWN).map(ToString::to_string).collect())
}
