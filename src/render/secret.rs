//! Renders the Secret with literal values; other forms of secrets render no object.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;

use super::labels::{Component, metadata};
use crate::model::secret::SecretForm;
use crate::profile::resolve::Profile;

/// Returns the Secret of all literals, if there are any.
pub(super) fn literal(profile: &Profile) -> Option<Secret> {
    let literals: BTreeMap<String, ByteString> = profile
        .secrets()
        .iter()
        .filter_map(|secret| match secret.form {
            SecretForm::Literal { value, .. } => {
                Some((secret.key.clone(), ByteString(value.expose().as_bytes().to_vec())))
            }
            _ => None,
        })
        .collect();
    let name = format!("{}-literal", profile.names.full);
    (!literals.is_empty()).then(|| Secret {
        metadata: metadata(profile, Component::Relay, name),
        data: Some(literals),
        type_: Some("Opaque".into()),
        ..Secret::default()
    })
}
