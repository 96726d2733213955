//! Checks that no setting violates the Pod Security Standard *restricted*, which every pod meets.
//!
//! Missing fields need no rule: rendering lays the profile's security contexts over restricted
//! ones.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    AppArmorProfile, Container, Lifecycle, LifecycleHandler, PodSecurityContext, Probe,
    SELinuxOptions, SeccompProfile, SecurityContext,
};

use crate::model::restricted::{
    CAPABILITIES_DROPPED, CAPABILITY_ADDED, PROC_MOUNT, SYSCTLS, is_app_armor, is_confining,
    is_seccomp, is_selinux,
};
use crate::profile::node::Path;
use crate::profile::settings::Settings;
use crate::profile::suggest;

use super::Report;

/// A requirement: whether it is violated, the field, and the remedy.
type Requirement = (bool, &'static str, &'static str);

pub(super) fn check(settings: &Settings, report: &mut Report<'_>) {
    let (redis, exporter) = (&settings.redis, &settings.service_monitor.exporter);
    let fluent_bit = &settings.storage.logs.fluentbit;

    for (key, context) in [
        ("podSecurityContext", &settings.pod_security_context),
        ("redis.podSecurityContext", &redis.pod_security_context),
    ] {
        pod(&Path::of(key), context, report);
    }
    for (key, context) in [
        ("securityContext", &settings.security_context),
        ("redis.securityContext", &redis.security_context),
        ("serviceMonitor.exporter.securityContext", &exporter.security_context),
        ("storage.logs.fluentbit.securityContext", &fluent_bit.security_context),
    ] {
        container_context(&Path::of(key), context, report);
    }

    annotations("podAnnotations", &settings.pod_annotations, report);
    annotations("redis.podAnnotations", &redis.pod_annotations, report);

    for (key, containers) in [
        ("initContainers", &settings.init_containers),
        ("extraContainers", &settings.extra_containers),
    ] {
        for (index, one) in containers.iter().enumerate() {
            container(&Path::of(key).index(index), one, report);
        }
    }
}

fn refuse(path: &Path, rules: &[Requirement], report: &mut Report<'_>) {
    for (_, field, help) in rules.iter().filter(|(broken, ..)| *broken) {
        let place = field.split('.').fold(path.clone(), |path, key| path.key(key));
        let message = "every pod must meet Pod Security *restricted*, which does not allow this";
        report.error("RB0160", place, message, *help);
    }
}

/// Checks the pod annotations for AppArmor and seccomp, by which servers before 1.30 confine
/// containers.
fn annotations(path: &str, map: &BTreeMap<String, String>, report: &mut Report<'_>) {
    for (key, _) in map.iter().filter(|(key, value)| !is_confining(key, value)) {
        let message =
            "every pod must meet Pod Security *restricted*, which does not allow this profile";
        let help =
            "remove it, or write `runtime/default` or `localhost/` and the name of a profile";
        report.error("RB0160", Path::of(path).key(key), message, help);
    }
}

fn pod(path: &Path, context: &PodSecurityContext, report: &mut Report<'_>) {
    let selinux = context.se_linux_options.as_ref();
    refuse(
        path,
        &[
            (
                context.run_as_non_root == Some(false),
                "runAsNonRoot",
                "remove it: `true` is the default",
            ),
            (
                context.run_as_user == Some(0),
                "runAsUser",
                "write another user than 0, or remove it",
            ),
            (is_unconfined(context.seccomp_profile.as_ref()), "seccompProfile.type", SECCOMP),
            (
                is_odd_app_armor(context.app_armor_profile.as_ref()),
                "appArmorProfile.type",
                APP_ARMOR,
            ),
            (selinux.is_some_and(is_odd_selinux), "seLinuxOptions", SELINUX),
            (
                context.windows_options.is_some(),
                "windowsOptions",
                "remove it: the images are Linux images",
            ),
        ],
        report,
    );

    for (index, sysctl) in context.sysctls.iter().flatten().enumerate() {
        if !SYSCTLS.contains(&sysctl.name.as_str()) {
            let help = format!("remove it; a pod may only set {}", suggest::list(&SYSCTLS));
            let message = "every pod must meet Pod Security *restricted*, which does not allow this kernel setting";
            report.error("RB0160", path.key("sysctls").index(index), message, help);
        }
    }
}

