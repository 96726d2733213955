//! Garbage collection in registries: the digests that it removes, and the tags that keep them.

use crate::oci::image::{Format, Image};
use crate::oci::registry::{Access, Program, Registry, Untagged};

/// Checks a registry in which a tag moved from an old image to a new one.
fn after_moved_tag(program: Program, check: impl Fn(&Registry, &Image, &Image)) {
    let Some(registry) = Registry::start(program, Access::Plain) else { return };
    let (old, new) = (Image::small(Format::Oci, "old"), Image::small(Format::Oci, "new"));
    registry.push("app", "v1", &old);
    registry.push("app", "v1", &new);
    check(&registry, &old, &new);
}

fn is_served(registry: &Registry, image: &Image) -> bool {
    let manifest = registry.digest("app", &image.manifest.digest);
    manifest.is_some() && image.blobs.iter().all(|blob| registry.has_blob("app", blob))
}

#[test]
fn moved_tag_alone_keeps_old_digest() {
    for program in Program::ALL {
        after_moved_tag(program, |registry, old, new| {
            assert_eq!(
                registry.digest("app", "v1").as_ref(),
                Some(&new.manifest.digest),
                "{program:?}"
            );
            registry.collect_garbage(Untagged::Keep);
            assert!(is_served(registry, old), "{program:?}");
        });
    }
}

#[test]
fn garbage_collection_removes_untagged_digest() {
    for program in Program::ALL {
        after_moved_tag(program, |registry, old, new| {
            registry.collect_garbage(Untagged::Delete);
            assert_eq!(registry.digest("app", &old.manifest.digest), None, "{program:?}");
            assert!(old.blobs.iter().all(|blob| !registry.has_blob("app", blob)), "{program:?}");
            assert!(is_served(registry, new), "{program:?}");
        });
    }
}

#[test]
fn second_tag_keeps_old_digest() {
    for program in Program::ALL {
        after_moved_tag(program, |registry, old, new| {
            let tag = format!("v1-{}", &old.manifest.hex()[..12]);
            registry.put_manifest("app", &tag, &old.manifest);
            registry.collect_garbage(Untagged::Delete);
            assert!(is_served(registry, old) && is_served(registry, new), "{program:?}");
        });
    }
}

/// Collects garbage where only an index has a tag; returns how many of its three children remain.
fn children_after_collection(program: Program) -> Option<usize> {
    let registry = Registry::start(program, Access::Plain)?;
    let index = Image::index(Format::Oci, "hello");
    registry.push("app", "v1", &index);
    registry.collect_garbage(Untagged::Delete);
    assert_eq!(registry.digest("app", "v1"), Some(index.manifest.digest), "the index itself stays");
    Some(index.children.iter().filter(|child| is_served(&registry, child)).count())
}

#[test]
fn index_tag_keeps_children_in_distribution() {
    assert!(children_after_collection(Program::Distribution).is_none_or(|left| left == 3));
}

/// The pinned digest is that of a platform, so it needs its own tag in this registry.
#[test]
fn index_tag_loses_children_in_docker_registry() {
    assert!(children_after_collection(Program::DockerRegistry).is_none_or(|left| left == 0));
}

#[test]
fn deleted_blob_leaves_its_manifest() {
    for program in Program::ALL {
        let Some(registry) = Registry::start(program, Access::Plain) else { return };
        let image = Image::small(Format::Oci, "hello");
        registry.push("app", "v1", &image);
        registry.delete_blob("app", &image.blobs[1].digest);
        assert_eq!(
            registry.digest("app", "v1").as_ref(),
            Some(&image.manifest.digest),
            "{program:?}"
        );
        assert!(
            registry.has_blob("app", &image.blobs[0]) && !registry.has_blob("app", &image.blobs[1])
        );
    }
}

#[test]
fn deleted_manifest_removes_its_tags() {
    for program in Program::ALL {
        let Some(registry) = Registry::start(program, Access::Plain) else { return };
        let image = Image::small(Format::Oci, "hello");
        registry.push("app", "v1", &image);
        registry.delete_manifest("app", &image.manifest.digest);
        assert_eq!(registry.digest("app", "v1"), None, "{program:?}");
    }
}
