//! The report of one pushed image.

use serde::Serialize;

use crate::transfer::push::{Delivery, ImageOutcome, ImagePlan, TagOutcome, TagWay};

/// A pushed image.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PushedImage {
    pub(super) reference: String,
    /// The reference at the destination registry.
    pub(super) destination: String,
    pub(super) manifest: ManifestState,
    /// Configs and layers, each counted for the first image of a repository that has it.
    pub(super) sent: usize,
    pub(super) sent_bytes: u64,
    pub(super) mounted: usize,
    pub(super) there: usize,
    #[serde(flatten)]
    pub(super) tags: TagOutcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum ManifestState {
    Sent,
    There,
}

impl PushedImage {
    pub(super) fn of(plan: &ImagePlan, outcome: ImageOutcome) -> Self {
        let ImageOutcome { sent, sent_bytes, mounted, there, tags } = outcome;
        let manifest = if plan.manifest == Delivery::There {
            ManifestState::There
        } else {
            ManifestState::Sent
        };
        let reference = plan.destination.listed.reference.to_string();
        let destination = plan.destination.image.to_string();
        Self { reference, destination, manifest, sent, sent_bytes, mounted, there, tags }
    }

    /// Returns the result for the tags, if it is worth mentioning.
    pub(super) fn tag_text(&self) -> Option<String> {
        let TagOutcome { tag, tag_state, kept_by, former_kept_by, .. } = &self.tags;
        let tag = tag.as_deref().unwrap_or_default();
        let kept = kept_by.as_ref().map(|tag| format!("`{tag}` keeps this one"));
        let former = former_kept_by.as_ref().map(|tag| format!("`{tag}` keeps the other one"));
        let state = match tag_state {
            None | Some(TagWay::There | TagWay::Set) => None,
            Some(TagWay::Moved) => Some(format!("the tag `{tag}` moves here from another image")),
            Some(TagWay::Left) => Some(format!("the tag `{tag}` names another image, and stays")),
            Some(TagWay::Refused) => Some(format!("the registry refused the tag `{tag}`")),
        };
        let texts: Vec<String> = state.into_iter().chain(kept).chain(former).collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    }
}