fn container(path: &Path, container: &Container, report: &mut Report<'_>) {
    if let Some(context) = &container.security_context {
        container_context(&path.key("securityContext"), context, report);
    }
    for (index, port) in container.ports.iter().flatten().enumerate() {
        let help = "remove it, and reach the port through a Service";
        let path = path.key("ports").index(index);
        refuse(&path, &[(port.host_port.is_some_and(|port| port != 0), "hostPort", help)], report);
    }
    // A probe of another host would turn the kubelet into a scanner of the node's network.
    let help = "remove it: the pod's own address is the default";
    refuse(
        path,
        &[
            (probes_host(container.liveness_probe.as_ref()), "livenessProbe", help),
            (probes_host(container.readiness_probe.as_ref()), "readinessProbe", help),
            (probes_host(container.startup_probe.as_ref()), "startupProbe", help),
            (hooks_host(container.lifecycle.as_ref()), "lifecycle", help),
        ],
        report,
    );
}

fn container_context(path: &Path, context: &SecurityContext, report: &mut Report<'_>) {
    let capabilities = context.capabilities.as_ref();
    let dropped = capabilities.and_then(|capabilities| capabilities.drop.as_ref());
    let added = capabilities.and_then(|capabilities| capabilities.add.as_ref());
    let adds_more = added.is_some_and(|added| added.iter().any(|name| name != CAPABILITY_ADDED));
    let keeps_some =
        dropped.is_some_and(|dropped| !dropped.iter().any(|name| name == CAPABILITIES_DROPPED));

    refuse(
        path,
        &[
            (context.privileged == Some(true), "privileged", "remove it"),
            (
                context.allow_privilege_escalation == Some(true),
                "allowPrivilegeEscalation",
                "remove it: `false` is the default",
            ),
            (
                context.run_as_non_root == Some(false),
                "runAsNonRoot",
                "remove it: `true` is the default",
            ),
            (context.run_as_user == Some(0), "runAsUser", "write another user than 0"),
            (adds_more, "capabilities.add", "only `NET_BIND_SERVICE` may be added"),
            (keeps_some, "capabilities.drop", "write `drop = [\"ALL\"]`, or omit it"),
            (is_unconfined(context.seccomp_profile.as_ref()), "seccompProfile.type", SECCOMP),
            (
                is_odd_app_armor(context.app_armor_profile.as_ref()),
                "appArmorProfile.type",
                APP_ARMOR,
            ),
            (
                context.se_linux_options.as_ref().is_some_and(is_odd_selinux),
                "seLinuxOptions",
                SELINUX,
            ),
            (
                context.proc_mount.as_deref().is_some_and(|mount| mount != PROC_MOUNT),
                "procMount",
                "remove it",
            ),
            (
                context.windows_options.is_some(),
                "windowsOptions",
                "remove it: the images are Linux images",
            ),
        ],
        report,
    );
}

const SECCOMP: &str = "write `RuntimeDefault`, or `Localhost` with a `localhostProfile`";
const APP_ARMOR: &str = "write `RuntimeDefault` or `Localhost`, or remove it";
const SELINUX: &str = "omit `user` and `role`; `type` is one of container_t, container_init_t, \
                       container_kvm_t, container_engine_t";

fn is_unconfined(profile: Option<&SeccompProfile>) -> bool {
    profile.is_some_and(|profile| !is_seccomp(&profile.type_, profile.localhost_profile.as_deref()))
}

fn is_odd_app_armor(profile: Option<&AppArmorProfile>) -> bool {
    profile.is_some_and(|profile| !is_app_armor(&profile.type_))
}

fn is_odd_selinux(options: &SELinuxOptions) -> bool {
    let [user, role, kind] = [&options.user, &options.role, &options.type_]
        .map(|text| text.as_deref().unwrap_or_default());
    !is_selinux(user, role, kind)
}

fn is_set(host: Option<&String>) -> bool {
    host.is_some_and(|host| !host.is_empty())
}

fn probes_host(probe: Option<&Probe>) -> bool {
    probe.is_some_and(|probe| {
        is_set(probe.http_get.as_ref().and_then(|http| http.host.as_ref()))
            || is_set(probe.tcp_socket.as_ref().and_then(|tcp| tcp.host.as_ref()))
    })
}

fn hooks_host(lifecycle: Option<&Lifecycle>) -> bool {
    let hook = |handler: Option<&LifecycleHandler>| {
        handler.is_some_and(|handler| {
            is_set(handler.http_get.as_ref().and_then(|http| http.host.as_ref()))
                || is_set(handler.tcp_socket.as_ref().and_then(|tcp| tcp.host.as_ref()))
        })
    };
    lifecycle.is_some_and(|lifecycle| {
        hook(lifecycle.pre_stop.as_ref()) || hook(lifecycle.post_start.as_ref())
    })
}
