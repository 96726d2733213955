//! Renders the Fluent Bit sidecar: its container, configuration and volumes.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, Container, ContainerPort, EnvVar, HTTPGetAction, Probe, Volume,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::config_map::ConfigMapContent;
use super::{logs, pod, yaml};
use crate::fluent_bit::{self, ConfigInput, env_name};
use crate::model::text::LogField;
use crate::profile::logs::{output, output_settings};
use crate::profile::resolve::{Profile, SecretPurpose};

/// How long Fluent Bit may keep delivering after SIGTERM.
pub(super) const GRACE_SECONDS: i64 = 20;

const CONFIG_VOLUME: &str = "fluent-bit-config";
const STATE_VOLUME: &str = "fluent-bit-state";
const CONFIG_PATH: &str = "/fluent-bit/relay";
const STATE_PATH: &str = "/fluent-bit/state";
const CONFIG_FILE: &str = "fluent-bit.yaml";
const PORT: i32 = 2020;

/// Returns the ConfigMap with the configuration, in which credentials are `${NAME}`.
pub(super) fn content(profile: &Profile) -> ConfigMapContent {
    let settings = &profile.settings;
    let config = fluent_bit::config(&ConfigInput {
        timezone_offset_hours: i32::try_from(settings.config.timezone_offset.get())
            .expect("hours by their type"),
        output: output(settings),
        settings: &output_settings(settings),
        logs_dir: logs::PATH,
        state_dir: STATE_PATH,
        grace_seconds: u32::try_from(GRACE_SECONDS).expect("a small constant"),
        http_listen: settings.config.host.as_str(),
        http_port: u16::try_from(PORT).expect("a port"),
        extra_fields: &settings
            .storage
            .logs
            .fluentbit
            .extra_fields
            .iter()
            .map(LogField::as_str)
            .collect(),
    });
    let data = BTreeMap::from([(CONFIG_FILE.to_owned(), yaml::to_yaml(&config))]);
    ConfigMapContent::of(&format!("{}-fluent-bit", profile.names.full), data)
}

pub(super) fn container(profile: &Profile, native: bool) -> Container {
    let settings = &profile.settings;
    let fluentbit = &settings.storage.logs.fluentbit;
    let image = profile.image_ref(&fluentbit.image);

    Container {
        name: "fluent-bit".into(),
        args: Some(vec!["-c".into(), format!("{CONFIG_PATH}/{CONFIG_FILE}")]),
        env: Some(environment(profile)),
        image: Some(image.reference),
        image_pull_policy: Some(image.pull_policy.as_str().into()),
        ports: Some(vec![ContainerPort {
            container_port: PORT,
            name: Some("fluent-bit".into()),
            protocol: Some("TCP".into()),
            ..ContainerPort::default()
        }]),
        resources: Some(fluentbit.resources.clone()),
        restart_policy: native.then(|| "Always".into()),
        security_context: Some(fluentbit.security_context.clone()),
        // A startup probe of a native sidecar could keep the relay from starting, and logs do not
        // justify that.
        startup_probe: (!native).then(|| probe(2, 30)),
        liveness_probe: Some(probe(30, 4)),
        volume_mounts: Some(vec![
            pod::mount_read_only(logs::VOLUME, logs::PATH),
            pod::mount_read_only(CONFIG_VOLUME, CONFIG_PATH),
            pod::mount(STATE_VOLUME, STATE_PATH),
        ]),
        ..Container::default()
    }
}

/// Returns the variables with the pod's metadata for records, and the credentials of the output.
fn environment(profile: &Profile) -> Vec<EnvVar> {
    let fields = ["spec.nodeName", "metadata.name", "metadata.namespace"];
    let metadata = fluent_bit::METADATA
        .into_iter()
        .zip(fields)
        .map(|(name, field)| pod::field_env(name, field));
    let secrets = profile.secrets();
    let credentials = secrets.iter().filter_map(|secret| match &secret.purpose {
        SecretPurpose::Output { property, index } => {
            Some(pod::secret_env(env_name(property, *index), secret))
        }
        _ => None,
    });
    metadata.chain(credentials).collect()
}

/// Returns a probe of Fluent Bit's own HTTP server.
///
/// A probe of the destination would take the relay out of service together with it.
fn probe(period_seconds: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some("/".into()),
            port: IntOrString::String("fluent-bit".into()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period_seconds),
        failure_threshold: Some(failures),
        timeout_seconds: Some(5),
        ..Probe::default()
    }
}

pub(super) fn volumes(profile: &Profile, content: &ConfigMapContent) -> Vec<Volume> {
    let config =
        ConfigMapVolumeSource { name: content.name.clone(), ..ConfigMapVolumeSource::default() };
    let settings = &profile.settings;
    // The buffered records, with room for the offsets and for half-written chunks.
    let buffered = fluent_bit::buffer_bytes(output(settings), &output_settings(settings));
    let mebibytes = buffered.unsigned_abs() / (1 << 20) + 128;
    vec![
        Volume { name: CONFIG_VOLUME.into(), config_map: Some(config), ..Volume::default() },
        pod::empty_dir(STATE_VOLUME, pod::mebibytes(mebibytes)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metadata_variable_has_pod_field() {
        assert_eq!(fluent_bit::METADATA, ["NODE_NAME", "POD_NAME", "POD_NAMESPACE"]);
    }
}
