//! Checks the names that the settings produce: each is short enough and unique.

use std::collections::BTreeMap;

use crate::profile::resolve::{Names, Profile};
use crate::profile::settings::{LogMode, Settings};

use super::Report;

/// The limit for the release's full name.
///
/// The longest suffix makes `<name>-fluent-bit-config-<10 digits>`, which must fit with its folder,
/// phase and kind into the 100 bytes of a path in a bundle. The Service name `<name>-blocked` must
/// fit into 63.
const FULL_NAME_MAX: usize = 50;

pub(super) fn check(profile: &Profile, report: &mut Report<'_>) {
    let (settings, names) = (&profile.settings, &profile.names);
    let place = place(settings);
    if names.full.len() > FULL_NAME_MAX {
        let message = format!(
            "objects would be named `{}…`, which has {} characters and leaves no room for suffixes",
            names.full,
            names.full.len()
        );
        let help = format!(
            "set `fullnameOverride` to at most {FULL_NAME_MAX} characters, or shorten the release's name"
        );
        report.error("RB0310", place, message, help);
    }
    if names.app == "redis" {
        let message = "the pods of Redis have this name: two selectors would match one pod";
        report.error("RB0311", "nameOverride", message, "choose another name");
    }
    for (kind, name) in duplicates(settings, names) {
        let message = format!("two objects would be the {kind} `{name}`");
        report.error("RB0311", place, message, "choose another `fullnameOverride` or release name");
    }
}

/// Returns the key that determines the name of the relay's objects.
fn place(settings: &Settings) -> &'static str {
    match (settings.fullname_override.as_str(), settings.name_override.as_str()) {
        ("", "") => "release.name",
        ("", _) => "nameOverride",
        _ => "fullnameOverride",
    }
}

/// Returns the names that two objects of a kind would share.
fn duplicates(settings: &Settings, names: &Names) -> Vec<(&'static str, String)> {
    let (full, redis) = (&names.full, &names.redis);
    let of_redis = |name: String| Some(name).filter(|_| settings.redis.enabled);
    let account = Some(settings.service_account.name.as_str()).filter(|name| !name.is_empty());
    let existing = settings.redis.persistence.existing_claim.as_str();
    let claim_of_redis =
        if existing.is_empty() { format!("{redis}-data") } else { existing.to_owned() };

    let objects = [
        ("Service", Some(full.clone())),
        ("Service", settings.has_exporter().then(|| format!("{full}-metrics"))),
        (
            "Service",
            (settings.ingress.enabled || settings.gateway.enabled)
                .then(|| format!("{full}-blocked")),
        ),
        ("Service", of_redis(redis.clone())),
        ("Service", of_redis(names.redis_headless())),
        (
            "ServiceAccount",
            settings.service_account.create.then(|| account.unwrap_or(full).to_owned()),
        ),
        ("ServiceAccount", of_redis(redis.clone())),
        (
            "PersistentVolumeClaim",
            (settings.storage.logs.mode == LogMode::Pvc).then(|| format!("{full}-logs")),
        ),
        (
            "PersistentVolumeClaim",
            settings.storage.data.external.enabled.then(|| format!("{full}-external-data")),
        ),
        (
            "PersistentVolumeClaim",
            of_redis(claim_of_redis).filter(|_| settings.redis.persistence.enabled),
        ),
    ];

    let mut seen: BTreeMap<(&str, String), usize> = BTreeMap::new();
    for (kind, name) in objects {
        if let Some(name) = name {
            *seen.entry((kind, name)).or_default() += 1;
        }
    }
    seen.into_iter().filter(|(_, count)| *count > 1).map(|(object, _)| object).collect()
}
