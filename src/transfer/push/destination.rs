//! Chooses the destination of each image. Pure: asks no registry.

use std::collections::BTreeMap;

use crate::bundle::open::Bundle;
use crate::failure::Failure;
use crate::images::list::{ImageList, ListedImage};
use crate::images::reference::ImageReference;
use crate::profile::resolve::image_sources;
use crate::registry::{RegistryPrefix, is_same_place};

/// An image of a bundle, and its destination.
pub struct Destination<'a> {
    pub listed: &'a ListedImage,
    /// The reference at the destination registry, with its digest.
    pub image: ImageReference,
}

impl Destination<'_> {
    /// Returns registry and repository in canonical spelling.
    pub fn repository(&self) -> String {
        self.image.full().name()
    }

    /// Returns whether the image comes from this very place. `sources` has the origins by name in
    /// the cluster.
    fn is_upstream(&self, sources: &BTreeMap<String, String>) -> bool {
        let reference = &self.listed.reference;
        let source = sources.get(&reference.without_digest().to_string());
        // An image without a known source comes from the registry in its reference.
        let source = source.and_then(|source| source.parse().ok());
        is_same_place(source.as_ref().unwrap_or(reference), &self.image)
    }

    /// Returns whether another image goes to the same registry.
    pub fn is_beside(&self, other: &Self) -> bool {
        self.image.registry() == other.image.registry()
    }
}

/// The destinations of a bundle's images.
pub struct Destinations<'a> {
    pub pushed: Vec<Destination<'a>>,
    /// The images that come from their very destination.
    pub left_out: Vec<String>,
}

impl<'a> Destinations<'a> {
    /// Returns the destinations of a bundle's images: those in their references, or in `registry`,
    /// without the images that come from there.
    ///
    /// # Errors
    ///
    /// When two images would get one name, or all would go to the registries that they come from.
    pub fn choose(
        bundle: &Bundle,
        images: &'a ImageList,
        registry: Option<&RegistryPrefix>,
    ) -> Result<Self, Failure> {
        let place = |listed: &'a ListedImage| {
            let placed = registry.map(|registry| registry.place(&listed.reference)).transpose();
            let image = placed.map_err(Failure::input)?.unwrap_or_else(|| listed.reference.clone());
            Ok(Destination { listed, image })
        };
        let placed: Vec<Destination> =
            images.images().map(place).collect::<Result<_, Failure>>()?;
        // An image that is left out keeps its name from the others.
        check_collisions(&placed)?;
        let sources = image_sources(&bundle.recipe.settings);
        let (upstream, pushed): (Vec<_>, Vec<_>) =
            placed.into_iter().partition(|destination| destination.is_upstream(&sources));
        let left_out: Vec<String> =
            upstream.iter().map(|destination| destination.image.to_string()).collect();
        if !left_out.is_empty() && (registry.is_none() || pushed.is_empty()) {
            return Err(to_upstream(left_out));
        }
        Ok(Self { pushed, left_out })
    }
}

/// Refuses a push to the registries that the images come from.
fn to_upstream(images: Vec<String>) -> Failure {
    let failure = Failure::input("the images would go to the registries that they come from");
    images
        .into_iter()
        .fold(failure, Failure::reason)
        .hint("push to a registry of the site: --registry HOST[/PREFIX]")
        .hint("let the manifests name it: set `images.registry` in the profile, and build again")
}

/// Rejects different images that would get the same name.
fn check_collisions(placed: &[Destination]) -> Result<(), Failure> {
    let mut names: BTreeMap<String, &Destination> = BTreeMap::new();
    for destination in placed.iter().filter(|destination| destination.image.tag().is_some()) {
        let name = destination.image.without_digest().full().to_string();
        if let Some(other) =
            names.get(&name).filter(|other| other.listed.digest != destination.listed.digest)
        {
            let (one, other) = (&other.listed.reference, &destination.listed.reference);
            return Err(Failure::input(format!(
                "`{one}` and `{other}` are different images, and both would be `{name}`"
            ))
            .hint("give them different paths or tags in the profile, and build again"));
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
            LockedImage {
                tagged: digest,
                digest,
                media_type: MediaType::OciManifest,
                size: 1,
                blobs,
            }
        };
        let images: Vec<(ImageReference, LockedImage)> = references
            .iter()
            .map(|(name, content)| {
                let image = locked(content);
                (name.parse::<ImageReference>().unwrap().pinned(image.digest), image)
            })
            .collect();
        ImageList::of(images.iter().map(|(reference, image)| (reference.clone(), image))).unwrap()
    }

    fn collide(references: &[(&str, &str)]) -> bool {
        let images = listed(references);
        let prefix: RegistryPrefix = "r.example/p".parse().unwrap();
        let place =
            |listed| Destination { listed, image: prefix.place(&listed.reference).unwrap() };
        check_collisions(&images.images().map(place).collect::<Vec<_>>()).is_err()
    }

    #[test]
    fn different_images_with_same_name_under_prefix_are_refused() {
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
