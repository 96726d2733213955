//! Where each image goes. Pure: no registry is asked.

use std::collections::BTreeMap;

use crate::bundle::open::Bundle;
use crate::cmd::failure::Failure;
use crate::images::list::{ImageList, ListedImage};
use crate::images::reference::Reference;
use crate::profile::resolve::image_sources;
use crate::registry::RegistryPrefix;

/// An image of a bundle, and where it goes.
pub(super) struct Destination<'a> {
    pub(super) listed: &'a ListedImage,
    /// The reference at the registry that is pushed to, with its digest.
    pub(super) image: Reference,
}

impl Destination<'_> {
    /// Returns registry and repository, in one spelling.
    pub(super) fn repository(&self) -> String {
        self.image.full().name()
    }

    /// Returns whether another image goes to the same registry.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        self.image.registry() == other.image.registry()
    }
}

/// Returns where the images of a bundle go: as their references say, or to another registry.
pub(super) fn choose<'a>(
    bundle: &Bundle,
    images: &'a ImageList,
    registry: Option<&RegistryPrefix>,
) -> Result<Vec<Destination<'a>>, Failure> {
    let Some(registry) = registry else {
        check_upstream(bundle, images)?;
        let named = images.images().map(|listed| Destination { listed, image: listed.reference.clone() });
        return Ok(named.collect());
    };
    let place = |listed: &'a ListedImage| {
        let image = registry.place(&listed.reference).map_err(Failure::input)?;
        Ok(Destination { listed, image })
    };
    let placed: Vec<Destination> = images.images().map(place).collect::<Result<_, Failure>>()?;
    check_collisions(&placed)?;
    Ok(placed)
}

/// Refuses images that would go to where they come from.
fn check_upstream(bundle: &Bundle, images: &ImageList) -> Result<(), Failure> {
    let sources = image_sources(&bundle.recipe.settings);
    let is_upstream = |reference: &Reference| {
        let source = sources.get(&reference.without_digest().to_string());
        let source = source.map(|source| source.parse::<Reference>());
        // What is not known to come from elsewhere comes from there.
        source.is_none_or(|source| {
            source.is_ok_and(|source| source.full().without_digest() == reference.full().without_digest())
        })
    };
    let upstream = images.images().filter(|image| is_upstream(&image.reference));
    let upstream: Vec<String> = upstream.map(|image| image.reference.to_string()).collect();
    if upstream.is_empty() {
        return Ok(());
    }
    let failure =
        Failure::input("the manifests name the registries that the images come from, not one of the site");
    let failure = upstream.into_iter().fold(failure, Failure::reason);
    Err(failure
        .hint("push to another registry: --registry HOST[/PREFIX]")
        .hint("let the manifests name it: set `images.registry` in the profile, and build again"))
}

/// Refuses different images that would have one name.
fn check_collisions(placed: &[Destination]) -> Result<(), Failure> {
    let mut names: BTreeMap<String, &Destination> = BTreeMap::new();
    for destination in placed.iter().filter(|destination| destination.image.tag().is_some()) {
        let name = destination.image.without_digest().full().to_string();
        if let Some(other) = names.get(&name).filter(|other| other.listed.digest != destination.listed.digest)
        {
            let (one, other) = (&other.listed.reference, &destination.listed.reference);
            return Err(Failure::input(format!(
                "`{one}` and `{other}` are different images, and both would be `{name}`"
            ))
            .hint("push without --registry, to the registries that the manifests name")
            .hint("or give them different paths or tags in the profile, and build again"));
        }
        names.insert(name, destination);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::lock::LockedImage;
    use crate::images::manifest::MediaType;
    use crate::model::digest::Digest;

    fn listed(references: &[(&str, &str)]) -> ImageList {
        let locked = |content: &str| {
            let digest = Digest::of(content.as_bytes());
            let blobs = [(Digest::of(b"config"), 6)].into();
            LockedImage { tagged: digest, digest, media_type: MediaType::OciManifest, size: 1, blobs }
        };
        let images: Vec<(Reference, LockedImage)> = references
            .iter()
            .map(|(name, content)| {
                let image = locked(content);
                (name.parse::<Reference>().unwrap().pinned(image.digest), image)
            })
            .collect();
        ImageList::of(images.iter().map(|(reference, image)| (reference.clone(), image))).unwrap()
    }

    fn collide(references: &[(&str, &str)]) -> bool {
        let images = listed(references);
        let prefix: RegistryPrefix = "r.example/p".parse().unwrap();
        let place = |listed| Destination { listed, image: prefix.place(&listed.reference).unwrap() };
        check_collisions(&images.images().map(place).collect::<Vec<_>>()).is_err()
    }

    #[test]
    fn different_images_of_one_name_under_a_prefix_are_refused() {
        assert!(collide(&[("a.example/x:1", "one"), ("b.example/x:1", "two")]));
        for harmless in [
            [("a.example/x:1", "one"), ("b.example/x:1", "one")],
            [("a.example/x:1", "one"), ("b.example/x:2", "two")],
            [("a.example/x", "one"), ("b.example/x", "two")],
            [("a.example/x:1", "one"), ("b.example/y:1", "two")],
        ] {
            assert!(!collide(&harmless), "{harmless:?}");
        }
    }
}
