//! Tags: they keep digests alive, since a registry's garbage collection removes manifests that none names.
//!
//! | the tag of the reference | what is done |
//! |---|---|
//! | names nothing | set |
//! | names the digest | nothing |
//! | names something else | left; `TAG-<12 hex>` is set for the digest |
//! | names something else, with `--move-tags` | moved; `TAG-<12 hex>` is set for the digest that it named |
//! | there is none | `sha256-<12 hex>` is set |
//!
//! A tag that the registry refuses, because it must not move, is a warning: the digest is there.

use std::collections::BTreeMap;

use serde::Serialize;

use super::destination::Destination;
use crate::cmd::failure::Failure;
use crate::images::reference::Reference;
use crate::model::digest::Digest;
use crate::registry::error::RegistryError;
use crate::registry::{PulledManifest, Registry, TagTarget};

/// How long a tag may be, and how much of a digest tells generations apart.
const TAG_BYTES_MAX: usize = 128;
const DIGITS: usize = 12;
/// In place of the tag of a reference without one.
const UNTAGGED: &str = "sha256";

/// What is done with a tag that names something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TagOrder {
    Leave,
    Move,
}

/// What becomes of the tag of a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum TagWay {
    There,
    Set,
    Moved,
    /// It names something else, and stays.
    Left,
    /// The registry does not allow it.
    Refused,
}

/// What is done with the tags of an image.
pub(super) struct TagPlan {
    tag: Option<(Reference, TagWay)>,
    /// The tag that keeps the digest, where that of the reference does not.
    keeper: Option<Reference>,
    /// The tag that keeps the digest which the tag of the reference names now.
    former: Option<(Reference, Digest)>,
}

/// What was done with the tags of an image.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TagOutcome {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tag_state: Option<TagWay>,
    /// The tag that keeps the digest, where that of the reference does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kept_by: Option<String>,
    /// The tag that keeps the digest which the tag of the reference named before it moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) former_kept_by: Option<String>,
    #[serde(skip)]
    pub(super) warnings: Vec<String>,
}

/// Asks what the tag names, and decides.
pub(super) fn plan(
    registry: &Registry,
    destination: &Destination,
    order: TagOrder,
) -> Result<TagPlan, Failure> {
    let Destination { image, listed } = destination;
    if image.tag().is_none() {
        return Ok(TagPlan { tag: None, keeper: Some(keeper(image, listed.digest)?), former: None });
    }
    let tag = image.without_digest();
    let target = registry.tagged(&tag)?;
    let keeper_of = |digest| keeper(image, digest);
    let (way, keeper, former) = match (target, order) {
        (TagTarget::Nothing, _) => (TagWay::Set, None, None),
        (TagTarget::Manifest(named), _) if named.digest == listed.digest => (TagWay::There, None, None),
        (TagTarget::Manifest(named), TagOrder::Move) => {
            (TagWay::Moved, None, Some((keeper_of(named.digest)?, named.digest)))
        }
        (TagTarget::Other, TagOrder::Move) => (TagWay::Moved, None, None),
        (_, TagOrder::Leave) => (TagWay::Left, Some(keeper_of(listed.digest)?), None),
    };
    Ok(TagPlan { tag: Some((tag, way)), keeper, former })
}

/// Returns the tag by which a digest is kept beside others.
fn keeper(image: &Reference, digest: Digest) -> Result<Reference, Failure> {
    let hex = digest.to_string();
    let tag = image.tag().unwrap_or(UNTAGGED);
    // A tag is ASCII.
    let tag = &tag[..tag.len().min(TAG_BYTES_MAX - DIGITS - 1)];
    image.with_tag(&format!("{tag}-{}", &hex[..DIGITS])).map_err(Failure::input)
}

impl TagPlan {
    /// Returns what would be done.
    pub(super) fn forecast(&self) -> TagOutcome {
        let text = |reference: &Reference| reference.tag().map(str::to_owned);
        TagOutcome {
            tag: self.tag.as_ref().and_then(|(tag, _)| text(tag)),
            tag_state: self.tag.as_ref().map(|(_, way)| *way),
            kept_by: self.keeper.as_ref().and_then(text),
            former_kept_by: self.former.as_ref().and_then(|(former, _)| text(former)),
            warnings: Vec::new(),
        }
    }

    /// Sets the tags; the manifest is there already. `known` are manifests whose bytes are at hand.
    pub(super) fn settle(
        &self,
        registry: &Registry,
        destination: &Destination,
        known: &BTreeMap<Digest, PulledManifest>,
    ) -> Result<TagOutcome, Failure> {
        let mut outcome = self.forecast();
        let setter = Setter { registry, image: &destination.image, known };
        if let Some((former, digest)) = &self.former
            && !setter.keep(former, *digest, &mut outcome)?
        {
            outcome.former_kept_by = None;
        }
        let digest = destination.listed.digest;
        let mut keeper_tag = self.keeper.clone();
        if let Some((tag, TagWay::Set | TagWay::Moved)) = &self.tag
            && let Some(refusal) = setter.set(tag, digest)?
        {
            outcome.tag_state = Some(TagWay::Refused);
            outcome.warnings.push(format!("the tag was not set: {refusal}"));
            keeper_tag = Some(keeper(&destination.image, digest)?);
        }
        if let Some(tag) = &keeper_tag {
            outcome.kept_by = tag.tag().map(str::to_owned);
            if !setter.keep(tag, digest, &mut outcome)? {
                outcome.kept_by = None;
            }
        }
        Ok(outcome)
    }
}

/// Sets tags in a repository.
struct Setter<'a> {
    registry: &'a Registry,
    image: &'a Reference,
    known: &'a BTreeMap<Digest, PulledManifest>,
}

impl Setter<'_> {
    /// Sets a tag that may be there already; returns whether it is there then.
    fn keep(&self, tag: &Reference, digest: Digest, outcome: &mut TagOutcome) -> Result<bool, Failure> {
        if matches!(self.registry.tagged(tag)?, TagTarget::Manifest(named) if named.digest == digest) {
            return Ok(true);
        }
        let Some(refusal) = self.set(tag, digest)? else { return Ok(true) };
        let short = &digest.to_string()[..DIGITS];
        outcome.warnings.push(format!("no tag keeps sha256:{short}… in the registry: {refusal}"));
        Ok(false)
    }

    /// Sets a tag; returns why if the registry does not allow it.
    fn set(&self, tag: &Reference, digest: Digest) -> Result<Option<RegistryError>, Failure> {
        let set = if let Some(manifest) = self.known.get(&digest) {
            self.registry.set_tag(tag, manifest)
        } else {
            let manifest = self.registry.pull_manifest(&self.image.pinned(digest))?;
            self.registry.set_tag(tag, &manifest)
        };
        match set {
            Ok(()) => Ok(None),
            Err(error) if error.is_refusal() => Ok(Some(error)),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeper_is_the_tag_with_the_first_digits_of_the_digest() {
        let digest = Digest::of(b"");
        let of = |text: &str| keeper(&text.parse().unwrap(), digest).unwrap().to_string();
        assert_eq!(of("r.example/a:v1"), "r.example/a:v1-e3b0c44298fc");
        assert_eq!(of("r.example/a"), "r.example/a:sha256-e3b0c44298fc");
        let long = of(&format!("r.example/a:{}", "x".repeat(128)));
        assert!(long.ends_with("xx-e3b0c44298fc") && long.len() == "r.example/a:".len() + 128, "{long}");
    }
}
