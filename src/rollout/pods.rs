//! Explains from their status why pods do not become ready.

use std::fmt;

use serde_json::Value;

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn items<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

/// Reasons why a container waits during a normal start.
const STARTING: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// A problem of a pod, or of an object that creates pods: `pod/container: reason: message`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodProblem {
    pub place: String,
    pub reason: PodProblemReason,
    /// Details, which may change while the problem lasts. May be empty.
    pub message: String,
}

/// The reason of a problem, which identifies it together with its place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PodProblemReason {
    /// The container has started, and is not ready yet; every container is, for a while.
    NotReady,
    /// Kubernetes' word for the reason, or ours.
    Other(String),
    /// Only the events have the reason, and they must not be read.
    EventsUnreadable,
}

impl fmt::Display for PodProblemReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotReady => "running, but not ready",
            Self::Other(reason) => reason,
            Self::EventsUnreadable => {
                "cannot tell why pods are missing: missing permission to list events"
            }
        })
    }
}

impl fmt::Display for PodProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, reason, message } = self;
        write!(f, "{place}: {reason}")?;
        if message.is_empty() { Ok(()) } else { write!(f, ": {message}") }
    }
}

impl PodProblem {
    fn new(place: &str, reason: &str, message: &str) -> Self {
        let reason = PodProblemReason::Other(reason.to_owned());
        Self { place: place.to_owned(), reason, message: message.to_owned() }
    }
}

/// Returns why a pod is not ready, if its status says so.
pub fn problem(pod: &Value) -> Option<PodProblem> {
    let name = text(pod, "/metadata/name");
    let unscheduled = items(pod, "/status/conditions").find(|condition| {
        text(condition, "/type") == "PodScheduled" && text(condition, "/status") == "False"
    });
    if let Some(condition) = unscheduled {
        let (reason, message) = (text(condition, "/reason"), text(condition, "/message"));
        return Some(PodProblem::new(name, reason, message));
    }
    for pointer in ["/status/initContainerStatuses", "/status/containerStatuses"] {
        for container in items(pod, pointer) {
            if let Some((reason, message)) = container_problem(container) {
                let place = format!("{name}/{}", text(container, "/name"));
                return Some(PodProblem { place, reason, message: message.to_owned() });
            }
        }
    }
    match text(pod, "/status/phase") {
        "Failed" => {
            let (reason, message) = (text(pod, "/status/reason"), text(pod, "/status/message"));
            Some(PodProblem::new(name, reason, message))
        }
        _ => None,
    }
}

fn container_problem(container: &Value) -> Option<(PodProblemReason, &str)> {
    let last = container
        .pointer("/lastState/terminated")
        .or_else(|| container.pointer("/state/terminated"));
    let ended = last.filter(|last| last.pointer("/exitCode").and_then(Value::as_i64) != Some(0));
    let ended_as = ended.map(|ended| {
        let code = ended.pointer("/exitCode").and_then(Value::as_i64).unwrap_or_default();
        format!("{} (exit code {code})", text(ended, "/reason"))
    });

    if let Some(waiting) = container.pointer("/state/waiting") {
        let reason = text(waiting, "/reason");
        if reason.is_empty() || STARTING.contains(&reason) {
            return ended_as.map(|ended| (PodProblemReason::Other(ended), ""));
        }
        let reason = match ended_as {
            Some(ended) if reason == "CrashLoopBackOff" => format!("{reason} after {ended}"),
            _ => reason.to_owned(),
        };
        return Some((PodProblemReason::Other(reason), text(waiting, "/message")));
    }

    let is_ready = container.pointer("/ready").and_then(Value::as_bool).unwrap_or(false);
    match ended_as {
        Some(ended) if !is_ready => Some((PodProblemReason::Other(ended), "")),
        _ if !is_ready && container.pointer("/state/running").is_some() => {
            Some((PodProblemReason::NotReady, ""))
        }
        _ => None,
    }
}

/// Returns why a ReplicaSet cannot create pods, if its status says so.
pub fn owner_problem(owner: &Value) -> Option<PodProblem> {
    let failure = items(owner, "/status/conditions").find(|condition| {
        text(condition, "/type") == "ReplicaFailure" && text(condition, "/status") == "True"
    })?;
    let (reason, message) = (text(failure, "/reason"), text(failure, "/message"));
    Some(PodProblem::new(text(owner, "/metadata/name"), reason, message))
}

