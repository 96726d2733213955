//! Labels and selectors.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use crate::model::label::{
    COMPONENT_LABEL, INSTANCE_LABEL, MANAGED_BY, MANAGED_BY_LABEL, NAME_LABEL, PART_OF,
    PART_OF_LABEL, VERSION_LABEL,
};
use crate::profile::resolve::Profile;

pub(super) type Labels = BTreeMap<String, String>;

/// The component of an object, which determines its name label and its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Component {
    Relay,
    Redis,
}

impl Component {
    fn name(self, profile: &Profile) -> &str {
        match self {
            Self::Relay => &profile.names.app,
            Self::Redis => "redis",
        }
    }
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Labels {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// Returns the labels that selectors use: exactly the chart's, so that `adopt` can take over its
/// pods.
pub(super) fn selector_labels(profile: &Profile, component: Component) -> Labels {
    let instance = profile.settings.release.name.as_str();
    pairs([(INSTANCE_LABEL, instance), (NAME_LABEL, component.name(profile))])
}

/// Returns the selector of a component's pods.
pub(super) fn selector(profile: &Profile, component: Component) -> LabelSelector {
    LabelSelector {
        match_labels: Some(selector_labels(profile, component)),
        ..LabelSelector::default()
    }
}

/// Returns the labels of a component's pods, the profile's included.
pub(super) fn pod_labels(profile: &Profile, component: Component) -> Labels {
    let own = match component {
        Component::Relay => &profile.settings.pod_labels,
        Component::Redis => &profile.settings.redis.pod_labels,
    };
    own.clone().into_iter().chain(component_labels(profile, component)).collect()
}

/// Returns the bundle's labels of a component.
///
/// They have no version, because that would restart the pods with every release.
fn component_labels(profile: &Profile, component: Component) -> Labels {
    let mut labels = selector_labels(profile, component);
    let role = match component {
        Component::Relay => "relay",
        Component::Redis => "database",
    };
    labels.insert(COMPONENT_LABEL.into(), role.into());
    labels
}

/// Returns the recommended labels of an object.
pub(super) fn labels(profile: &Profile, component: Component) -> Labels {
    let mut labels = component_labels(profile, component);
    labels.insert(MANAGED_BY_LABEL.into(), MANAGED_BY.into());
    labels.insert(PART_OF_LABEL.into(), PART_OF.into());
    let redis_tag = profile.settings.redis.image.tag.as_str();
    match component {
        Component::Relay => {
            labels.insert(VERSION_LABEL.into(), profile.settings.release.app_version.to_string())
        }
        Component::Redis
            if crate::model::text::is_label_value(redis_tag) && !redis_tag.is_empty() =>
        {
            labels.insert(VERSION_LABEL.into(), redis_tag.to_owned())
        }
        Component::Redis => None,
    };
    labels
}

/// Returns the metadata of an object in the release's namespace.
pub(super) fn metadata(
    profile: &Profile,
    component: Component,
    name: impl Into<String>,
) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.into()),
        namespace: Some(profile.settings.release.namespace.to_string()),
        labels: Some(labels(profile, component)),
        ..ObjectMeta::default()
    }
}
