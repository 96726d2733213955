//! Rules about the tags and digests of images.

use super::{expect, findings, load_dev, load_strict};

#[test]
fn images_are_decided_by_something() {
    expect(
        load_dev,
        &[
            ("redis.image = { tag = \"\", digest = \"\" }", &["RB0350 redis.image.tag"]),
            ("redis.image = { tag = \"latest\", digest = \"\" }", &["RB0403 redis.image.tag"]),
            // A tag in a higher layer removes the default's digest.
            ("redis.image.tag = \"8.4.0\"", &[]),
            (
                "redis.enabled = false\nexternalRedis.host = \"a\"\nredis.image = { tag = \"\", digest = \"\" }",
                &[],
            ),
        ],
    );
    expect(load_strict, &[("redis.image.tag = \"8.4.0\"", &["RB0402 redis.image.digest"])]);
}

/// Returns the lines of a profile with a container of this image.
fn own_container(key: &str, image: &str) -> String {
    format!(
        "[[{key}]]\nname = \"own\"\nimage = \"{image}\"\nresources.limits = {{ cpu = 1, memory = \"64Mi\" }}\nresources.requests = {{ cpu = 1, memory = \"64Mi\" }}\n"
    )
}

#[test]
fn own_container_without_digest_is_in_tag_warning() {
    let pinned = format!("quay.io/a/b:1@sha256:{}", "0".repeat(64));
    let of = |key: &str, image: &str| findings(&load_strict(&own_container(key, image)));
    for key in ["initContainers", "extraContainers"] {
        assert_eq!(of(key, "quay.io/a/b:1"), [format!("RB0402 {key}[0].image")]);
        for image in ["quay.io/a/b:latest", "quay.io/a/b"] {
            assert_eq!(of(key, image), [format!("RB0403 {key}[0].image")], "{image}");
        }
        assert_eq!(of(key, &pinned), [""; 0]);
        let dev = load_dev(&own_container(key, "quay.io/a/b:1"));
        assert_eq!(findings(&dev), [""; 0]);
    }
    let all = format!(
        "redis.image.tag = \"8.4.0\"\n{}{}",
        own_container("extraContainers", "quay.io/a/b:1"),
        own_container("extraContainers", "quay.io/a/c:2").replace("\"own\"", "\"other\""),
    );
    let loaded = load_strict(&all);
    let warning = loaded.diagnostics.iter().next().expect("the images have no digest");
    assert_eq!(findings(&loaded), ["RB0402 redis.image.digest"]);
    assert!(
        warning.message.ends_with(
            "; the same applies to `extraContainers[0].image` (`1`), `extraContainers[1].image` (`2`)"
        ),
        "{}",
        warning.message
    );
    let help = "; or set `redis.image.digest`; add a digest to `extraContainers[0].image`, `extraContainers[1].image`";
    assert!(warning.help.as_deref().unwrap_or_default().ends_with(help), "{:?}", warning.help);
}
