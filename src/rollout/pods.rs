//! What is wrong with pods that do not become ready: the reason that a person needs, from their status.

use serde_json::Value;

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn items<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

/// Reasons for which a container waits while all goes well.
const STARTING: [&str; 2] = ["ContainerCreating", "PodInitializing"];

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
    let last = container.pointer("/lastState/terminated").or_else(|| container.pointer("/state/terminated"));
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
            Some(("it runs and is not ready".to_owned(), ""))
        }
        _ => None,
    }
}

/// Returns why a ReplicaSet or StatefulSet cannot make pods, if its status says so.
pub fn owner_trouble(owner: &Value) -> Option<String> {
    let failure = items(owner, "/status/conditions").find(|condition| {
        text(condition, "/type") == "ReplicaFailure" && text(condition, "/status") == "True"
    })?;
    Some(line(text(owner, "/metadata/name"), text(failure, "/reason"), text(failure, "/message")))
}

fn line(place: &str, reason: &str, message: &str) -> String {
    if message.is_empty() { format!("{place}: {reason}") } else { format!("{place}: {reason}: {message}") }
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
            (json!({"containerStatuses": [waits("ImagePullBackOff")]}), Some("p/relay: ImagePullBackOff: m")),
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
                Some("p/relay: it runs and is not ready"),
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
}
