//! The relay's Deployment.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{
    Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment,
};
use k8s_openapi::api::core::v1::{
    ConfigMapEnvSource, Container, ContainerPort, EnvFromSource, EnvVar, ExecAction, HTTPGetAction,
    ImageVolumeSource, Lifecycle, LifecycleHandler, PodSpec, PodTemplateSpec, Probe,
    TCPSocketAction, TopologySpreadConstraint, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::config_map::ConfigMapContent;
use super::labels::{Component, metadata, pod_labels, selector};
use super::service::HTTP_PORT;
use super::{exporter, fluent_bit, logs, pod, pvc, scripts, security, service_account};
use crate::profile::resolve::{Profile, SecretPurpose};
use crate::profile::settings::{AccessMode, LogMode};

/// The name of the relay's container, which the autoscaler measures.
pub(super) const CONTAINER: &str = "claude-relay";

/// The delay before SIGTERM, in which Services and Ingresses remove the pod: the relay itself stops
/// accepting connections at once.
const PRE_STOP_SECONDS: i64 = 15;
/// The relay closes open streams this long after SIGTERM.
const RELAY_GRACE_SECONDS: i64 = 10;
const MARGIN_SECONDS: i64 = 5;
/// A start may wait for a price list while a firewall drops the request: 72 × 5 s.
const STARTUP_PERIOD_SECONDS: i32 = 5;
const STARTUP_FAILURES: i32 = 72;

const DATA_PATH: &str = "/app/data";
const EXTERNAL_DATA_PATH: &str = "/app/external-data";
/// If this file exists, the relay skips its own setup, which would print the password.
const INIT_FILE: &str = "/app/data/init.json";

/// The ConfigMaps that the relay's pods consume.
pub(super) struct RelayConfigMaps<'a> {
    pub environment: &'a ConfigMapContent,
    pub fluent_bit: Option<&'a ConfigMapContent>,
    pub exporter: Option<&'a ConfigMapContent>,
}

pub(super) fn render(profile: &Profile, contents: &RelayConfigMaps<'_>) -> Deployment {
    let settings = &profile.settings;
    Deployment {
        metadata: metadata(profile, Component::Relay, profile.names.full.clone()),
        spec: DeploymentSpec {
            // The autoscaler owns this field: setting it would remove pods at each apply.
            replicas: (!settings.autoscaling.enabled).then(|| settings.replica_count.as_i32()),
            selector: selector(profile, Component::Relay),
            strategy: Some(strategy(profile)),
            // Longer than the slowest start, which must not be reported as stuck.
            progress_deadline_seconds: Some(STARTUP_PERIOD_SECONDS * STARTUP_FAILURES + 240),
            revision_history_limit: Some(10),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    annotations: Some(annotations(profile, contents)),
                    labels: Some(pod_labels(profile, Component::Relay)),
                    ..ObjectMeta::default()
                }),
                spec: Some(pod_spec(profile, contents)),
            },
            ..DeploymentSpec::default()
        },
        ..Deployment::default()
    }
}

/// Returns whether pods share a volume that only one node, or one pod, may mount.
fn shares_single_volume(profile: &Profile) -> bool {
    let storage = &profile.settings.storage;
    let single = |mode| mode != AccessMode::ReadWriteMany;
    let logs = storage.logs.mode == LogMode::Pvc && single(storage.logs.persistence.access_mode);
    logs || storage.data.external.enabled && single(storage.data.external.access_mode)
}

/// Returns the strategy with every field set, because apply can only change fields that it owns.
fn strategy(profile: &Profile) -> DeploymentStrategy {
    let rolling = RollingUpdateDeployment {
        max_surge: Some(IntOrString::Int(1)),
        max_unavailable: Some(IntOrString::Int(0)),
    };
    match &profile.settings.strategy {
        Some(own) if own.type_.as_deref() == Some("Recreate") => own.clone(),
        Some(own) => {
            let own = own.rolling_update.clone().unwrap_or_default();
            let update = RollingUpdateDeployment {
                max_surge: own.max_surge.or(rolling.max_surge),
                max_unavailable: own.max_unavailable.or(rolling.max_unavailable),
            };
            DeploymentStrategy { type_: Some("RollingUpdate".into()), rolling_update: Some(update) }
        }
        None if shares_single_volume(profile) => {
            DeploymentStrategy { type_: Some("Recreate".into()), rolling_update: None }
        }
        None => DeploymentStrategy {
            type_: Some("RollingUpdate".into()),
            rolling_update: Some(rolling),
        },
    }
}

