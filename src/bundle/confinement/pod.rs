//! Checks pods against the Pod Security Standard *restricted* and the closed lists of fields.

use serde_json::Value;

use super::violation::{Rule, Violation, Violations};
use crate::model::restricted::{
    CAPABILITIES_DROPPED, CAPABILITY_ADDED, CONTAINER, CONTAINER_CONTEXT, POD, POD_CONTEXT,
    PROC_MOUNT, SYSCTLS, TEMPLATE_METADATA, VOLUMES, is_app_armor, is_confining, is_seccomp,
    is_selinux,
};

/// Returns the violations of a pod template, without those of its containers.
pub fn pod_violations(template: &Value) -> Vec<Violation> {
    let mut found = Violations::default();
    found.fields(Some(template), "", &["metadata", "spec"]);
    found.fields(template.get("metadata"), "metadata", &TEMPLATE_METADATA);
    for (key, value) in
        template.pointer("/metadata/annotations").and_then(Value::as_object).into_iter().flatten()
    {
        let confines = value.as_str().is_some_and(|value| is_confining(key, value));
        found.require(confines, &format!("metadata.annotations[{key}]"), Rule::Restricted);
    }

    let spec = &template["spec"];
    found.fields(Some(spec), "spec", &POD);
    for list in ["initContainers", "containers"] {
        found.items(spec.get(list), &format!("spec.{list}"));
    }
    let token = spec.get("automountServiceAccountToken");
    found.require(
        token == Some(&Value::Bool(false)),
        "spec.automountServiceAccountToken",
        Rule::False,
    );

    for volume in found.items(spec.get("volumes"), "spec.volumes") {
        check_volume(volume, &mut found);
    }
    if let Some(context) = spec.get("securityContext") {
        check_pod_context(context, &mut found);
    }
    found.0
}

/// Checks that a volume has exactly one source, of an allowed type.
fn check_volume(volume: &Value, found: &mut Violations) {
    let name = found.text(volume, "name", "spec.volumes[]");
    let sources: Vec<&String> = volume
        .as_object()
        .into_iter()
        .flat_map(|fields| fields.keys())
        .filter(|key| *key != "name")
        .collect();
    match sources[..] {
        [source] => {
            let field = format!("spec.volumes[{name}].{source}");
            found.require(VOLUMES.contains(&source.as_str()), &field, Rule::Restricted);
        }
        _ => found.require(false, &format!("spec.volumes[{name}]"), Rule::Restricted),
    }
}

fn check_pod_context(context: &Value, found: &mut Violations) {
    const PATH: &str = "spec.securityContext";
    found.fields(Some(context), PATH, &POD_CONTEXT);
    if let Some(profile) = context.get("seccompProfile") {
        check_seccomp(profile, PATH, found);
    }
    for sysctl in found.items(context.get("sysctls"), "spec.securityContext.sysctls") {
        let name = found.text(sysctl, "name", "spec.securityContext.sysctls[]");
        let field = format!("spec.securityContext.sysctls[{name}]");
        found.require(SYSCTLS.contains(&name), &field, Rule::Restricted);
    }
    check_context(context, PATH, found);
}

