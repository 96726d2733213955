//! A profile to objects: pure functions, one kind a file. Every decision which objects there are is in [`render`].

mod config_map;
mod deployment;
mod environment;
pub mod exporter;
mod fluent_bit;
mod hpa;
mod http_route;
mod ingress;
mod labels;
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
mod service;
mod service_account;
mod service_monitor;
#[cfg(test)]
mod tests_support;
pub mod yaml;

use labels::Component;
use manifest_set::ManifestSet;

use crate::profile::resolve::Profile;
use crate::profile::settings::LogMode;

/// Rises if, and only if, the same profile renders to other bytes than before.
pub const RENDER_ABI: u32 = 1;

/// Renders a profile.
pub fn render(profile: &Profile) -> ManifestSet {
    let settings = &profile.settings;
    let environment = environment::content(profile);
    let mut set = ManifestSet::default();
    set.add(&environment.render(profile, Component::Relay));
    let fluent_bit = settings.has_fluent_bit().then(|| fluent_bit::content(profile));
    if let Some(content) = &fluent_bit {
        set.add(&content.render(profile, Component::Relay));
    }
    let contents =
        deployment::Contents { environment: &environment, fluent_bit: fluent_bit.as_ref(), exporter: None };
    set.add(&deployment::render(profile, &contents));
    if settings.release.create_namespace {
        set.add(&namespace::render(profile));
    }
    if settings.service_account.create {
        set.add(&service_account::relay(profile));
    }
    if let Some(secret) = secret::literal(profile) {
        set.add(&secret);
    }
    if settings.storage.logs.mode == LogMode::Pvc {
        set.add(&pvc::logs(profile));
    }
    if settings.storage.data.external.enabled {
        set.add(&pvc::external_data(profile));
    }
    if settings.redis.enabled {
        let content = redis::content(profile);
        set.add(&content.render(profile, Component::Redis));
        set.add(&redis::service(profile));
        set.add(&redis::headless_service(profile));
        set.add(&redis::stateful_set(profile, &content));
        set.add(&service_account::redis(profile));
        if settings.redis.persistence.enabled && settings.redis.persistence.existing_claim.as_str().is_empty()
        {
            set.add(&pvc::redis(profile));
        }
    }
    set
}