/// Returns the annotations that restart the pods when the data that they consume changes, and only
/// then.
fn annotations(profile: &Profile, contents: &RelayConfigMaps<'_>) -> BTreeMap<String, String> {
    let mut annotations = profile.settings.pod_annotations.clone();
    let checksums = [
        ("config", Some(contents.environment)),
        ("fluent-bit", contents.fluent_bit),
        ("exporter", contents.exporter),
    ];
    let present = checksums.into_iter().filter_map(|(name, content)| {
        Some((format!("checksum/{name}"), content?.checksum.to_string()))
    });
    annotations.extend(present);
    annotations.extend(profile.secrets().iter().map(pod::secret_token));
    annotations
}

fn pod_spec(profile: &Profile, contents: &RelayConfigMaps<'_>) -> PodSpec {
    let settings = &profile.settings;
    let mut init_containers = vec![prepare(profile, contents.environment)];
    init_containers
        .extend(settings.init_containers.iter().map(|own| security::restrict(profile, own)));
    let mut containers = vec![relay(profile, contents.environment)];
    let mut volumes = vec![
        pod::empty_dir("data", settings.storage.data.size_limit.to_string()),
        logs::volume(profile),
    ];

    if settings.storage.data.external.enabled {
        volumes.push(pod::claim("external-data", pvc::external_data_name(profile)));
    }

    let mut sidecar_grace = 0;
    if let Some(content) = contents.fluent_bit {
        // A native sidecar stops after the relay, so that it ships the relay's last lines.
        let native = settings.kubernetes.version.at_least(29);
        if native { &mut init_containers } else { &mut containers }
            .push(fluent_bit::container(profile, native));
        volumes.extend(fluent_bit::volumes(profile, content));
        sidecar_grace = fluent_bit::GRACE_SECONDS;
    }
    if let Some(content) = contents.exporter {
        containers.push(exporter::container(profile));
        volumes.push(exporter::volume(content));
    }

    containers.extend(settings.extra_containers.iter().map(|own| security::restrict(profile, own)));
    volumes.extend(settings.extra_volumes.iter().map(|own| own_volume(profile, own)));

    PodSpec {
        affinity: settings.affinity.clone(),
        automount_service_account_token: Some(false),
        containers,
        // Kubernetes would set REDIS_PORT=tcp://… for a Service named redis.
        enable_service_links: Some(false),
        image_pull_secrets: pod::list(&settings.image_pull_secrets),
        init_containers: Some(init_containers),
        node_selector: pod::map(&settings.node_selector),
        priority_class_name: Some(settings.priority_class_name.to_string())
            .filter(|name| !name.is_empty()),
        security_context: Some(security::known_to(
            settings.kubernetes.version,
            settings.pod_security_context.clone(),
        )),
        service_account_name: Some(service_account::relay_name(profile)),
        termination_grace_period_seconds: Some(
            PRE_STOP_SECONDS + RELAY_GRACE_SECONDS + sidecar_grace + MARGIN_SECONDS,
        ),
        tolerations: pod::list(&settings.tolerations),
        topology_spread_constraints: pod::list(&spread(profile)),
        volumes: Some(volumes),
        ..PodSpec::default()
    }
}

/// Completes one of the profile's own volumes with its image from the mirror.
fn own_volume(profile: &Profile, own: &Volume) -> Volume {
    let policy = profile.settings.images.pull_policy.map(|policy| policy.as_str().to_owned());
    let image = own.image.clone().map(|image| ImageVolumeSource {
        reference: image.reference.map(|reference| profile.own_image(&reference)),
        pull_policy: image.pull_policy.or(policy),
    });
    Volume { image, ..own.clone() }
}

/// Returns the spread constraints; those without a selector count the relay's pods.
fn spread(profile: &Profile) -> Vec<TopologySpreadConstraint> {
    let with_selector = |own: &TopologySpreadConstraint| {
        let own = own.clone();
        TopologySpreadConstraint {
            label_selector: Some(
                own.label_selector.unwrap_or_else(|| selector(profile, Component::Relay)),
            ),
            ..own
        }
    };
    profile.settings.topology_spread_constraints.iter().map(with_selector).collect()
}

fn environment_source(content: &ConfigMapContent) -> Vec<EnvFromSource> {
    let source = ConfigMapEnvSource { name: content.name.clone(), optional: None };
    vec![EnvFromSource { config_map_ref: Some(source), ..EnvFromSource::default() }]
}