/// Returns the violations of a container or init container.
pub fn container_violations(template: &Value, container: &Value) -> Vec<Violation> {
    const PATH: &str = "securityContext";
    let mut found = Violations::default();
    found.fields(Some(container), "", &CONTAINER);
    found.fields(container.get(PATH), PATH, &CONTAINER_CONTEXT);
    let (context, pod) = (&container[PATH], &template["spec"][PATH]);
    // The settings of a container override those of its pod.
    let effective = |field: &str| context.get(field).or_else(|| pod.get(field));
    let is = |field: &str, wanted: bool| context.get(field) == Some(&Value::Bool(wanted));
    let privileged = context.get("privileged").is_some() && !is("privileged", false);
    found.require(!privileged, "securityContext.privileged", Rule::False);
    let escalation = is("allowPrivilegeEscalation", false);
    found.require(escalation, "securityContext.allowPrivilegeEscalation", Rule::False);
    let no_root = effective("runAsNonRoot") == Some(&Value::Bool(true));
    found.require(no_root, "securityContext.runAsNonRoot", Rule::True);
    check_seccomp(effective("seccompProfile").unwrap_or(&Value::Null), PATH, &mut found);
    check_capabilities(&context["capabilities"], &mut found);
    let proc_mount = context.get("procMount").is_none_or(|mount| mount == PROC_MOUNT);
    found.require(proc_mount, "securityContext.procMount", Rule::Restricted);
    check_context(context, PATH, &mut found);
    for port in found.items(container.get("ports"), "ports") {
        let is_free = port.get("hostPort").is_none_or(|port| port.as_i64() == Some(0));
        found.require(is_free, "ports[].hostPort", Rule::HostPort);
    }
    check_handlers(container, &mut found);
    found.0
}

/// Checks the fields that the security contexts of pods and containers have in common.
fn check_context(context: &Value, path: &str, found: &mut Violations) {
    let user = context.get("runAsUser");
    // Only an integer: YAML parsers read other spellings as 0.
    let is_user = user.is_none_or(|user| user.as_i64().is_some_and(|user| user != 0));
    found.require(is_user, &format!("{path}.runAsUser"), Rule::Root);
    if let Some(options) = context.get("seLinuxOptions") {
        let path = format!("{path}.seLinuxOptions");
        found.fields(Some(options), &path, &["level", "role", "type", "user"]);
        let [user, role, kind] =
            ["user", "role", "type"].map(|key| found.text(options, key, &path));
        found.require(is_selinux(user, role, kind), &path, Rule::Restricted);
    }
    if let Some(profile) = context.get("appArmorProfile") {
        let path = format!("{path}.appArmorProfile");
        let kind = found.text(profile, "type", &path);
        found.require(is_app_armor(kind), &path, Rule::Restricted);
    }
}

fn check_seccomp(profile: &Value, path: &str, found: &mut Violations) {
    let path = format!("{path}.seccompProfile");
    let kind = found.text(profile, "type", &path);
    let file = profile.get("localhostProfile").map(|file| file.as_str().unwrap_or_default());
    found.require(is_seccomp(kind, file), &path, Rule::Restricted);
}

fn check_capabilities(capabilities: &Value, found: &mut Violations) {
    // Case-insensitive parsers would read `Add` as `add`.
    found.fields(
        Some(capabilities).filter(|map| !map.is_null()),
        "securityContext.capabilities",
        &["add", "drop"],
    );
    let [added, dropped] = ["add", "drop"].map(|list| {
        found.items(capabilities.get(list), &format!("securityContext.capabilities.{list}"))
    });
    let adds_no_more = added.iter().all(|name| name == CAPABILITY_ADDED);
    found.require(adds_no_more, "securityContext.capabilities.add", Rule::Restricted);
    let drops_all = dropped.iter().any(|name| name == CAPABILITIES_DROPPED);
    found.require(drops_all, "securityContext.capabilities.drop", Rule::DropAll);
}

/// Rejects probes and hooks with a host: the kubelet would connect to it from the node's network.
fn check_handlers(container: &Value, found: &mut Violations) {
    let handlers = [
        "/livenessProbe",
        "/readinessProbe",
        "/startupProbe",
        "/lifecycle/postStart",
        "/lifecycle/preStop",
    ];
    for handler in handlers {
        for action in ["httpGet", "tcpSocket"] {
            let host = container.pointer(&format!("{handler}/{action}/host"));
            let field = || format!("{}.{action}.host", handler[1..].replace('/', "."));
            if host.is_some_and(|host| host != "") {
                found.require(false, &field(), Rule::Host);
            }
        }
    }
}
