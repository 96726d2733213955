//! Checks the profile's own containers: names, images, ports, probes, and fields that their kind
//! does not allow.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Container, ContainerPort, Probe};

use crate::model::text::is_dns_label;
use crate::profile::node::Path;
use crate::profile::reserved;
use crate::profile::settings::Settings;
use crate::profile::suggest;

use super::images::image_reference;
use super::labels::name;
use super::{Report, environment, resources, volumes};

pub(super) fn check(settings: &Settings, report: &mut Report<'_>) {
    let mut names = BTreeSet::new();
    for (key, containers) in [
        ("initContainers", &settings.init_containers),
        ("extraContainers", &settings.extra_containers),
    ] {
        for (index, container) in containers.iter().enumerate() {
            let path = Path::of(key).index(index);
            container_name(&path, container, !names.insert(container.name.as_str()), report);
            image(&path, container, report);
            contents(&path, container, settings, report);
            kind(&path, container, key == "initContainers", report);
        }
    }
    ports(settings, report);
}

fn container_name(path: &Path, container: &Container, is_taken: bool, report: &mut Report<'_>) {
    let path = path.key("name");
    let name = &container.name;
    if !is_dns_label(name) {
        let help = "write at most 63 lowercase letters, digits and `-`";
        report.error("RB0150", &path, "invalid container name", help);
    }
    if reserved::CONTAINERS.contains(&name.as_str()) {
        report.error(
            "RB0150",
            &path,
            format!("the bundle already has a container `{name}`"),
            "choose another name",
        );
    }
    if is_taken {
        report.error(
            "RB0150",
            &path,
            format!("two containers are named `{name}`"),
            "choose another name",
        );
    }
}

fn image(path: &Path, container: &Container, report: &mut Report<'_>) {
    let image = container.image.as_deref().unwrap_or_default();
    if image.is_empty() {
        report.error(
            "RB0151",
            path,
            "the container has no image",
            "add `image = \"registry/repository:tag@sha256:…\"`",
        );
        return;
    }
    image_reference(&path.key("image"), image, report);
}

fn contents(path: &Path, container: &Container, settings: &Settings, report: &mut Report<'_>) {
    let variables = container.env.as_deref().unwrap_or_default();
    environment::variables(&path.key("env"), variables, settings.is_dev(), report);

    for (index, from) in container.env_from.iter().flatten().enumerate() {
        let path = path.key("envFrom").index(index);
        if from.config_map_ref.is_some() == from.secret_ref.is_some() {
            let help = "keep one of `configMapRef` and `secretRef`";
            report.error("RB0133", &path, "exactly one source is required", help);
        }
        if let Some(map) = &from.config_map_ref {
            name(&path.key("configMapRef").key("name"), &map.name, "a ConfigMap", report);
        }
        if let Some(secret) = &from.secret_ref {
            name(&path.key("secretRef").key("name"), &secret.name, "a Secret", report);
        }
    }

    let mounts = container.volume_mounts.as_deref().unwrap_or_default();
    volumes::mounts(&path.key("volumeMounts"), mounts, settings, report);

    let needed = container.resources.clone().unwrap_or_default();
    // An ordinary init container has ended before the autoscaler measures the load.
    let runs_beside =
        !path.to_string().starts_with("initContainers") || container.restart_policy.is_some();
    resources::of_container(
        &path.key("resources"),
        &needed,
        settings.autoscaling.enabled && runs_beside,
        report,
    );
}

/// Checks the fields that depend on the kind of container: init, sidecar or ordinary.
fn kind(path: &Path, container: &Container, is_init: bool, report: &mut Report<'_>) {
    let probes = [
        ("livenessProbe", &container.liveness_probe),
        ("readinessProbe", &container.readiness_probe),
        ("startupProbe", &container.startup_probe),
    ];

    let is_sidecar = container.restart_policy.as_deref() == Some("Always");
    for (key, probe) in probes.iter().filter_map(|(key, probe)| Some((key, probe.as_ref()?))) {
        check_probe(&path.key(*key), *key == "readinessProbe", probe, report);
        if is_init && !is_sidecar {
            let help = "remove it, or make it a sidecar with `restartPolicy = \"Always\"`";
            report.error(
                "RB0153",
                path.key(*key),
                "an init container that ends cannot be probed",
                help,
            );
        }
    }

    if is_init && !is_sidecar && container.lifecycle.is_some() {
        let help = "remove it, or make it a sidecar with `restartPolicy = \"Always\"`";
        report.error(
            "RB0153",
            path.key("lifecycle"),
            "an init container that ends has no hooks",
            help,
        );
    }
    if container.restart_policy.is_some() && !(is_init && is_sidecar) {
        let (message, help) = if is_init {
            (
                "only the policy `Always` is allowed here",
                "write `Always` for a sidecar, or remove it",
            )
        } else {
            ("a Deployment's containers always restart", "remove it")
        };
        report.error("RB0153", path.key("restartPolicy"), message, help);
    }
    if container.lifecycle.as_ref().is_some_and(|lifecycle| lifecycle.stop_signal.is_some()) {
        let help = "remove it, or set STOPSIGNAL in the image";
        report.error(
            "RB0153",
            path.key("lifecycle").key("stopSignal"),
            "it needs a pod with `os.name`",
            help,
        );
    }
    if container.volume_devices.as_ref().is_some_and(|devices| !devices.is_empty()) {
        let message = "the pod has no block devices";
        report.error("RB0153", path.key("volumeDevices"), message, "use `volumeMounts`");
    }

    words(path, container, report);
}

