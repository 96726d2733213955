//! Renders the ServiceAccounts, which have no token because these pods never talk to the API
//! server.

use k8s_openapi::api::core::v1::ServiceAccount;

use super::labels::{Component, metadata};
use super::pod;
use crate::profile::resolve::Profile;

/// Returns the name of the ServiceAccount of the relay's pods.
pub(super) fn relay_name(profile: &Profile) -> String {
    let account = &profile.settings.service_account;
    match (account.name.as_str(), account.create) {
        ("", true) => profile.names.full.clone(),
        ("", false) => "default".to_owned(),
        (name, _) => name.to_owned(),
    }
}

pub(super) fn relay(profile: &Profile) -> ServiceAccount {
    let mut metadata = metadata(profile, Component::Relay, relay_name(profile));
    metadata.annotations = pod::map(&profile.settings.service_account.annotations);
    ServiceAccount {
        metadata,
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}

pub(super) fn redis(profile: &Profile) -> ServiceAccount {
    let metadata = metadata(profile, Component::Redis, profile.names.redis.clone());
    ServiceAccount {
        metadata,
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}