/// Returns the init container that waits for Redis and creates the first administrator.
fn prepare(profile: &Profile, environment: &ConfigMapContent) -> Container {
    let settings = &profile.settings;
    let image = profile.relay_image();
    let password = profile
        .secret(&SecretPurpose::AdminPassword)
        .map(|secret| pod::secret_env("ADMIN_PASSWORD", &secret));

    // Only the relay's own mounts contain the file; without them Node.js would warn at each start.
    let no_authorities =
        (!settings.config.node_extra_ca_certs.as_str().is_empty()).then(|| EnvVar {
            name: "NODE_EXTRA_CA_CERTS".into(),
            // An empty value, set in the only form that the server keeps.
            value: None,
            value_from: None,
        });

    Container {
        name: "prepare".into(),
        command: Some(
            ["node", "-e", scripts::PREPARE, "--", INIT_FILE].map(str::to_owned).to_vec(),
        ),
        env: Some(password.into_iter().chain(no_authorities).collect()),
        env_from: Some(environment_source(environment)),
        image: Some(image.reference),
        image_pull_policy: Some(image.pull_policy.as_str().into()),
        // Its own amounts could break a LimitRange that the relay's meet, or the class Guaranteed.
        resources: Some(settings.resources.clone()),
        security_context: Some(settings.security_context.clone()),
        volume_mounts: Some(vec![pod::mount("data", DATA_PATH)]),
        ..Container::default()
    }
}

fn relay(profile: &Profile, environment: &ConfigMapContent) -> Container {
    let settings = &profile.settings;
    let image = profile.relay_image();

    Container {
        name: CONTAINER.into(),
        env: Some(relay_env(profile)),
        env_from: Some(environment_source(environment)),
        image: Some(image.reference),
        image_pull_policy: Some(image.pull_policy.as_str().into()),
        lifecycle: Some(Lifecycle {
            pre_stop: Some(LifecycleHandler {
                exec: Some(ExecAction {
                    command: Some(vec!["sleep".into(), PRE_STOP_SECONDS.to_string()]),
                }),
                ..LifecycleHandler::default()
            }),
            ..Lifecycle::default()
        }),
        ports: Some(vec![ContainerPort {
            container_port: settings.config.port.as_i32(),
            name: Some(HTTP_PORT.into()),
            protocol: Some("TCP".into()),
            ..ContainerPort::default()
        }]),
        startup_probe: Some(health_probe(STARTUP_PERIOD_SECONDS, STARTUP_FAILURES)),
        readiness_probe: Some(health_probe(10, 3)),
        liveness_probe: Some(liveness_probe()),
        resources: Some(settings.resources.clone()),
        security_context: Some(settings.security_context.clone()),
        volume_mounts: Some(relay_mounts(profile)),
        ..Container::default()
    }
}

fn relay_env(profile: &Profile) -> Vec<EnvVar> {
    let secrets = [
        ("ENCRYPTION_KEY", SecretPurpose::EncryptionKey),
        ("JWT_SECRET", SecretPurpose::JwtSecret),
        ("REDIS_PASSWORD", SecretPurpose::RedisPassword),
    ];
    let secrets = secrets
        .into_iter()
        .filter_map(|(name, purpose)| Some(pod::secret_env(name, &profile.secret(&purpose)?)));
    let pod_name = logs::is_per_pod(profile).then(|| pod::field_env("POD_NAME", "metadata.name"));
    secrets.chain(pod_name).chain(profile.settings.extra_env.iter().cloned()).collect()
}

fn http_port() -> IntOrString {
    IntOrString::String(HTTP_PORT.into())
}

fn health_probe(period_seconds: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some("/health".into()),
            port: http_port(),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period_seconds),
        failure_threshold: Some(failures),
        timeout_seconds: Some(5),
        ..Probe::default()
    }
}

/// Returns a liveness probe that succeeds even while Redis stalls.
///
/// `/health` would hang with Redis, and a restart would not help.
fn liveness_probe() -> Probe {
    Probe {
        tcp_socket: Some(TCPSocketAction { port: http_port(), host: None }),
        period_seconds: Some(20),
        failure_threshold: Some(6),
        timeout_seconds: Some(5),
        ..Probe::default()
    }
}

fn relay_mounts(profile: &Profile) -> Vec<VolumeMount> {
    let mut mounts = vec![pod::mount("data", DATA_PATH), logs::mount(profile)];
    if profile.settings.storage.data.external.enabled {
        mounts.push(pod::mount("external-data", EXTERNAL_DATA_PATH));
    }
    mounts.extend(profile.settings.extra_volume_mounts.iter().cloned());
    mounts
}