fn words(path: &Path, container: &Container, report: &mut Report<'_>) {
    let words: [(&str, &Option<String>, &[&str]); 2] = [
        ("imagePullPolicy", &container.image_pull_policy, &["Always", "IfNotPresent", "Never"]),
        (
            "terminationMessagePolicy",
            &container.termination_message_policy,
            &["File", "FallbackToLogsOnError"],
        ),
    ];
    for (key, value, known) in words {
        if value.as_ref().is_some_and(|value| !known.contains(&value.as_str())) {
            let help = format!("use one of {}", suggest::list(known));
            report.error("RB0153", path.key(key), "unknown value", help);
        }
    }
}

fn check_probe(path: &Path, is_readiness: bool, probe: &Probe, report: &mut Report<'_>) {
    let handlers = [
        probe.exec.is_some(),
        probe.grpc.is_some(),
        probe.http_get.is_some(),
        probe.tcp_socket.is_some(),
    ];

    if handlers.into_iter().filter(|handler| *handler).count() != 1 {
        let help = "keep one of `httpGet`, `tcpSocket`, `exec`, `grpc`";
        report.error("RB0154", path, "a probe needs exactly one handler", help);
    }

    let numbers = [
        ("initialDelaySeconds", probe.initial_delay_seconds, 0),
        ("periodSeconds", probe.period_seconds, 1),
        ("timeoutSeconds", probe.timeout_seconds, 1),
        ("failureThreshold", probe.failure_threshold, 1),
        ("successThreshold", probe.success_threshold, 1),
    ];
    for (key, number, least) in numbers {
        if number.is_some_and(|number| number < least) {
            report.error(
                "RB0154",
                path.key(key),
                "the number is too small",
                format!("write {least} or more"),
            );
        }
    }

    if !is_readiness && probe.success_threshold.is_some_and(|threshold| threshold > 1) {
        let message = "only a readiness probe may require several successes";
        report.error("RB0154", path.key("successThreshold"), message, "write 1");
    }
}

/// Checks that each port number and each port name is used once, because the containers of a pod
/// share one network.
fn ports(settings: &Settings, report: &mut Report<'_>) {
    let mut taken: BTreeSet<(i64, String)> =
        ours(settings).into_iter().map(|port| (port, "TCP".to_owned())).collect();
    let mut names: BTreeSet<String> =
        reserved::PORT_NAMES.iter().map(ToString::to_string).collect();
    for (key, containers) in [
        ("initContainers", &settings.init_containers),
        ("extraContainers", &settings.extra_containers),
    ] {
        for (index, container) in containers.iter().enumerate() {
            for (at, port) in container.ports.iter().flatten().enumerate() {
                let path = Path::of(key).index(index).key("ports").index(at);
                check_port(&path, port, &mut taken, &mut names, report);
            }
        }
    }
}

fn ours(settings: &Settings) -> Vec<i64> {
    let exporter = settings.has_exporter().then(|| settings.service_monitor.exporter.port.get());
    let fluent_bit = settings.has_fluent_bit().then_some(reserved::FLUENT_BIT_PORT);
    [settings.config.port.get()].into_iter().chain(exporter).chain(fluent_bit).collect()
}

fn check_port(
    path: &Path,
    port: &ContainerPort,
    taken: &mut BTreeSet<(i64, String)>,
    names: &mut BTreeSet<String>,
    report: &mut Report<'_>,
) {
    let number = port.container_port;
    let protocol = port.protocol.as_deref().unwrap_or("TCP");
    if !["TCP", "UDP", "SCTP"].contains(&protocol) {
        report.error(
            "RB0152",
            path.key("protocol"),
            "unknown protocol",
            "use `TCP`, `UDP` or `SCTP`",
        );
    }

    if !(1..=65_535).contains(&number) {
        report.error("RB0152", path.key("containerPort"), "invalid port", "write 1 to 65535");
    } else if !taken.insert((i64::from(number), protocol.to_owned())) {
        let message = format!("another container of the pod already listens on port {number}");
        report.error("RB0152", path.key("containerPort"), message, "choose another port");
    }

    let Some(name) = &port.name else { return };
    if !is_port_name(name) {
        let help =
            "write at most 15 lowercase letters, digits and `-`, at least one letter, no `--`";
        report.error("RB0152", path.key("name"), "invalid port name", help);
    } else if !names.insert(name.clone()) {
        let message =
            format!("another port of the pod is named `{name}`, and Services find ports by name");
        report.error("RB0152", path.key("name"), message, "choose another name");
    }
}

/// Returns whether `name` is an IANA service name.
pub(super) fn is_port_name(name: &str) -> bool {
    is_dns_label(name)
        && name.len() <= 15
        && !name.contains("--")
        && name.bytes().any(|b| b.is_ascii_lowercase())
}
