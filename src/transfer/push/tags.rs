//! Tags keep digests alive: a registry's garbage collection removes untagged manifests.
//!
//! | the tag of the reference | result |
//! |---|---|
//! | does not exist | set |
//! | names the digest | unchanged |
//! | names another image | left; `TAG-<12 hex>` is set for the digest |
//! | names another image, with `--move-tags` | moved; `TAG-<12 hex>` keeps the former image |
//! | names no image that a tag can keep | left even with `--move-tags`; `TAG-<12 hex>` is set |
//! | is absent from the reference | `sha256-<12 hex>` is set |
//!
//! A tag that the registry refuses because tags are immutable is a warning: the digest is there.

use std::collections::BTreeMap;

use serde::Serialize;

use super::destination::Destination;
use crate::failure::Failure;
use crate::images::reference::ImageReference;
use crate::model::digest::Digest;
use crate::registry::error::RegistryFault;
use crate::registry::{PulledManifest, Registry, TagTarget};

/// The length limit of a tag, and the number of hex digits of a digest that distinguish tags.
const TAG_BYTES_MAX: usize = 128;
const DIGITS: usize = 12;
/// Stands in for the tag of a reference without one.
const UNTAGGED: &str = "sha256";

/// The treatment of a tag that names another image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagOrder {
    Leave,
    Move,
}

/// The result for the tag of a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum TagWay {
    There,
    Set,
    Moved,
    /// It names another image or something else, and stays.
    Left,
    /// The registry does not allow it.
    Refused,
}

/// The plan for the tags of an image.
pub(super) struct TagPlan {
    order: TagOrder,
    tag: Option<(ImageReference, TagWay)>,
    /// The tag that keeps the digest, unless the tag of the reference does.
    keeper: Option<ImageReference>,
    /// The tag that keeps the digest which the tag of the reference names now.
    former: Option<(ImageReference, Digest)>,
}

/// The result for the tags of an image.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TagOutcome {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag_state: Option<TagWay>,
    /// The tag that keeps the digest, unless the tag of the reference does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept_by: Option<String>,
    /// The tag that keeps the digest which the tag of the reference named before it moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub former_kept_by: Option<String>,
    #[serde(skip)]
    pub warnings: Vec<String>,
}

/// Asks the registry for the target of the tag, and decides.
pub(super) fn plan(
    registry: &Registry,
    destination: &Destination,
    order: TagOrder,
) -> Result<TagPlan, Failure> {
    let Destination { image, listed } = destination;
    if image.tag().is_none() {
        let keeper = Some(keeper(image, listed.digest)?);
        return Ok(TagPlan { order, tag: None, keeper, former: None });
    }
    let tag = image.without_digest();
    let target = registry.tagged(&tag)?;
    let keeper_of = |digest| keeper(image, digest);
    let (way, keeper, former) = match (target, order) {
        (TagTarget::Nothing, _) => (TagWay::Set, None, None),
        (TagTarget::Manifest(named), _) if named.digest == listed.digest => {
            (TagWay::There, None, None)
        }
        (TagTarget::Manifest(named), TagOrder::Move) => {
            (TagWay::Moved, None, Some((keeper_of(named.digest)?, named.digest)))
        }
        (TagTarget::Other, _) | (_, TagOrder::Leave) => {
            (TagWay::Left, Some(keeper_of(listed.digest)?), None)
        }
    };
    Ok(TagPlan { order, tag: Some((tag, way)), keeper, former })
}

/// Returns the tag that keeps a digest beside other images.
fn keeper(image: &ImageReference, digest: Digest) -> Result<ImageReference, Failure> {
    let hex = digest.to_string();
    let tag = image.tag().unwrap_or(UNTAGGED);
    // A tag is ASCII.
    let tag = &tag[..tag.len().min(TAG_BYTES_MAX - DIGITS - 1)];
    image.with_tag(&format!("{tag}-{}", &hex[..DIGITS])).map_err(Failure::input)
}

impl TagPlan {
    /// Returns the outcome that the plan expects.
    pub(super) fn forecast(&self) -> TagOutcome {
        let text = |reference: &ImageReference| reference.tag().map(str::to_owned);
        TagOutcome {
            tag: self.tag.as_ref().and_then(|(tag, _)| text(tag)),
            tag_state: self.tag.as_ref().map(|(_, way)| *way),
            kept_by: self.keeper.as_ref().and_then(text),
            former_kept_by: self.former.as_ref().and_then(|(former, _)| text(former)),
            warnings: Vec::new(),
        }
    }

