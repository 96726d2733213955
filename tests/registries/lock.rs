//! `lock` against real registries: the digest that it pins, and that it keeps it.

use crate::oci::image::{Format, Image};
use crate::oci::registry::{Access, Program, Registry};
use crate::workplace::Workplace;

/// Returns the lock of a profile `relay` with one image, written independently of the program.
pub(crate) fn expected(platform: &str, name: &str, tagged: &str, image: &Image) -> String {
    let mut blobs: Vec<_> =
        image.blobs.iter().map(|blob| (blob.digest.as_str(), blob.bytes.len())).collect();
    blobs.sort_unstable();
    blobs.dedup();
    let blobs: Vec<String> =
        blobs.iter().map(|(digest, size)| format!("  \"{digest} {size}\",\n")).collect();
    let (digest, kind, size) =
        (&image.manifest.digest, image.manifest.media_type, image.manifest.bytes.len());
    format!(
        "# Written by `relay-bundle lock`.\nschema = \"relay-bundle/images-lock/v1\"\nplatform = \"{platform}\"\n\
         profiles = [\"relay\"]\n\n[[image]]\nname = \"{name}\"\ntagged = \"{tagged}\"\ndigest = \"{digest}\"\n\
         mediaType = \"{kind}\"\nsize = {size}\nblobs = [\n{}]\n",
        blobs.concat()
    )
}

/// Calls `check` with each registry that is installed.
pub(crate) fn each_registry(access: &[Access], check: impl Fn(&Registry)) {
    for program in Program::ALL {
        for access in access {
            let Some(registry) = Registry::start(program, *access) else { return };
            check(&registry);
        }
    }
}

#[test]
fn lock_pins_manifest_of_its_platform_in_each_registry() {
    each_registry(&Access::ALL, |registry| {
        for format in Format::ALL {
            let (single, index) = (Image::small(format, "one"), Image::index(format, "two"));
            for (tag, image, pinned) in
                [("one", &single, &single), ("two", &index, &index.children[0])]
            {
                registry.push("app/relay", tag, image);
                let name = format!("{}/app/relay:{tag}", registry.address);
                let place = Workplace::with_image(&name);
                place.ok_at(registry, &["lock"]);
                let expected = expected("linux/amd64", &name, &image.manifest.digest, pinned);
                assert_eq!(place.lock().as_deref(), Some(expected.as_str()));
            }
        }
    });
}

#[test]
fn lock_of_another_platform_pins_its_manifest() {
    each_registry(&[Access::Plain], |registry| {
        let index = Image::index(Format::Docker, "hello");
        registry.push("app", "v1", &index);
        let name = format!("{}/app:v1", registry.address);
        for spelled in ["linux/arm64", "linux/arm64/v8"] {
            let place = Workplace::with_image(&name);
            place.ok(&["lock", "--platform", spelled]);
            let expected =
                expected("linux/arm64", &name, &index.manifest.digest, &index.children[1]);
            assert_eq!(place.lock().as_deref(), Some(expected.as_str()), "{spelled}");
        }
    });
}

#[test]
fn lock_of_unknown_platform_lists_those_of_index() {
    each_registry(&[Access::Plain], |registry| {
        registry.push("app", "v1", &Image::index(Format::Oci, "hello"));
        let place = Workplace::with_image(&format!("{}/app:v1", registry.address));
        let ran = place.run(&["lock", "--platform", "linux/s390x"]);
        assert_eq!(ran.code, Some(4), "{}", ran.stderr);
        assert!(ran.stderr.contains("linux/amd64, linux/arm64"), "{}", ran.stderr);
        assert_eq!(place.lock(), None);
    });
}

