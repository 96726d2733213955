//! The fields and values that a bundle's objects may have: the Pod Security Standard *restricted*
//! and closed lists of fields.
//!
//! Both the profile checks and the verification of bundles use these lists; `docs/format/bundle.md`
//! repeats them. Removing an entry rejects bundles that were built before; bundles that use a new
//! entry are rejected by older verifiers.

use super::label::{MANAGED_BY, MANAGED_BY_LABEL, PART_OF, PART_OF_LABEL};

/// The allowed fields of an object's metadata.
pub const METADATA: [&str; 4] = ["annotations", "labels", "name", "namespace"];

/// The allowed fields of a pod template's metadata.
pub const TEMPLATE_METADATA: [&str; 2] = ["annotations", "labels"];

/// The allowed fields of a Namespace: no finalizers that block its deletion, no annotations that
/// select nodes.
pub const NAMESPACE: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// The labels of a Namespace with fixed values.
pub const NAMESPACE_LABELS: [(&str, &str); 5] = [
    (MANAGED_BY_LABEL, MANAGED_BY),
    (PART_OF_LABEL, PART_OF),
    ("pod-security.kubernetes.io/audit", "restricted"),
    ("pod-security.kubernetes.io/enforce", "restricted"),
    ("pod-security.kubernetes.io/warn", "restricted"),
];

/// The allowed fields of a Service's spec: none can redirect traffic of other namespaces.
pub const SERVICE: [&str; 14] = [
    "allocateLoadBalancerNodePorts",
    "clusterIP",
    "externalTrafficPolicy",
    "internalTrafficPolicy",
    "ipFamilies",
    "ipFamilyPolicy",
    "loadBalancerIP",
    "loadBalancerSourceRanges",
    "ports",
    "publishNotReadyAddresses",
    "selector",
    "sessionAffinity",
    "sessionAffinityConfig",
    "type",
];

pub const SERVICE_TYPES: [&str; 3] = ["ClusterIP", "LoadBalancer", "NodePort"];

/// The only allowed type of a Secret: a controller may fill other types with a token.
pub const SECRET_TYPE: &str = "Opaque";

/// The allowed fields of a pod's spec.
pub const POD: [&str; 24] = [
    "affinity",
    "automountServiceAccountToken",
    "containers",
    "dnsConfig",
    "dnsPolicy",
    "enableServiceLinks",
    "hostAliases",
    "hostUsers",
    "hostname",
    "imagePullSecrets",
    "initContainers",
    "nodeSelector",
    "priorityClassName",
    "readinessGates",
    "restartPolicy",
    "securityContext",
    "serviceAccountName",
    "setHostnameAsFQDN",
    "shareProcessNamespace",
    "subdomain",
    "terminationGracePeriodSeconds",
    "tolerations",
    "topologySpreadConstraints",
    "volumes",
];

/// The allowed fields of a pod's security context.
pub const POD_CONTEXT: [&str; 12] = [
    "appArmorProfile",
    "fsGroup",
    "fsGroupChangePolicy",
    "runAsGroup",
    "runAsNonRoot",
    "runAsUser",
    "seLinuxChangePolicy",
    "seLinuxOptions",
    "seccompProfile",
    "supplementalGroups",
    "supplementalGroupsPolicy",
    "sysctls",
];

/// The allowed fields of a container or init container.
pub const CONTAINER: [&str; 25] = [
    "args",
    "command",
    "env",
    "envFrom",
    "image",
    "imagePullPolicy",
    "lifecycle",
    "livenessProbe",
    "name",
    "ports",
    "readinessProbe",
    "resizePolicy",
    "resources",
    "restartPolicy",
    "restartPolicyRules",
    "securityContext",
    "startupProbe",
    "stdin",
    "stdinOnce",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "tty",
    "volumeDevices",
    "volumeMounts",
    "workingDir",
];

/// The allowed fields of a container's security context.
pub const CONTAINER_CONTEXT: [&str; 11] = [
    "allowPrivilegeEscalation",
    "appArmorProfile",
    "capabilities",
    "privileged",
    "procMount",
    "readOnlyRootFilesystem",
    "runAsGroup",
    "runAsNonRoot",
    "runAsUser",
    "seLinuxOptions",
    "seccompProfile",
];

