//! Renders the bundle's own Redis, a single StatefulSet.

use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec, StatefulSetUpdateStrategy};
use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, Container, ContainerPort, ExecAction, PodSpec, PodTemplateSpec, Probe,
    Service, ServicePort, ServiceSpec, Volume,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::config_map::ConfigMapContent;
use super::labels::{Component, metadata, pod_labels, selector, selector_labels};
use super::redis_conf::{RedisConf, redis_conf};
use super::{pod, pvc, scripts, security};
use crate::model::number::quantity_milli;
use crate::profile::resolve::{Profile, SecretPurpose};

const DATA_PATH: &str = "/data";
const CONFIG_PATH: &str = "/etc/relay-redis";
const RUN_PATH: &str = "/run/redis";

/// Returns the ConfigMap with redis.conf and the scripts.
pub(super) fn content(profile: &Profile) -> ConfigMapContent {
    let redis = &profile.settings.redis;
    let limit = redis.resources.limits.as_ref().and_then(|limits| limits.get("memory"));
    let limit_bytes = limit
        .and_then(|limit| quantity_milli(&limit.0))
        .and_then(|milli| u64::try_from(milli / 1000).ok());
    let conf = redis_conf(RedisConf {
        port: u16::try_from(redis.service.port.get()).expect("a port by its type"),
        data_dir: DATA_PATH,
        // The rest is for buffers, and for the copy during a rewrite of the append-only file.
        maxmemory_bytes: limit_bytes.map(|bytes| bytes / 4 * 3),
    });
    let files = [
        ("redis.conf", conf.as_str()),
        ("start.sh", scripts::REDIS_START),
        ("probe.sh", scripts::REDIS_PROBE),
    ];
    let data = files.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
    ConfigMapContent::of(&format!("{}-config", profile.names.redis), data)
}

fn ports(profile: &Profile) -> Vec<ServicePort> {
    vec![ServicePort {
        name: Some("redis".into()),
        port: profile.settings.redis.service.port.as_i32(),
        protocol: Some("TCP".into()),
        target_port: Some(IntOrString::String("redis".into())),
        ..ServicePort::default()
    }]
}

pub(super) fn service(profile: &Profile) -> Service {
    Service {
        metadata: metadata(profile, Component::Redis, profile.names.redis.clone()),
        spec: Some(ServiceSpec {
            ports: Some(ports(profile)),
            selector: Some(selector_labels(profile, Component::Redis)),
            type_: Some("ClusterIP".into()),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

pub(super) fn headless_service(profile: &Profile) -> Service {
    Service {
        metadata: metadata(profile, Component::Redis, profile.names.redis_headless()),
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".into()),
            ports: Some(ports(profile)),
            selector: Some(selector_labels(profile, Component::Redis)),
            type_: Some("ClusterIP".into()),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

pub(super) fn stateful_set(profile: &Profile, content: &ConfigMapContent) -> StatefulSet {
    let mut annotations = profile.settings.redis.pod_annotations.clone();
    annotations.insert("checksum/config".to_owned(), content.checksum.to_string());
    annotations.extend(profile.secret(&SecretPurpose::RedisPassword).iter().map(pod::secret_token));

    StatefulSet {
        metadata: metadata(profile, Component::Redis, profile.names.redis.clone()),
        spec: StatefulSetSpec {
            // A broken pod must not block a rollback, and the field is immutable.
            pod_management_policy: Some("Parallel".into()),
            replicas: Some(1),
            revision_history_limit: Some(10),
            selector: selector(profile, Component::Redis),
            service_name: Some(profile.names.redis_headless()),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    annotations: Some(annotations),
                    labels: Some(pod_labels(profile, Component::Redis)),
                    ..ObjectMeta::default()
                }),
                spec: Some(pod_spec(profile, content)),
            },
            update_strategy: Some(StatefulSetUpdateStrategy {
                type_: Some("RollingUpdate".into()),
                ..StatefulSetUpdateStrategy::default()
            }),
            ..StatefulSetSpec::default()
        },
        ..StatefulSet::default()
    }
}

fn pod_spec(profile: &Profile, content: &ConfigMapContent) -> PodSpec {
    let settings = &profile.settings;
    let redis = &settings.redis;
    let data = if redis.persistence.enabled {
        pod::claim("data", pvc::redis_name(profile))
    } else {
        pod::empty_dir("data", redis.persistence.size.to_string())
    };
    let config =
        ConfigMapVolumeSource { name: content.name.clone(), ..ConfigMapVolumeSource::default() };

    let volumes = vec![
        data,
        Volume { name: "config".into(), config_map: Some(config), ..Volume::default() },
        pod::empty_dir("run", "16Mi"),
    ];

    PodSpec {
        affinity: redis.affinity.clone(),
        automount_service_account_token: Some(false),
        containers: vec![container(profile)],
        enable_service_links: Some(false),
        image_pull_secrets: pod::list(&settings.image_pull_secrets),
        node_selector: pod::map(&redis.node_selector),
        priority_class_name: Some(settings.priority_class_name.to_string())
            .filter(|name| !name.is_empty()),
        security_context: Some(security::known_to(
            settings.kubernetes.version,
            redis.pod_security_context.clone(),
        )),
        service_account_name: Some(profile.names.redis.clone()),
        // Saving a full data set takes time; a kill during it would lose the last second.
        termination_grace_period_seconds: Some(60),
        tolerations: pod::list(&redis.tolerations),
        volumes: Some(volumes),
        ..PodSpec::default()
    }
}

fn container(profile: &Profile) -> Container {
    let settings = &profile.settings;
    let image = profile.image_ref(&settings.redis.image);
    let password = profile
        .secret(&SecretPurpose::RedisPassword)
        .map(|secret| vec![pod::secret_env("REDIS_PASSWORD", &secret)]);

    Container {
        name: "redis".into(),
        command: Some(vec![
            "/bin/sh".into(),
            format!("{CONFIG_PATH}/start.sh"),
            format!("{CONFIG_PATH}/redis.conf"),
            RUN_PATH.into(),
        ]),
        env: password,
        image: Some(image.reference),
        image_pull_policy: Some(image.pull_policy.as_str().into()),
        ports: Some(vec![ContainerPort {
            container_port: settings.redis.service.port.as_i32(),
            name: Some("redis".into()),
            protocol: Some("TCP".into()),
            ..ContainerPort::default()
        }]),
        // Loading a large append-only file takes minutes: 180 × 10 s.
        startup_probe: Some(probe(profile, "ready", 180)),
        readiness_probe: Some(probe(profile, "ready", 3)),
        liveness_probe: Some(probe(profile, "alive", 6)),
        resources: Some(settings.redis.resources.clone()),
        security_context: Some(settings.redis.security_context.clone()),
        volume_mounts: Some(vec![
            pod::mount("data", DATA_PATH),
            pod::mount_read_only("config", CONFIG_PATH),
            pod::mount("run", RUN_PATH),
        ]),
        ..Container::default()
    }
}

fn probe(profile: &Profile, question: &str, failures: i32) -> Probe {
    let port = profile.settings.redis.service.port.to_string();
    let command = vec!["/bin/sh".into(), format!("{CONFIG_PATH}/probe.sh"), question.into(), port];
    Probe {
        exec: Some(ExecAction { command: Some(command) }),
        failure_threshold: Some(failures),
        period_seconds: Some(10),
        timeout_seconds: Some(5),
        ..Probe::default()
    }
}