#[test]
fn lock_of_no_platform_is_refused() {
    let place = Workplace::with_image("registry.example.internal/app:v1");
    let ran = place.run(&["lock", "--platform", "linux"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("`linux` is not a platform"), "{}", ran.stderr);
}

#[test]
fn other_platform_needs_update_of_all_images() {
    each_registry(&[Access::Plain], |registry| {
        let index = Image::index(Format::Oci, "hello");
        registry.push("app", "v1", &index);
        let name = format!("{}/app:v1", registry.address);
        let place = Workplace::with_image(&name);
        place.ok(&["lock"]);
        let before = place.lock();

        let refused = place.run(&["lock", "--platform", "linux/arm64"]);
        assert_eq!(refused.code, Some(2), "{}", refused.stderr);
        assert!(refused.stderr.contains("relay-bundle lock --platform linux/arm64 --update"));
        assert_eq!(place.lock(), before);

        place.ok(&["lock", "--platform", "linux/arm64", "--update"]);
        let expected = expected("linux/arm64", &name, &index.manifest.digest, &index.children[1]);
        assert_eq!(place.lock().as_deref(), Some(expected.as_str()));
    });
}

/// Locks an image, then moves its tag to another one.
fn after_moved_tag(check: impl Fn(&Workplace, &Registry, &Image, &Image)) {
    each_registry(&[Access::Plain], |registry| {
        let (old, new) = (Image::small(Format::Oci, "old"), Image::small(Format::Oci, "new"));
        registry.push("app", "v1", &old);
        let place = Workplace::with_image(&format!("{}/app:v1", registry.address));
        place.ok(&["lock"]);
        registry.push("app", "v1", &new);
        check(&place, registry, &old, &new);
    });
}

#[test]
fn moved_tag_keeps_its_locked_digest() {
    after_moved_tag(|place, registry, old, _| {
        let said = place.ok(&["lock"]);
        assert_eq!(said, format!("kept     {}/app:v1 {}\n", registry.address, old.manifest.digest));
        assert!(place.lock().unwrap().contains(&old.manifest.digest));
    });
}

#[test]
fn update_shows_old_and_new_digest() {
    after_moved_tag(|place, registry, old, new| {
        let ran = place.run(&["lock", "--update", "--json"]);
        let image = &ran.json()["images"][0];
        assert_eq!(image["change"], "moved", "{}", ran.stderr);
        assert_eq!(image["oldDigest"], old.manifest.digest.as_str());
        assert_eq!(image["digest"], new.manifest.digest.as_str());
        let lock = place.lock().unwrap();
        assert!(lock.contains(&new.manifest.digest) && !lock.contains(&old.manifest.digest));
        assert!(
            place
                .ok(&["lock", "--update"])
                .starts_with(&format!("kept     {}/app:v1", registry.address))
        );
    });
}

#[test]
fn update_of_one_repository_leaves_others_unchanged() {
    each_registry(&[Access::Plain], |registry| {
        let image = |text: &str| Image::small(Format::Oci, text);
        let place = Workplace::new();
        for name in ["one", "two"] {
            registry.push(name, "v1", &image(&format!("old {name}")));
            place.write_profile(name, &format!("{}/{name}:v1", registry.address), "");
        }
        place.ok(&["lock"]);
        for name in ["one", "two"] {
            registry.push(name, "v1", &image(&format!("new {name}")));
        }
        let said = place.ok(&["lock", "--update", &format!("{}/two", registry.address)]);
        let changes: Vec<&str> = said.lines().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(changes, ["kept", "moved"], "{said}");
        let lock = place.lock().unwrap();
        assert!(
            lock.contains(&image("old one").manifest.digest)
                && lock.contains(&image("new two").manifest.digest)
        );
    });
}

#[test]
fn update_of_unknown_image_is_refused() {
    after_moved_tag(|place, _, _, _| {
        let before = place.lock();
        let ran = place.run(&["lock", "--update", "docker.io/redis"]);
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        assert!(
            ran.stderr.contains("no listed profile has the image `docker.io/redis`"),
            "{}",
            ran.stderr
        );
        assert_eq!(place.lock(), before);
    });
}

#[test]
fn pinned_index_is_refined_to_its_child() {
    each_registry(&[Access::Plain], |registry| {
        let index = Image::index(Format::Oci, "hello");
        registry.push("app", "v1", &index);
        registry.push("app", "v1", &Image::small(Format::Oci, "moved"));
        let name = format!("{}/app:v1@{}", registry.address, index.manifest.digest);
        let place = Workplace::with_image(&name);
        let ran = place.run(&["lock"]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let expected = expected("linux/amd64", &name, &index.manifest.digest, &index.children[0]);
        assert_eq!(place.lock().as_deref(), Some(expected.as_str()));
        assert!(
            ran.stderr.contains("but the profile pins"),
            "the tag names another image: {}",
            ran.stderr
        );
    });
}

#[test]
fn unknown_image_writes_no_lock() {
    each_registry(&[Access::Plain], |registry| {
        registry.push("app", "v1", &Image::small(Format::Oci, "hello"));
        let place = Workplace::with_image(&format!("{}/app:v2", registry.address));
        let ran = place.run(&["lock"]);
        assert_eq!(ran.code, Some(4), "{}", ran.stderr);
        assert!(ran.stderr.contains("/app:v2"), "{}", ran.stderr);
        assert_eq!(place.lock(), None);
    });
}

#[test]
fn image_that_left_its_profile_is_removed() {
    after_moved_tag(|place, registry, _, new| {
        registry.push("app", "v2", new);
        place.write_profile("relay", &format!("{}/app:v2", registry.address), "");
        let said = place.ok(&["lock"]);
        let changes: Vec<&str> = said.lines().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(changes, ["added", "removed"], "{said}");
        let expected = expected(
            "linux/amd64",
            &format!("{}/app:v2", registry.address),
            &new.manifest.digest,
            new,
        );
        assert_eq!(place.lock().as_deref(), Some(expected.as_str()));
    });
}