/// The only capability that may be added; all others must be dropped.
pub const CAPABILITY_ADDED: &str = "NET_BIND_SERVICE";
pub const CAPABILITIES_DROPPED: &str = "ALL";

/// The only allowed `procMount`.
pub const PROC_MOUNT: &str = "Default";

/// The allowed types of seccomp and AppArmor profiles.
const CONFINED: [&str; 2] = ["RuntimeDefault", "Localhost"];

/// The prefixes of the annotations with which older servers confine containers; a container name
/// may follow.
const APP_ARMOR_ANNOTATION: &str = "container.apparmor.security.beta.kubernetes.io/";
const SECCOMP_ANNOTATIONS: [&str; 2] =
    ["container.seccomp.security.alpha.kubernetes.io/", "seccomp.security.alpha.kubernetes.io/"];

/// Returns whether a seccomp profile confines a container and is valid.
pub fn is_seccomp(kind: &str, localhost_profile: Option<&str>) -> bool {
    match kind {
        "RuntimeDefault" => localhost_profile.is_none(),
        "Localhost" => localhost_profile.is_some_and(|profile| !profile.is_empty()),
        _ => false,
    }
}

/// Returns whether an AppArmor profile of this type confines a container.
pub fn is_app_armor(kind: &str) -> bool {
    CONFINED.contains(&kind)
}

/// Returns whether SELinux options leave user and role to the node, and use a type for containers.
pub fn is_selinux(user: &str, role: &str, kind: &str) -> bool {
    user.is_empty() && role.is_empty() && SELINUX_TYPES.contains(&kind)
}

/// Returns whether containers stay confined under a pod annotation.
///
/// Servers before 1.27 read seccomp profiles from annotations, and servers before 1.30 AppArmor
/// profiles.
pub fn is_confining(annotation: &str, value: &str) -> bool {
    let is_default = value == "runtime/default" || value.starts_with("localhost/");
    if annotation.starts_with(APP_ARMOR_ANNOTATION) {
        return value.is_empty() || is_default;
    }
    let is_seccomp = SECCOMP_ANNOTATIONS.iter().any(|prefix| annotation.starts_with(prefix));
    !is_seccomp || is_default || value == "docker/default"
}

/// The allowed volume sources.
pub const VOLUMES: [&str; 9] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// The sysctls that pods may set.
pub const SYSCTLS: [&str; 12] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
];

/// The SELinux types that pods may have.
const SELINUX_TYPES: [&str; 5] =
    ["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotation_that_unconfines_container_is_found() {
        for (annotation, value, wanted) in [
            ("container.apparmor.security.beta.kubernetes.io/relay", "unconfined", false),
            ("container.apparmor.security.beta.kubernetes.io/relay", "", true),
            ("container.apparmor.security.beta.kubernetes.io/relay", "runtime/default", true),
            ("container.apparmor.security.beta.kubernetes.io/relay", "localhost/relay", true),
            ("container.seccomp.security.alpha.kubernetes.io/relay", "unconfined", false),
            ("container.seccomp.security.alpha.kubernetes.io/relay", "", false),
            ("container.seccomp.security.alpha.kubernetes.io/relay", "docker/default", true),
            ("seccomp.security.alpha.kubernetes.io/pod", "unconfined", false),
            ("seccomp.security.alpha.kubernetes.io/pod", "runtime/default", true),
            ("example.com/profile", "unconfined", true),
        ] {
            assert_eq!(is_confining(annotation, value), wanted, "{annotation} {value}");
        }
    }

    #[test]
    fn seccomp_must_be_runtime_default_or_localhost_file() {
        for (kind, file, wanted) in [
            ("RuntimeDefault", None, true),
            ("RuntimeDefault", Some("x.json"), false),
            ("Localhost", Some("x.json"), true),
            ("Localhost", Some(""), false),
            ("Localhost", None, false),
            ("Unconfined", None, false),
            ("", None, false),
        ] {
            assert_eq!(is_seccomp(kind, file), wanted, "{kind} {file:?}");
        }
    }
}
