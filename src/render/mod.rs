//! Renders a profile into objects, with pure functions and one file per kind. Only [`render`]
//! decides which objects exist.

pub mod config_map;
mod deployment;
mod environment;
pub mod exporter;
mod fluent_bit;
mod hpa;
mod http_route;
mod ingress;
mod labels;
mod logs;
pub mod manifest_set;
mod namespace;
mod network_policy;
mod pdb;
mod pod;
mod pvc;
mod redis;
pub mod redis_conf;
pub mod references;
mod routes;
pub mod scripts;
mod secret;
mod security;
pub mod served;
pub mod service;
mod service_account;
mod service_monitor;
#[cfg(test)]
mod tests_support;
pub mod yaml;

use labels::Component;
use manifest_set::ManifestSet;

use crate::profile::resolve::Profile;
use crate::profile::settings::LogMode;

/// The version of the renderers: it increases if, and only if, the same profile renders to other
/// bytes than before.
pub const RENDER_ABI: u32 = 3;

/// Renders a profile.
pub fn render(profile: &Profile) -> ManifestSet {
    let settings = &profile.settings;
    let mut set = ManifestSet::default();
    if settings.release.create_namespace {
        set.add(&namespace::render(profile));
    }
    if let Some(secret) = secret::literal(profile) {
        set.add(&secret);
    }

    relay(profile, &mut set);
    routes_and_services(profile, &mut set);
    if settings.redis.enabled {
        redis(profile, &mut set);
    }
    if settings.network_policy.enabled {
        set.add(&network_policy::relay(profile));
        if settings.redis.enabled {
            set.add(&network_policy::redis(profile));
        }
    }

    if settings.autoscaling.enabled {
        set.add(&hpa::render(profile));
    }
    if pdb::wanted(profile) {
        set.add(&pdb::render(profile));
    }
    if settings.service_monitor.enabled {
        set.add(&service_monitor::render(profile));
    }

    set
}

/// Adds the relay's Deployment and the objects that its pods use.
fn relay(profile: &Profile, set: &mut ManifestSet) {
    let settings = &profile.settings;
    let environment = environment::content(profile);
    let fluent_bit = settings.has_fluent_bit().then(|| fluent_bit::content(profile));
    let exporter = settings.has_exporter().then(|| exporter::content(profile));
    for content in
        [Some(&environment), fluent_bit.as_ref(), exporter.as_ref()].into_iter().flatten()
    {
        set.add(&content.render(profile, Component::Relay));
    }
    let contents = deployment::RelayConfigMaps {
        environment: &environment,
        fluent_bit: fluent_bit.as_ref(),
        exporter: exporter.as_ref(),
    };
    set.add(&deployment::render(profile, &contents));
    if settings.service_account.create {
        set.add(&service_account::relay(profile));
    }
    if settings.storage.logs.mode == LogMode::Pvc {
        set.add(&pvc::logs(profile));
    }
    if settings.storage.data.external.enabled {
        set.add(&pvc::external_data(profile));
    }
}

/// Adds the Services and routes through which requests reach the relay's pods.
fn routes_and_services(profile: &Profile, set: &mut ManifestSet) {
    let settings = &profile.settings;
    set.add(&service::relay(profile));
    if settings.has_exporter() {
        set.add(&service::metrics(profile));
    }
    if routes::blocks(profile) {
        set.add(&service::blocked(profile));
    }
    if settings.ingress.enabled {
        set.add(&ingress::render(profile));
    }
    if settings.gateway.enabled {
        set.add(&http_route::render(profile));
    }
}

/// Adds the bundle's own Redis.
fn redis(profile: &Profile, set: &mut ManifestSet) {
    let content = redis::content(profile);
    set.add(&content.render(profile, Component::Redis));
    set.add(&redis::service(profile));
    set.add(&redis::headless_service(profile));
    set.add(&redis::stateful_set(profile, &content));
    set.add(&service_account::redis(profile));
    let persistence = &profile.settings.redis.persistence;
    if persistence.enabled && persistence.existing_claim.as_str().is_empty() {
        set.add(&pvc::redis(profile));
    }
}
