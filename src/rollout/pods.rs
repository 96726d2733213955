//! Explains from their status why pods do not become ready.

use serde_json::Value;

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn items<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

/// Reasons why a container waits during a normal start.
const STARTING: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// The explanation for a container that has started and is not ready yet; every container is, for a
/// while.
pub const NOT_READY: &str = "running, but not ready";

/// Returns why a pod is not ready, if its status says so: `pod/container: reason: message`.
pub fn trouble(pod: &Value) -> Option<String> {
    let name = text(pod, "/metadata/name");
    let unscheduled = items(pod, "/status/conditions").find(|condition| {
        text(condition, "/type") == "PodScheduled" && text(condition, "/status") == "False"
    });
    if let Some(condition) = unscheduled {
        return Some(line(name, text(condition, "/reason"), text(condition, "/message")));
    }
    for pointer in ["/status/initContainerStatuses", "/status/containerStatuses"] {
        for container in items(pod, pointer) {
            if let Some((reason, message)) = container_trouble(container) {
                let place = format!("{name}/{}", text(container, "/name"));
                return Some(line(&place, &reason, message));
            }
        }
    }
    match text(pod, "/status/phase") {
        "Failed" => Some(line(name, text(pod, "/status/reason"), text(pod, "/status/message"))),
        _ => None,
    }
}

fn container_trouble(container: &Value) -> Option<(String, &str)> {
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
            return ended_as.map(|ended| (ended, ""));
        }
        let reason = match ended_as {
            Some(ended) if reason == "CrashLoopBackOff" => format!("{reason} after {ended}"),
            _ => reason.to_owned(),
        };
        return Some((reason, text(waiting, "/message")));
    }
    let is_ready = container.pointer("/ready").and_then(Value::as_bool).unwrap_or(false);
    match ended_as {
        Some(ended) if !is_ready => Some((ended, "")),
        _ if !is_ready && container.pointer("/state/running").is_some() => {
            Some((NOT_READY.to_owned(), ""))
        }
        _ => None,
    }
}

/// Returns why a ReplicaSet cannot create pods, if its status says so.
pub fn owner_trouble(owner: &Value) -> Option<String> {
    let failure = items(owner, "/status/conditions").find(|condition| {
        text(condition, "/type") == "ReplicaFailure" && text(condition, "/status") == "True"
    })?;
    Some(line(text(owner, "/metadata/name"), text(failure, "/reason"), text(failure, "/message")))
}

/// Returns whether a StatefulSet has fewer pods than it wants.
pub fn lacks_pods(set: &Value) -> bool {
    let number = |pointer: &str| set.pointer(pointer).and_then(Value::as_i64);
    number("/status/replicas").unwrap_or(0) < number("/spec/replicas").unwrap_or(1)
}

/// Returns why a StatefulSet cannot create pods, if its latest event about creation reports a
/// failure. Its status does not say so.
pub fn set_trouble(set: &Value, events: &[Value]) -> Option<String> {
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
        .then(|| line(text(set, "/metadata/name"), reason, text(last, "/message")))
}

fn line(place: &str, reason: &str, message: &str) -> String {
    if message.is_empty() {
        format!("{place}: {reason}")
    } else {
        format!("{place}: {reason}: {message}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_reason_of_a_pod_is_named_with_its_container() {
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
            assert_eq!(trouble(&pod).as_deref(), wanted, "{pod}");
        }
    }
    #[test]
    fn a_stateful_set_that_makes_no_pods_says_so_in_the_last_of_its_events() {
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
            assert_eq!(set_trouble(&set(0), &events).as_deref(), wanted, "{events:?}");
        }
    }
}
