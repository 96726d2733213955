//! Renders the Namespace, if the profile asks for one.

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::labels::{Component, metadata};
use crate::model::label::{COMPONENT_LABEL, VERSION_LABEL};
use crate::model::restricted::NAMESPACE_LABELS;
use crate::profile::resolve::Profile;

pub(super) fn render(profile: &Profile) -> Namespace {
    let mut meta =
        metadata(profile, Component::Relay, profile.settings.release.namespace.to_string());
    let labels = meta.labels.get_or_insert_default();
    // The namespace does not belong to a component, and outlives every version.
    labels.remove(COMPONENT_LABEL);
    labels.remove(VERSION_LABEL);
    labels.extend(NAMESPACE_LABELS.map(|(label, value)| (label.to_owned(), value.to_owned())));
    Namespace { metadata: ObjectMeta { namespace: None, ..meta }, ..Namespace::default() }
}
