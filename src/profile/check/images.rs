//! Checks that each image has a tag or, better, a digest.

use std::collections::BTreeMap;

use crate::images::reference::{ImageReference, without_digest};
use crate::model::digest::Digest;
use crate::model::text::{ImageDigest, Repository, Tag};
use crate::profile::node::Path;
use crate::profile::resolve::{ImageRef, Profile, names_registry};

use super::Report;

/// An image that only a tag selects.
struct TaggedImage {
    path: Path,
    tag: String,
    /// The key for a digest; `None` if it has to be in the reference.
    digest: Option<Path>,
}

pub(super) fn check(profile: &Profile, report: &mut Report<'_>) {
    let settings = &profile.settings;
    let mut movable = Vec::new();
    for (one, image) in settings.images_used() {
        let path = one.path();
        let help = format!("write `docker.io/{}`, or set `{path}.registry`", image.reference);
        warn_of_short_name(Path::of(&format!("{path}.repository")), &image, help, report);
        let (image, version) =
            (one.of(settings), one.default_tag(settings.release.app_version.as_str()));
        if image.digest.as_str().is_empty() {
            let tag = if image.tag.as_str().is_empty() { version } else { image.tag.as_str() };
            let is_pinned = profile.lock.is_some() && !tag.is_empty();
            if !is_pinned && check_tag(path, tag, report) {
                let (path, digest) = (Path::of(path), Some(Path::of(&format!("{path}.digest"))));
                movable.push(TaggedImage { path, tag: tag.to_owned(), digest });
            }
        }
    }

    for (path, image) in settings.own_images() {
        let help = format!("write `docker.io/{}`, or set `images.registry`", image.reference);
        warn_of_short_name(path, &image, help, report);
    }
    if profile.lock.is_none() {
        movable.extend(settings.own_images().filter_map(|(path, image)| tagged(path, &image)));
    }
    if !settings.is_dev() {
        warn_of_tags(profile, &movable, report);
    }
    if profile.lock.is_some() {
        check_locked(profile, report);
    }
}

/// Checks a reference that the profile spells out, of a container or a volume.
pub(super) fn image_reference(path: &Path, image: &str, report: &mut Report<'_>) {
    let (rest, digest) = image.split_once('@').unwrap_or((image, ""));
    let (repository, tag) = match rest.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (rest, ""),
    };
    let is_valid = repository.parse::<Repository>().is_ok()
        && tag.parse::<Tag>().is_ok()
        && digest.parse::<ImageDigest>().is_ok()
        && !image.ends_with([':', '@']);
    if !is_valid {
        let help = "write `registry/repository:tag`, preferably with `@sha256:` and the digest";
        report.error("RB0151", path, "invalid image reference", help);
    } else if digest.is_empty() && matches!(tag, "" | "latest") {
        let help = "use a version, preferably with `@sha256:` and the digest";
        report.warning("RB0403", path, "the image can change at any time", help);
    }
}

/// Warns of an image without a registry; the checks of containers report an invalid reference.
fn warn_of_short_name(path: Path, image: &ImageRef, help: String, report: &mut Report<'_>) {
    let is_valid = image.source.parse::<ImageReference>().is_ok();
    if is_valid && !names_registry(&image.reference) {
        let message = format!("`{}` has no registry: nodes with CRI-O refuse it", image.reference);
        report.warning("RB0423", path, message, help);
    }
}

/// Checks the tag of an image without a digest; returns whether the tag names a version, which a
/// registry may move.
fn check_tag(path: &str, tag: &str, report: &mut Report<'_>) -> bool {
    let at = format!("{path}.tag");
    match tag {
        "" => {
            let message = "the image has no tag and no digest: nodes would pull `latest`";
            report.error(
                "RB0350",
                at,
                message,
                format!("set `{path}.digest`, or at least `{path}.tag`"),
            );
            false
        }
        "latest" => {
            let message = "`latest` can move";
            report.warning(
                "RB0403",
                at,
                message,
                format!("set a version, preferably `{path}.digest`"),
            );
            false
        }
        _ => true,
    }
}

/// Returns the image of one of the profile's own containers if only a tag with a version selects
/// it. The checks of containers report `latest`, and a missing tag.
fn tagged(path: Path, image: &ImageRef) -> Option<TaggedImage> {
    let reference: ImageReference = image.source.parse().ok()?;
    let tag = reference.tag().filter(|tag| *tag != "latest" && reference.digest().is_none())?;
    Some(TaggedImage { path, tag: tag.to_owned(), digest: None })
}

/// Warns once about all images that are named by a tag: one warning for each would hide the others.
fn warn_of_tags(profile: &Profile, movable: &[TaggedImage], report: &mut Report<'_>) {
    let Some((first, others)) = movable.split_first() else { return };
    let tag = &first.tag;
    let mut message = format!("only the tag `{tag}` selects the image, and a registry may move it");
    if !others.is_empty() {
        let others: Vec<String> =
            others.iter().map(|image| format!("`{}` (`{}`)", image.path, image.tag)).collect();
        message = format!("{message}; the same applies to {}", others.join(", "));
    }
    let place = first.digest.as_ref().unwrap_or(&first.path).clone();
    report.warning("RB0402", place, message, remedy_of_tags(profile, movable));
}

fn remedy_of_tags(profile: &Profile, movable: &[TaggedImage]) -> String {
    let keys: Vec<String> =
        movable.iter().filter_map(|image| Some(format!("`{}`", image.digest.as_ref()?))).collect();
    let own = movable.iter().filter(|image| image.digest.is_none());
    let own: Vec<String> = own.map(|image| format!("`{}`", image.path)).collect();
    let by_hand: Vec<String> = [("set", keys), ("add a digest to", own)]
        .into_iter()
        .filter(|(_, keys)| !keys.is_empty())
        .map(|(verb, keys)| format!("{verb} {}", keys.join(", ")))
        .collect();
    format!("pin all images: relay-bundle lock {}; or {}", profile.name, by_hand.join("; "))
}

/// Checks that the lock pins every image, and each name to one digest.
fn check_locked(profile: &Profile, report: &mut Report<'_>) {
    let mut pinned: BTreeMap<String, (Digest, Path)> = BTreeMap::new();
    for (path, image) in profile.settings.all_images() {
        let Some(digest) = digest_in_lock(profile, &path, &image, report) else { continue };
        let name = without_digest(&image.reference).to_owned();
        let (first, at) = pinned.entry(name.clone()).or_insert_with(|| (digest, path.clone()));
        if *first != digest {
            let message = format!(
                "`{name}` would be two images: `{at}` differs, but has the same name in the cluster"
            );
            report.error(
                "RB0362",
                path,
                message,
                "give one of them another tag, or map their registries to different paths",
            );
        }
    }
}

fn digest_in_lock(
    profile: &Profile,
    path: &Path,
    image: &ImageRef,
    report: &mut Report<'_>,
) -> Option<Digest> {
    for text in [&image.source, &image.reference] {
        if let Err(error) = text.parse::<ImageReference>() {
            let help = "a locked image has a reference in the grammar of OCI registries";
            report.error("RB0361", path.clone(), error.to_string(), help);
            return None;
        }
    }
    let locked = profile.locked(&image.source);
    if locked.is_none() {
        let message = format!("`{}` is not in images.lock, which lists this profile", image.source);
        let help = format!("add it, with network access: relay-bundle lock {}", profile.name);
        report.error("RB0361", path.clone(), message, help);
    }
    locked.map(|locked| locked.digest)
}