/// Returns whether a StatefulSet has fewer pods than it wants.
pub fn lacks_pods(set: &Value) -> bool {
    let number = |pointer: &str| set.pointer(pointer).and_then(Value::as_i64);
    number("/status/replicas").unwrap_or(0) < number("/spec/replicas").unwrap_or(1)
}

/// Returns why a StatefulSet cannot create pods, if its latest event about creation reports a
/// failure. Its status does not say so.
pub fn set_problem(set: &Value, events: &[Value]) -> Option<PodProblem> {
    let time = |event: &&Value| {
        let times = [
            "/lastTimestamp",
            "/series/lastObservedTime",
            "/eventTime",
            "/metadata/creationTimestamp",
        ];
        times.into_iter().find_map(|pointer| event.pointer(pointer)?.as_str().map(str::to_owned))
    };
    let is_about_making =
        |event: &&Value| matches!(text(event, "/reason"), "FailedCreate" | "SuccessfulCreate");
    let last = events.iter().filter(is_about_making).max_by_key(time)?;
    let reason = text(last, "/reason");
    (reason == "FailedCreate")
        .then(|| PodProblem::new(text(set, "/metadata/name"), reason, text(last, "/message")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn unready_pod_reason_is_reported_with_container() {
        let waits = |reason: &str| json!({"name": "relay", "ready": false, "state": {"waiting": {"reason": reason, "message": "m"}}});
        let killed = json!({"name": "relay", "ready": false, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}});
        let table = [
            (
                json!({"containerStatuses": [waits("ImagePullBackOff")]}),
                Some("p/relay: ImagePullBackOff: m"),
            ),
            (json!({"containerStatuses": [waits("ContainerCreating")]}), None),
            (
                json!({"containerStatuses": [killed]}),
                Some("p/relay: CrashLoopBackOff after OOMKilled (exit code 137)"),
            ),
            (
                json!({"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}]}),
                Some("p: Unschedulable: 0/3 nodes"),
            ),
            (
                json!({"containerStatuses": [{"name": "relay", "ready": false, "state": {"running": {}}}]}),
                Some("p/relay: running, but not ready"),
            ),
            (
                json!({"containerStatuses": [{"name": "relay", "ready": true, "state": {"running": {}}}]}),
                None,
            ),
            (
                json!({"initContainerStatuses": [{"name": "prepare", "ready": true, "state": {"terminated": {"exitCode": 0}}}]}),
                None,
            ),
        ];

        for (status, wanted) in table {
            let pod = json!({"metadata": {"name": "p"}, "status": status});
            let found = problem(&pod).map(|problem| problem.to_string());
            assert_eq!(found.as_deref(), wanted, "{pod}");
        }
    }
    #[test]
    fn stateful_set_without_pods_reports_last_failed_creation() {
        let set = |replicas: i64| json!({"metadata": {"name": "redis"}, "spec": {"replicas": 1}, "status": {"replicas": replicas}});
        assert!(lacks_pods(&set(0)) && !lacks_pods(&set(1)) && lacks_pods(&json!({"spec": {}})));

        let event = |reason: &str, minute: u8| json!({"reason": reason, "message": "no", "lastTimestamp": format!("2026-11-22T10:{minute:02}:00Z")});
        // The form that newer Kubernetes components write.
        let new = json!({"reason": "FailedCreate", "message": "new", "lastTimestamp": null, "eventTime": "2026-11-22T10:09:00.000000Z"});
        let table = [
            (vec![], None),
            (vec![event("FailedCreate", 1)], Some("redis: FailedCreate: no")),
            (
                vec![event("FailedCreate", 2), event("SuccessfulCreate", 1)],
                Some("redis: FailedCreate: no"),
            ),
            (vec![event("FailedCreate", 1), event("SuccessfulCreate", 2)], None),
            (
                vec![event("SuccessfulCreate", 2), new, event("Other", 59)],
                Some("redis: FailedCreate: new"),
            ),
        ];
        for (events, wanted) in table {
            let found = set_problem(&set(0), &events).map(|problem| problem.to_string());
            assert_eq!(found.as_deref(), wanted, "{events:?}");
        }
    }
}
