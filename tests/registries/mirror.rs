//! skopeo copies images into a registry: from another one, as in the help of `images --mirror`, and
//! from a verified file, as in docs/images.md.

use std::process::Command;

use crate::lock::each_registry;
use crate::oci::image::{Format, Image};
use crate::oci::registry::{Access, Registry};
use crate::oci::skopeo::Skopeo;
use crate::workplace::{Ran, Workplace};

/// Returns the example in the help, with a profile in place of its file.
fn example(place: &Workplace) -> String {
    let help = place.ok(&["images", "--help"]);
    let lines = help.lines().map(str::trim).skip_while(|line| !line.contains("--mirror --quiet |"));
    let example = lines.take(5).collect::<Vec<_>>().join("\n");
    assert!(
        example.starts_with("relay-bundle images prod.tar --mirror --quiet |\nwhile read -r"),
        "{help}"
    );
    assert!(example.ends_with("done"), "{help}");
    example.replace("prod.tar", "relay")
}

/// Configures skopeo for registries without TLS, as `/etc/containers` would.
fn configure_skopeo(place: &Workplace, registries: &[&Registry]) {
    let folder = place.path().join(".config/containers");
    fs_err::create_dir_all(&folder).unwrap();
    let registry = |registry: &&Registry| {
        format!("[[registry]]\nlocation = \"{}\"\ninsecure = true\n", registry.address)
    };
    let config: String = registries.iter().map(registry).collect();
    fs_err::write(folder.join("registries.conf"), config).unwrap();
    fs_err::write(
        folder.join("policy.json"),
        "{\"default\":[{\"type\":\"insecureAcceptAnything\"}]}",
    )
    .unwrap();
}

#[track_caller]
fn run_example(place: &Workplace) {
    run_shell(place, &example(place));
}

#[track_caller]
fn run_shell(place: &Workplace, script: &str) {
    let mut shell = Command::new("bash");
    place.prepare(&mut shell);
    let folder = std::path::Path::new(env!("CARGO_BIN_EXE_relay-bundle")).parent().unwrap();
    shell.env("PATH", format!("{}:/usr/bin:/bin", folder.display()));
    let ran = Ran::of(shell.args(["-euo", "pipefail", "-c", script]));
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
}

/// Returns a profile with two images, an index and a plain one, for copying from one registry to
/// the other.
fn prepared(from: &Registry, to: &Registry) -> (Workplace, Image, Image) {
    let (relay, other) =
        (Image::index(Format::Oci, "relay"), Image::small(Format::Docker, "other"));
    from.push("acme/relay", "v1", &relay);
    from.push("other", "v2", &other);
    let place = Workplace::new();
    let more = format!(
        "images.registry = \"{}/inside\"\nextraContainers = [{{ name = \"other\", image = \"{}/other:v2\" }}]\n",
        to.address, from.address
    );
    place.write_profile("relay", &format!("{}/acme/relay:v1", from.address), &more);
    configure_skopeo(&place, &[from, to]);
    (place, relay, other)
}

#[test]
fn example_copies_each_pinned_image_to_its_cluster_name() {
    if Skopeo::find().is_none() {
        return;
    }
    each_registry(&[Access::Plain], |from| {
        each_registry(&[Access::Plain], |to| {
            let (place, relay, other) = prepared(from, to);
            place.ok(&["lock"]);
            // A tag that moves later does not matter.
            from.push("other", "v2", &Image::small(Format::Docker, "moved"));
            run_example(&place);
            for (name, tag, image) in
                [("inside/acme/relay", "v1", &relay.children[0]), ("inside/other", "v2", &other)]
            {
                for reference in [tag, &image.manifest.digest] {
                    assert_eq!(
                        to.digest(name, reference).as_ref(),
                        Some(&image.manifest.digest),
                        "{name}"
                    );
                }
                assert!(image.blobs.iter().all(|blob| to.has_blob(name, blob)), "{name}");
            }
        });
    });
}

#[test]
fn example_copies_all_platforms_of_tags_that_are_not_pinned() {
    if Skopeo::find().is_none() {
        return;
    }
    each_registry(&[Access::Plain], |registry| {
        let (place, relay, other) = prepared(registry, registry);
        run_example(&place);
        for part in relay.parts() {
            let digest = &part.manifest.digest;
            assert_eq!(registry.digest("inside/acme/relay", digest).as_ref(), Some(digest));
        }
        assert_eq!(registry.digest("inside/acme/relay", "v1"), Some(relay.manifest.digest));
        assert_eq!(registry.digest("inside/other", "v2"), Some(other.manifest.digest));
    });
}

#[test]
fn block_of_page_copies_archive_into_empty_registry() {
    if Skopeo::find().is_none() {
        return;
    }
    let page =
        fs_err::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/images.md")).unwrap();
    let block = page
        .split("```sh\n")
        .find(|block| block.contains("dir:unpacked"))
        .expect("the page has it");
    let block = block.split("```").next().unwrap();
    each_registry(&[Access::Plain], |from| {
        each_registry(&[Access::Plain], |to| {
            let (place, relay, other) = prepared(from, to);
            place.ok(&["lock"]);
            place.ok(&["fetch", "relay"]);
            place.ok(&["build", "relay", "--archive", "production.tar", "--images", "all"]);
            run_shell(&place, block);
            for (name, tag, image) in
                [("inside/acme/relay", "v1", &relay.children[0]), ("inside/other", "v2", &other)]
            {
                assert_eq!(to.digest(name, tag).as_ref(), Some(&image.manifest.digest), "{name}");
                assert!(image.blobs.iter().all(|blob| to.has_blob(name, blob)), "{name}");
            }
        });
    });
}
