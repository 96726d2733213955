//! Security contexts that meet the Pod Security Standard *restricted*.

use k8s_openapi::api::core::v1::{Container, PodSecurityContext};

use crate::model::kube_version::KubeVersion;
use crate::profile::resolve::Profile;

/// Removes fields that servers of `version` would drop: a dropped field would be a difference at
/// every apply.
pub(super) fn known_to(version: KubeVersion, context: PodSecurityContext) -> PodSecurityContext {
    let fs_group_change_policy = context.fs_group_change_policy.filter(|_| version.at_least(20));
    PodSecurityContext { fs_group_change_policy, ..context }
}

/// Completes one of the profile's own containers with the restricted settings that it leaves open,
/// and with its image from the mirror.
pub(super) fn restrict(profile: &Profile, own: &Container) -> Container {
    let mut context = own.security_context.clone().unwrap_or_default();
    context.allow_privilege_escalation = context.allow_privilege_escalation.or(Some(false));
    let mut capabilities = context.capabilities.take().unwrap_or_default();
    capabilities.drop = capabilities.drop.or(Some(vec!["ALL".into()]));
    context.capabilities = Some(capabilities);
    let policy = profile.settings.images.pull_policy.map(|policy| policy.as_str().to_owned());
    Container {
        image: own.image.as_deref().map(|image| profile.own_image(image)),
        image_pull_policy: own.image_pull_policy.clone().or(policy),
        security_context: Some(context),
        ..own.clone()
    }
}