    /// Sets the tags of an image whose manifest is in the registry already. `known` holds manifests
    /// whose bytes are available.
    ///
    /// Asks for the target of the tag again before setting it: another push may have set it since.
    pub(super) fn settle(
        &self,
        registry: &Registry,
        destination: &Destination,
        known: &BTreeMap<Digest, PulledManifest>,
    ) -> Result<TagOutcome, Failure> {
        let now;
        let plan = if matches!(self.tag, Some((_, TagWay::Set | TagWay::Moved))) {
            now = plan(registry, destination, self.order)?;
            &now
        } else {
            self
        };
        let mut outcome = plan.forecast();
        let setter = Setter { registry, image: &destination.image, known };
        let digest = destination.listed.digest;
        let mut keeper_tag = plan.keeper.clone();

        if let Some(why) = setter.move_or_set(plan, digest, &mut outcome)? {
            outcome.warnings.push(why);
            keeper_tag = Some(keeper(&destination.image, digest)?);
        }

        if let Some(tag) = &keeper_tag {
            outcome.kept_by = tag.tag().map(str::to_owned);
            if let Some(why) = setter.keep(tag, digest)? {
                let short = &digest.to_string()[..DIGITS];
                outcome
                    .warnings
                    .push(format!("no tag keeps sha256:{short}… in the registry: {why}"));
                outcome.kept_by = None;
            }
        }
        Ok(outcome)
    }
}

/// Sets tags in a repository.
struct Setter<'a> {
    registry: &'a Registry,
    image: &'a ImageReference,
    known: &'a BTreeMap<Digest, PulledManifest>,
}

impl Setter<'_> {
    /// Sets the tag of the reference if planned. Returns the reason if that fails.
    fn move_or_set(
        &self,
        plan: &TagPlan,
        digest: Digest,
        outcome: &mut TagOutcome,
    ) -> Result<Option<String>, Failure> {
        // Untagged, the former image would be garbage-collected.
        if let Some((former, digest)) = &plan.former
            && let Some(why) = self.keep(former, *digest)?
        {
            outcome.former_kept_by = None;
            outcome.tag_state = Some(TagWay::Left);
            return Ok(Some(format!(
                "the tag was not moved, since no tag would keep the image it names: {why}"
            )));
        }
        if let Some((tag, TagWay::Set | TagWay::Moved)) = &plan.tag
            && let Some(refusal) = self.set(tag, digest)?
        {
            outcome.tag_state = Some(TagWay::Refused);
            return Ok(Some(format!("the tag was not set: {refusal}")));
        }
        Ok(None)
    }

    /// Ensures that a tag keeps a digest. Returns the reason if it does not.
    fn keep(&self, tag: &ImageReference, digest: Digest) -> Result<Option<String>, Failure> {
        match self.registry.tagged(tag)? {
            TagTarget::Manifest(named) if named.digest == digest => Ok(None),
            TagTarget::Nothing => self.set(tag, digest),
            TagTarget::Manifest(_) | TagTarget::Other => {
                Ok(Some(format!("`{tag}` names another image")))
            }
        }
    }

    /// Sets a tag. Returns the reason if the tag then names another image.
    fn set(&self, tag: &ImageReference, digest: Digest) -> Result<Option<String>, Failure> {
        let set = if let Some(manifest) = self.known.get(&digest) {
            self.registry.set_tag(tag, manifest)
        } else {
            let manifest = self.registry.pull_manifest(&self.image.pinned(digest))?;
            self.registry.set_tag(tag, &manifest)
        };
        match set {
            Ok(()) => Ok(None),
            Err(error) if error.is_refusal() => Ok(Some(error.to_string())),
            // The manifest was read back by its digest before, so a concurrent push explains this
            // better than a faulty registry.
            Err(error) if matches!(error.why, RegistryFault::WrongDigest { .. }) => {
                Ok(Some(format!("`{tag}` names another image by now: another push has set it")))
            }
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeper_is_tag_with_first_digits_of_digest() {
        let digest = Digest::of(b"");
        let of = |text: &str| keeper(&text.parse().unwrap(), digest).unwrap().to_string();
        assert_eq!(of("r.example/a:v1"), "r.example/a:v1-e3b0c44298fc");
        assert_eq!(of("r.example/a"), "r.example/a:sha256-e3b0c44298fc");
        let long = of(&format!("r.example/a:{}", "x".repeat(128)));
        assert!(
            long.ends_with("xx-e3b0c44298fc") && long.len() == "r.example/a:".len() + 128,
            "{long}"
        );
    }
}
